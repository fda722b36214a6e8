"""Which site is an address at, and what do people's lists of sites look like?"""

import json
from contextlib import closing

import pytest
from pe_agent.errors import UsageError
from pe_collector import sites, store
from pe_collector.sites import read_sites, site_of, store_sites
from pe_collector.store.addresses import address_key, key_range


def written(tmp_path, octets, name="sites.csv"):
    path = tmp_path / name
    path.write_bytes(octets if isinstance(octets, bytes) else octets.encode())
    return path


def plain(read):
    return [(s.keys.prefix, s.site, s.vlan, s.owner) for s in read]


EXPECTED = [("10.1.0.0/16", "Berlin", "10", "net@a"), ("2001:db8::/32", "Köln", "", "")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_spreadsheet_s_list_is_read_however_it_was_saved(tmp_path, delimiter, encoding):
    lines = ["Prefix|Site|VLAN|Owner", "10.1.0.0/16|Berlin|10|net@a", "2001:db8::/32|Köln||"]
    text = "\r\n".join(lines).replace("|", delimiter)
    assert plain(read_sites(written(tmp_path, text.encode(encoding)))) == EXPECTED


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("Subnet,Location,VLAN ID,Contact", "10.1.0.0/16,Berlin,10,net@a"),
        ("Owner,vlan,Site name,CIDR", "net@a,10,Berlin,10.1.0.0/16"),
        ("Netzwerk;Standort;Vlan-ID;Ansprechpartner", "10.1.0.0/16;Berlin;10;net@a"),
        ("Network,Netmask,Site,VLAN,Owner", "10.1.0.0,255.255.0.0,Berlin,10,net@a"),
        ("Network,Prefix length,Site,VLAN,Owner", "10.1.0.0,/16,Berlin,10,net@a"),
        ("prefix,site,vlan,owner,notes", '10.1.0.0/16,"Berlin",10,net@a,"a, b"'),
        ("sep=;\nprefix;site;vlan;owner", "10.1.0.0/16;Berlin;10;net@a"),
    ],
)
def test_columns_have_the_names_that_people_give_them(tmp_path, head, row):
    assert plain(read_sites(written(tmp_path, f"{head}\n\n{row}\n"))) == EXPECTED[:1]


def test_toml_is_read_too(tmp_path):
    text = '[[prefix]]\nprefix = "10.1.0.0/16"\nsite = "Berlin"\nvlan = 10\nowner = "net@a"\n'
    assert plain(read_sites(written(tmp_path, text, "sites.toml"))) == EXPECTED[:1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column prefix"),
        ("a,b\n1,2\n", "no column prefix and no column site"),
        ("prefix,site\n", "no prefix in it"),
        ("prefix,site\n10.1.0.0/16,\n", "line 2.*has no site"),
        ("prefix,site\n10.1.0.0/16,A\nfoo,B\n10.2.0.0/33,C\n", "line 3: 'foo'.*line 4"),
        ("prefix,site\n10.1.0.0/16,A\n10.1.0.0/16,B\n", "line 3: 10.1.0.0/16 stands twice"),
    ],
)
def test_a_wrong_list_is_refused_with_its_lines(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        read_sites(written(tmp_path, text))


@pytest.mark.parametrize("text", ["[[prefix]]\nsite='A'\nprefix='10.0.0.0/8'\nx=1", "[site]\na=1", "prefix = 3", "x"])
def test_wrong_toml_is_refused(tmp_path, text):
    with pytest.raises(UsageError):
        read_sites(written(tmp_path, text, "sites.toml"))


@pytest.fixture
def connection(tmp_path):
    (tmp_path / "data").mkdir()
    with closing(store.open_writer(store.create(tmp_path / "data"))) as opened:
        yield opened


def known(connection, *rows):
    store_sites(connection, [sites.SitePrefix(key_range(prefix), site) for prefix, site in rows])


def test_the_longest_prefix_wins(connection):
    known(
        connection,
        ("0.0.0.0/0", "world"),
        ("10.0.0.0/8", "eight"),
        ("10.1.0.0/16", "sixteen"),
        ("10.1.0.0/24", "first"),
        ("10.1.9.7/32", "one"),
        ("2001:db8::/32", "six"),
        ("2001:db8:1::/48", "six-one"),
    )
    expected = {
        "9.9.9.9": "world",
        "10.200.0.1": "eight",
        "10.1.255.255": "sixteen",
        "10.1.0.0": "first",
        "10.1.0.255": "first",
        "10.1.1.0": "sixteen",
        "10.1.9.7": "one",
        "10.1.9.8": "sixteen",
        "2001:db8:ffff::1": "six",
        "2001:db8:1::1": "six-one",
        "2001:db9::1": None,
        "fe80::1": None,
        "": None,
        "nonsense": None,
    }
    assert {address: site_of(connection, address) for address in expected} == expected


def test_ipv4_is_never_at_a_site_of_ipv6(connection):
    known(connection, ("::/0", "six"))
    assert site_of(connection, "2001:db8::1") == "six"
    assert site_of(connection, "10.1.1.1") is None


def test_a_key_orders_addresses_as_numbers():
    ordered = ["0.0.0.0", "9.255.255.255", "10.0.0.0", "100.0.0.0", "255.255.255.255", "2001:db8::", "2001:db8::1"]
    keys = [address_key(address) for address in ordered]
    assert keys == sorted(keys)
    inside = key_range("10.0.0.0/8")
    assert [address for address in ordered if inside.first <= address_key(address) <= inside.last] == ["10.0.0.0"]


def test_a_new_list_takes_the_place_of_the_old_one_for_stored_boots_too(collector, cli, data, frames, tmp_path):
    hello = frames.hello(collector.token)
    collector.client().send(hello, *frames.whole()).stored_through(5)
    site = "SELECT site FROM boots"
    assert json.loads(cli("sql", site, "--format", "json", data=data).stdout) == [{"site": None}]
    for name in ("Old", "New"):
        path = written(tmp_path, f"prefix,site\n10.10.0.0/16,{name}\n")
        assert b"1 stored reports" in cli("sites", "import", str(path), data=data).stdout
        assert json.loads(cli("sql", site, "--format", "json", data=data).stdout) == [{"site": name}]
        listed = json.loads(cli("sites", "list", "--format", "json", data=data).stdout)
        assert listed == [{"prefix": "10.10.0.0/16", "site": name, "vlan": "", "owner": ""}]


def test_a_boot_that_comes_after_the_list_has_its_site(collector, cli, data, frames, tmp_path):
    cli("sites", "import", str(written(tmp_path, "prefix,site\n10.10.1.0/24,Berlin\n")), data=data)
    collector.client().send(frames.hello(collector.token), *frames.whole()).stored_through(5)
    (row,) = json.loads(cli("subnets", "--site", "berlin", "--format", "json", data=data).stdout)
    assert (row["prefix"], row["site"], row["boots"]) == ("10.10.1.0/24", "Berlin", 1)
