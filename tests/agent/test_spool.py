"""A spooled report survives damage: only the damaged record is lost, and which one is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.errors import DecodeError, NotKept
from pe_agent.spool import MAGIC, Damage, Spool, read_records

PAYLOADS = [b"hello", b"first observation", b"\0", b"a log chunk " * 50, b"verdict"]


def spooled(tmp_path, payloads=PAYLOADS):
    spool = Spool.create([tmp_path], "report")
    for payload in payloads:
        spool.append(payload)
    spool.close()
    return spool.path.read_bytes()


def test_what_was_appended_is_read_back_in_order(tmp_path):
    assert list(read_records(spooled(tmp_path))) == PAYLOADS


def test_a_flipped_octet_loses_only_its_own_record(tmp_path):
    octets = spooled(tmp_path)
    for at in range(len(MAGIC), len(octets)):
        damaged = octets[:at] + bytes((octets[at] ^ 0x55,)) + octets[at + 1 :]
        read = list(read_records(damaged))
        whole = [r for r in read if not isinstance(r, Damage)]
        assert len(whole) >= len(PAYLOADS) - 1
        assert all(r in PAYLOADS for r in whole)
        assert sum(isinstance(r, Damage) for r in read) == 1


def test_a_file_cut_at_any_length_keeps_the_records_before_the_cut(tmp_path):
    octets = spooled(tmp_path)
    ends = [len(MAGIC)]
    for payload in PAYLOADS:
        ends.append(ends[-1] + 8 + len(payload))
    for length in range(len(MAGIC), len(octets)):
        whole = [r for r in read_records(octets[:length]) if not isinstance(r, Damage)]
        assert whole == PAYLOADS[: sum(end <= length for end in ends) - 1]


@given(st.binary(max_size=300))
def test_any_octets_after_the_magic_are_read_without_an_exception(octets):
    for record in read_records(MAGIC + octets):
        assert isinstance(record, bytes | Damage)


def test_octets_that_are_no_bundle_are_refused():
    with pytest.raises(DecodeError, match="PESPOOL1"):
        list(read_records(b"PK\x03\x04"))


def test_the_next_folder_is_taken_when_the_first_refuses(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    spool = Spool.create([blocked / "sub", tmp_path / "second"], "report")
    spool.close()
    assert spool.path.parent == tmp_path / "second"


def test_no_folder_at_all_says_why_for_each(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(NotKept, match="Not a directory"):
        Spool.create([blocked / "sub"], "report")
