import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from pe_collector.prefixes import AddressTable, Prefix, bitset, parse_address, parse_prefix


def table(addresses, *subnets):
    return AddressTable([parse_address(a) for a in addresses], [parse_prefix(s) for s in subnets])


def test_link_local_addresses_say_no_place():
    assert parse_address("169.254.7.8") is None
    assert parse_address("fe80::1") is None
    assert parse_address("nonsense") is None
    assert parse_prefix("169.254.0.0/16") is None


def test_host_bits_of_a_subnet_are_dropped():
    assert str(parse_prefix("10.10.1.77/24")) == "10.10.1.0/24"


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_prefix_is_written_as_the_standard_library_writes_it(address, length):
    length = min(length, address.max_prefixlen)
    text = f"{address}/{length}"
    network = ipaddress.ip_network(text, strict=False)
    parsed = parse_prefix(text)
    assert (network.is_link_local and parsed is None) or str(parsed) == str(network)


def test_of_prefixes_with_the_same_boots_the_reported_subnet_is_given():
    addresses = ["10.1.4.16", "10.1.4.17", "10.1.9.1"]
    found = dict(table(addresses, "10.1.4.0/24", "10.1.9.0/24").prefixes_over([0, 1], 2))
    assert {str(p) for p in found if found[p] == 0b011} == {"10.1.4.0/24"}


def test_of_prefixes_with_the_same_boots_the_longest_that_cuts_no_subnet_is_given():
    addresses = ["10.1.4.16", "10.1.5.17", "10.1.9.1"]
    found = dict(table(addresses, "10.1.4.0/24", "10.1.5.0/24", "10.1.9.0/24").prefixes_over([0, 1], 2))
    assert {str(p) for p in found if found[p] == 0b011} == {"10.1.4.0/23"}


@given(st.lists(st.ip_addresses(v=4) | st.ip_addresses(v=6), min_size=1, max_size=30))
def test_every_prefix_holds_exactly_the_boots_whose_addresses_lie_in_it(addresses):
    texts = [str(a) for a in addresses]
    for prefix, boots in table(texts).prefixes_over(range(len(texts)), 1):
        network = ipaddress.ip_network(str(prefix))
        usable = [n for n, a in enumerate(addresses) if not a.is_link_local]
        inside = [n for n in usable if addresses[n].version == network.version and addresses[n] in network]
        assert boots == bitset(inside, len(texts))


def test_a_prefix_is_part_of_a_shorter_one_of_its_own_version():
    assert table(["10.1.4.16"], "10.1.0.0/16").cuts(Prefix(4, 0x0A010400, 24))
    assert not table(["10.1.4.16"], "10.1.0.0/16").cuts(Prefix(4, 0x0A000000, 8))
