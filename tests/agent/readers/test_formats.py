"""Which format is it, what do its columns say, and does every octet come back?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pe_agent import encoding
from pe_agent.encoding import NARROW, encoding_of
from pe_agent.readers import stream
from pe_agent.readers.formats import FORMATS, HEAD_OCTETS, Format, format_of, read_any
from pe_agent.readers.gather import gather_records, split_lines
from pe_agent.readers.record import LogRecord

from . import samples

EACH_SAMPLE = [(name, *sample) for name, logs in samples.SAMPLES.items() for sample in logs]
BY_NAME = {row.name: row for row in FORMATS}
SCRAPS = st.sampled_from(
    [line for _, log, _ in EACH_SAMPLE for line in log.splitlines(keepends=True)]
    + [b"\n", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"<![LOG[", b"]LOG]!>", b"</Event>", b"<Event ", b">>>  ["]
)
OCTETS = st.lists(SCRAPS | st.binary(max_size=20), max_size=10).map(b"".join)
STAMPED = re.compile(rb"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?, |<!\[LOG\[|\[\d+\] \d\d:\d\d:\d\d: )")


def explained(octets: bytes) -> list[LogRecord]:
    return [record for record in read_any([octets]) if record.explained]


def test_each_format_has_a_sample() -> None:
    assert samples.SAMPLES.keys() == BY_NAME.keys()


@pytest.mark.parametrize(("name", "octets", "count"), EACH_SAMPLE)
def test_a_log_is_recognised_by_its_content_and_every_record_has_columns(name: str, octets: bytes, count: int) -> None:
    assert format_of(octets).name == name
    records = explained(octets)
    assert len(records) == count
    assert all(record.text for record in records)


@pytest.mark.parametrize("wide", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("name", "octets", "count"), EACH_SAMPLE)
def test_a_log_in_utf16_is_the_same_log_with_and_without_its_mark(
    name: str, octets: bytes, count: int, mark: str, wide: str
) -> None:
    if encoding_of(octets) != NARROW:
        octets = octets.decode("utf-16").encode()
    log = (mark + octets.decode()).encode(wide)
    assert format_of(log).name == name
    assert [record.fields for record in explained(log)] == [record.fields for record in explained(octets)]
    assert len(explained(log)) == count
    assert b"".join(record.raw for record in read_any([log[:3], log[3:]])) == log


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
@given(octets=OCTETS)
@settings(max_examples=60)
def test_any_octets_come_back_whole_and_have_text_that_can_be_sent(row: Format, octets: bytes) -> None:
    records = list(stream.read_records([octets], row.grammar))
    assert b"".join(record.raw for record in records) == octets
    for record in records:
        "".join(str(column) for column in record.fields).encode()


def test_a_list_of_events_that_breaks_off_in_its_first_field_is_text_without_columns() -> None:
    (record,) = stream.read_records([b"TimeCreated"], BY_NAME["wds-events-list"].grammar)
    assert record.time == ""


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
@given(octets=OCTETS, size=st.integers(1, 9))
@settings(max_examples=40)
def test_records_do_not_depend_on_how_the_octets_arrive(row: Format, octets: bytes, size: int) -> None:
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert list(stream.read_records(pieces, row.grammar)) == list(stream.read_records([octets], row.grammar))


@given(OCTETS)
@settings(max_examples=60)
def test_a_log_of_an_unknown_or_mixed_format_comes_back_whole(octets: bytes) -> None:
    assert b"".join(record.raw for record in read_any([octets])) == octets


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_record_without_an_end_is_cut_where_the_delimiter_straddles_the_limit(row: Format) -> None:
    octets = b"<Event " + b"x" * (stream.MOST_OCTETS - 10) + b"</Event>" + b"y" * (3 * stream.MOST_OCTETS) + b"\n"
    whole = list(stream.read_records([octets], row.grammar))
    assert b"".join(record.raw for record in whole) == octets
    pieces = [octets[at : at + 1000] for at in range(0, len(octets), 1000)]
    assert list(stream.read_records(pieces, row.grammar)) == whole


def test_an_unknown_log_is_read_line_by_line() -> None:
    records = list(read_any([b"one\ntwo\n"]))
    assert [(r.line, r.text, r.explained) for r in records] == [(1, "one", False), (2, "two", False)]


def test_a_format_is_chosen_by_the_first_64_kib() -> None:
    assert format_of(samples.KEA + b"\n" * HEAD_OCTETS + samples.ISC * 100).name == "dhcp-kea"


def test_both_line_forms_of_wpeinit_have_their_level() -> None:
    one, two, three = explained(samples.WPEINIT)
    assert (one.level, one.time, one.code) == ("Info", "", 1)
    assert two.text == "Command 0: 0x00000000"
    assert (three.level, three.time) == ("Error", "2026-03-02 08:15:30.592")


def test_cmtrace_keeps_both_habits_of_time_zones_and_messages_of_many_lines() -> None:
    one, two, old = explained(samples.CMTRACE)
    assert (one.time, one.level, one.component) == ("03-02-2026 16:52:13.000+480", "Info", "TSPxe")
    assert (two.time, two.level, two.text) == ("03-02-2026 16:52:14.000+000", "Error", "first\nsecond 0x80072EE7")
    assert two.code == 0x80072EE7
    assert (old.component, old.text, old.time) == (
        "TSMBootstrap",
        "Found network adapter",
        "03-02-2026 16:52:15.123+480",
    )


def test_a_section_of_setupapi_says_which_device_got_no_driver() -> None:
    *_, failed, good = explained(samples.SETUPAPI)
    assert (failed.level, failed.code, failed.time) == ("Error", 0xE0000203, "2026/03/02 08:15:31.123")
    assert "PCI\\VEN_8086&DEV_15F3" in failed.text
    assert (good.level, good.code) == ("Info", None)


def test_a_trace_line_names_its_module() -> None:
    _, error = explained(samples.WDS_TRACE)
    assert (error.time, error.component, error.level) == ("09:26:20", "WdsImgSrv", "Error")


@pytest.mark.parametrize("octets", [samples.WDS_XML, b"\xff\xfe" + samples.WDS_XML.decode().encode("utf-16-le")])
def test_an_event_in_xml_has_its_title_and_its_values(octets: bytes) -> None:
    booted, image = explained(octets)
    assert (booted.message_id, booted.time) == ("4096", "2026-03-02T08:15:30.123Z")
    assert booted.text.split("\n") == [
        "The following client booted from PXE.",
        "MACAddress: 52-54-00-12-34-56",
        "IPAddress: 10.10.1.23",
    ]
    assert image.text.endswith("Filename: Boot\\x64\\Images\\boot.wim")


def test_entities_are_those_of_xml_and_no_other() -> None:
    hostile = samples.event(4115, "2026-03-02T08:15:30Z", Text="a &lt;b&gt; &amp;lt; &bomb; &#13;")
    (record,) = explained(f"<!DOCTYPE x [<!ENTITY bomb 'boom'>]><Events>{hostile}</Events>".encode())
    assert "Text: a <b> &lt; &bomb; \r" in record.text


def test_an_event_in_a_row_keeps_its_message_of_many_lines() -> None:
    done, failed = explained(samples.WDS_ROWS)
    assert (done.message_id, done.time, done.level) == ("4100", "3/2/2026 8:15:55 AM", "Information")
    assert "Client IP: 10.10.1.23\nFilename: boot.wim" in done.text
    assert (failed.message_id, failed.code) == ("4101", 0x800705B4)


def exported(order: list[str], delimiter: str) -> bytes:
    """An export as Export-Csv writes it, its columns in any order."""
    event = {
        "Message": 'The following WDS Client has started.\r\n""One"", two; three\r\n\r\nMAC: 52-54-00-12-34-56',
        "Id": "4102",
        "ProviderName": "Microsoft-Windows-Deployment-Services-Diagnostics",
        "TimeCreated": "3/2/2026 8:15:55 AM",
        "UserId": "",
    }
    rows = [{name: name for name in event}, event, event | {"Id": "4112"}]
    return b"".join(delimiter.join(f'"{row[name]}"' for name in order).encode() + b"\r\n" for row in rows)


COLUMNS = ["Message", "Id", "ProviderName", "TimeCreated", "UserId"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("order", [COLUMNS[n:] + COLUMNS[:n] for n in range(len(COLUMNS))], ids=lambda o: o[0])
def test_an_exported_event_is_read_by_the_names_in_its_header(order: list[str], delimiter: str) -> None:
    octets = exported(order, delimiter)
    for log in (octets, b"\xef\xbb\xbf" + octets, b"\xff\xfe" + octets.decode().encode("utf-16-le")):
        assert format_of(log).name == "wds-events-csv"
        records = list(read_any([log]))
        assert b"".join(record.raw for record in records) == log
        started, ended = (record for record in records if record.message_id)
        assert (started.message_id, ended.message_id) == ("4102", "4112")
        assert started.time == "3/2/2026 8:15:55 AM"
        assert started.component == "Microsoft-Windows-Deployment-Services-Diagnostics"
        assert started.text.split("\n") == [
            "The following WDS Client has started.",
            '"One", two; three',
            "",
            "MAC: 52-54-00-12-34-56",
        ]


def test_a_quoted_table_without_an_event_number_is_no_export() -> None:
    assert format_of(b'"Name","Size"\r\n"boot.wim","1"\r\n').name != "wds-events-csv"


def repeated(scraps: list[bytes]) -> bytes:
    return b"".join(scraps) * (300_000 // sum(map(len, scraps)))


LARGE = st.lists(SCRAPS, min_size=1, max_size=6).map(repeated)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
@given(octets=LARGE | OCTETS, size=st.integers(20_000, 200_000))
@settings(max_examples=8)
def test_a_log_cut_into_stretches_has_the_records_that_its_lines_make(row: Format, octets: bytes, size: int) -> None:
    """The quick ways of the reader agree with the rule, line by line."""
    narrow = octets if encoding_of(octets) == NARROW else b"\n" * encoding.HEAD_OCTETS + octets
    pieces = [narrow[at : at + size] for at in range(0, len(narrow), size)]
    by_rule = gather_records(split_lines([narrow], row.grammar.delimiter), row.grammar, "utf-8", 1)
    assert list(stream.read_records(pieces, row.grammar)) == list(by_rule)


def test_an_event_in_a_list_keeps_its_message_of_many_lines() -> None:
    started, ended = explained(samples.WDS_LIST)
    assert (started.message_id, started.time) == ("4102", "3/2/2026 8:15:55 AM")
    assert started.text == "The following WDS Client has started.\nMAC Address: {52-54-00-12-34-56}"
    assert ended.message_id == "4112"


@pytest.mark.parametrize(
    ("octets", "kinds", "levels"),
    [
        (samples.DHCP_AUDIT, ["10", "14"], ["Info", "Warning"]),
        (samples.ISC, ["DHCPDISCOVER", "DHCPOFFER", "DHCPDISCOVER"], ["Info", "Info", "Warning"]),
        (samples.DNSMASQ, ["DHCPDISCOVER", "PXE"], ["Info", "Info"]),
        (samples.KEA, ["DHCP4_LEASE_ALLOC", "ALLOC_ENGINE_V4_ALLOC_FAIL"], ["Info", "Warning"]),
    ],
)
def test_a_dhcp_log_says_what_was_done_and_what_went_wrong(octets: bytes, kinds: list[str], levels: list[str]) -> None:
    records = explained(octets)
    assert [record.message_id for record in records] == kinds
    assert [record.level for record in records] == levels


def test_public_logs_are_read_whole_and_every_stamped_line_has_columns(public_logs: list[Path]) -> None:
    for path in public_logs:
        octets = path.read_bytes()
        records = list(read_any([octets]))
        assert b"".join(record.raw for record in records) == octets, path.name
        begun = {record.line for record in records if record.explained and record.fields.text is not None}
        lines = octets.decode("utf-16").encode() if octets[:2] == b"\xff\xfe" else octets.removeprefix(b"\xef\xbb\xbf")
        stamped = {n for n, line in enumerate(lines.split(b"\n"), 1) if STAMPED.match(line)}
        assert stamped <= begun, f"{path.name}: lines {sorted(stamped - begun)[:5]}"
        assert all(r.level or r.component for r in records if r.line in stamped and b"LOG" not in r.octets), path.name
