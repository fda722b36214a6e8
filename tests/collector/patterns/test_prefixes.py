import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from pe_collector.prefixes import holds_address, parse_address, parse_prefix


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


@given(st.ip_addresses(), st.ip_addresses(), st.integers(1, 128))
def test_a_prefix_holds_an_address_as_the_standard_library_says(place, address, length):
    network = ipaddress.ip_network(f"{place}/{min(length, place.max_prefixlen)}", strict=False)
    inside = address.version == network.version and address in network
    assert holds_address(str(network), str(address)) is (inside and not address.is_link_local)
    assert holds_address(str(network), str(place)) is not place.is_link_local


def test_what_is_no_prefix_or_no_address_holds_nothing():
    assert holds_address("10.10.1.0/24", "10.10.1.7")
    assert not holds_address("10.10.1.0/24", "")
    assert not holds_address("nonsense", "10.10.1.7")


def test_a_prefix_holds_a_longer_one_of_its_own_version_only():
    whole, part = parse_prefix("10.1.0.0/16"), parse_prefix("10.1.4.0/24")
    assert whole.holds(part)
    assert not part.holds(whole)
    assert not parse_prefix("::/1").holds(part)
