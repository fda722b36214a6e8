"""The parts of the page that need no browser: levels of prefixes, names in SQL, lines of logs, marks that hide."""

import pytest
from markupsafe import escape
from pe_collector.questions.filters import Filters
from pe_collector.store.addresses import address_key
from pe_collector.store.prefix_tree import head_of
from pe_collector.web.log_page import lines_of
from pe_collector.web.port_map import switches_of
from pe_collector.web.sql import names_in
from pe_collector.web.subnet_map import in_hours, level_below, path_to, prefix_of
from pe_collector.web.words import heat, tame


@pytest.mark.parametrize(
    ("address", "levels"),
    [
        ("10.10.22.38", ["10.0.0.0/8", "10.10.0.0/16", "10.10.16.0/20", "10.10.22.0/24"]),
        ("2001:db8:1:2300::5", ["2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2300::/56", "2001:db8:1:2300::/64"]),
    ],
)
def test_the_tree_of_an_address_goes_down_level_by_level_to_the_machines(address, levels):
    key, seen, prefix = address_key(address), [], ""
    while (level := level_below(prefix)) is not None:
        prefix = prefix_of(head_of(key, level))
        seen.append(prefix)
    assert seen == levels
    assert path_to(prefix) == levels


def test_a_prefix_between_two_levels_stands_below_the_wider_one():
    assert path_to("10.10.20.0/22") == ["10.0.0.0/8", "10.10.0.0/16", "10.10.16.0/20", "10.10.20.0/22"]
    assert level_below("10.10.20.0/22") == 3


def test_names_in_sql_are_those_outside_of_quotes_and_comments():
    query = "SELECT ':no', \"a:b\" -- :neither\n FROM t /* :nor */ WHERE a = :yes AND b < :yes AND c = :too"
    assert names_in(query) == ("yes", "too")


def test_marks_that_hide_or_turn_the_text_are_written_out():
    assert tame("a\u202eb\x1b[31m\u200b\ttab\nline") == "a<U+202E>b\u241b[31m<U+200B>\ttab\nline"
    assert escape(tame("\u202e<b>")) == "&lt;U+202E&gt;&lt;b&gt;"
    assert tame("Gr\u00f6\u00dfe") == "Gr\u00f6\u00dfe"


@pytest.mark.parametrize(
    "octets", [b"one\r\ntwo\n", "\ufeffone\r\ntwo".encode(), "\ufeffone\r\ntwo\r\n".encode("utf-16-le")]
)
def test_lines_of_a_log_are_counted_whatever_its_encoding(octets):
    assert lines_of(octets) == ["one", "two"]


def test_a_cell_is_redder_the_more_of_its_boots_fail():
    assert [heat(failed, 100) for failed in (0, 1, 5, 20, 50, 90)] == [f"heat-{step}" for step in range(6)]
    assert heat(0, 0) == "heat-none"


def test_ports_stand_in_the_order_of_their_labels():
    row = {"switch": "sw", "site": None, "boots": 1, "failed": 0, "slow": 0}
    rows = [{**row, "switch_port": port} for port in ("Gi1/0/14", "Gi1/0/9", "Te1/1/1", "", "9")]
    (switch,) = switches_of(rows)
    assert [port["switch_port"] for port in switch["ports"]] == ["", "9", "Gi1/0/9", "Gi1/0/14", "Te1/1/1"]


@pytest.mark.parametrize(
    ("period", "inside", "edges"),
    [
        ((100.0, 7300.0), (3600, 7200), [(100.0, 3600), (7200, 7300.0)]),
        ((3600.0, 7200.0), (3600, 7200), []),
        ((100.0, None), (3600, None), [(100.0, 3600)]),
        ((None, 7300.0), (None, 7200), [(7200, 7300.0)]),
        ((None, None), (None, None), []),
    ],
)
def test_a_period_is_its_whole_hours_and_what_lies_before_and_after_them(period, inside, edges):
    whole, rest = in_hours(Filters(*period, site="Berlin"))
    assert (whole.since_s, whole.until_s, whole.site) == (*inside, "Berlin")
    assert [(edge.since_s, edge.until_s, edge.site) for edge in rest] == [(*edge, "Berlin") for edge in edges]
