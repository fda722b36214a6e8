from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pe_agent.panther import MOST_OCTETS, LogRecord, code_in, read_records

STRICT = b"2021-09-27 04:03:44, Info       [0x0601c1] IBS    InstallWindows:Install Path = C:\\oobe\r\n"
BLANK = b"2021-06-09 12:08:20, Error                        Failed to check. 0x00000490[gle=0x00000002]\r\n"


def only(octets: bytes) -> LogRecord:
    (record,) = read_records([octets])
    return record


def texts(octets: bytes) -> list[str]:
    return [record.text for record in read_records([octets])]


def test_all_columns_of_a_strict_line_are_read() -> None:
    expected = ("2021-09-27 04:03:44", "Info", "0x0601c1", "IBS", None, "InstallWindows:Install Path = C:\\oobe")
    assert only(STRICT).fields == expected


def test_blank_columns_are_empty() -> None:
    record = only(BLANK)
    assert (record.level, record.message_id, record.component) == ("Error", "", "")
    assert record.text.startswith("Failed to check")


def test_the_quoted_form_of_forums_is_read() -> None:
    record = only(b'Error "CreateClientSession: Failed. Error code [0x800706BA].[gle=0x000006ba]"\n')
    assert (record.level, record.code) == ("Error", 0x800706BA)
    assert record.text == "CreateClientSession: Failed. Error code [0x800706BA].[gle=0x000006ba]"


def test_collapsed_blanks_are_read() -> None:
    record = only(b"Info IBS Callback_BootEnvironmentDetect:FirmwareType 1.\n")
    assert (record.level, record.component) == ("Info", "IBS")
    assert record.text == "Callback_BootEnvironmentDetect:FirmwareType 1."


def test_both_forms_of_wpeinit_are_read() -> None:
    with_stamp = only(b"2021-01-01 05:21:51.592, Info      STATUS: SUCCESS (0x00000001)\r\n")
    assert (with_stamp.time, with_stamp.level) == ("2021-01-01 05:21:51.592", "Info")
    assert with_stamp.text == "STATUS: SUCCESS (0x00000001)"
    assert only(b"Warning   No firewall\r\n").fields[1::4] == ("Warning", "No firewall")


def test_lines_without_a_stamp_continue_the_record_before() -> None:
    first, second = read_records([STRICT + b"    indented\r\n\r\n[1184] more\r\n" + BLANK])
    assert first.text.split("\n")[1:] == ["    indented", "", "[1184] more"]
    assert (first.line, second.line) == (1, 5)


def test_a_continuation_that_begins_with_a_level_word_stays_a_continuation() -> None:
    assert len(list(read_records([STRICT + b"Error while closing\r\nInfo: nothing\r\n"]))) == 1


def test_a_line_that_no_format_explains_has_only_line_and_text() -> None:
    records = list(read_records([b"hello 0x80004005\nworld\n"]))
    assert [(r.line, r.text, r.time, r.level, r.code) for r in records] == [
        (1, "hello 0x80004005", "", "", None),
        (2, "world", "", "", None),
    ]


def test_the_other_setupact_log_is_not_read_as_panther() -> None:
    octets = b"dispci.dll:  ====BEGIN====\r\nAudMig: Info  done\r\n[08/13/2009 10:11] WudfCoInstaller: x\r\n"
    assert [r.explained for r in read_records([octets])] == [False, False, False]


def test_lines_of_another_program_do_not_continue_a_setup_record() -> None:
    assert texts(STRICT + b"dispci.dll:  BEGIN\r\n")[1] == "dispci.dll:  BEGIN"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Failed. Error code [0x800706BA].[gle=0x00000002]", 0x800706BA),
        ("hr = 0x80070002[gle=0x0000007e]", 0x80070002),
        ("Failed to check OS architecture. 0x00000490[gle=0x00000002]", 0x490),
        ("no other code[gle=0x00000002]", 2),
        ("RegLoadKey failed. Error: 0x3.", 3),
        ("CSetupManager::Get(13192): Result = 0x80070002", 0x80070002),
        ("STATUS: SUCCESS", None),
        ("at 0xc0de", None),
    ],
)
def test_the_code_the_message_names_comes_before_gle(text: str, code: int | None) -> None:
    assert code_in(text) == code


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\xef\xbb\xbfone\n", "one"),
        ("Gerät\n".encode(), "Gerät"),
        ("Gerät\n".encode("cp1252"), "Gerät"),
        (b"\xff\xfe" + "Gerät 😀\n".encode("utf-16-le"), "Gerät 😀"),
        (b"\xfe\xff" + "Gerät 😀\n".encode("utf-16-be"), "Gerät 😀"),
        (b"cut in the mid", "cut in the mid"),
        (b"a\0b\n", "a\0b"),
    ],
)
def test_every_encoding_gives_its_text_and_its_octets_back(octets: bytes, text: str) -> None:
    record = only(octets)
    assert (record.text, record.raw) == (text, octets)


def test_one_record_may_mix_utf_8_and_the_machines_code_page() -> None:
    octets = STRICT + "Größe € ".encode() + b"\r\n" + "Gerät\r\n".encode("cp1252")
    assert only(octets).text.split("\n")[1:] == ["Größe € ", "Gerät"]


def test_half_a_character_at_the_end_of_utf_16_is_kept() -> None:
    octets = b"\xff\xfe" + "line\nx".encode("utf-16-le") + b"\x3d\xd8\x00"
    records = list(read_records([octets]))
    assert b"".join(r.raw for r in records) == octets
    assert [r.line for r in records] == [1, 2, 2]


def test_an_empty_file_has_no_records() -> None:
    assert list(read_records([])) == list(read_records([b""])) == []


@pytest.mark.parametrize(
    "length", [MOST_OCTETS - 1, MOST_OCTETS, MOST_OCTETS + 1, 3 * MOST_OCTETS, 3 * MOST_OCTETS + 7]
)
def test_an_overlong_line_is_split_and_nothing_is_lost(length: int) -> None:
    octets = STRICT + BLANK.rstrip() + b"x" * length + b"\n" + STRICT
    records = list(read_records([octets]))
    assert b"".join(r.raw for r in records) == octets
    assert max(len(r.octets) for r in records) <= MOST_OCTETS + 1
    assert records[-1].line == 3


def test_a_record_of_endless_continuation_lines_is_bounded() -> None:
    records = list(read_records([STRICT + b"  more and more\n" * 20_000]))
    assert max(len(r.octets) for r in records) <= MOST_OCTETS


def test_overlong_wide_lines_are_cut_between_characters() -> None:
    octets = b"\xff\xfe" + ("€" * MOST_OCTETS + "\n").encode("utf-16-le")
    assert b"".join(r.raw for r in read_records([octets])) == octets


def test_public_logs_come_back_octet_for_octet(public_logs: list[Path]) -> None:
    for path in public_logs:
        octets = path.read_bytes()
        assert b"".join(r.raw for r in read_records(blocks(octets, 4093))) == octets, path.name


def test_every_stamped_line_of_public_logs_is_read_by_its_columns(public_logs: list[Path]) -> None:
    for path in public_logs:
        for record in read_records(blocks(path.read_bytes(), 1 << 20)):
            if record.time:
                assert record.level in ("Info", "Warning", "Error"), (path.name, record.line)


def blocks(octets: bytes, size: int) -> Iterator[bytes]:
    yield from (octets[at : at + size] for at in range(0, len(octets), size))
