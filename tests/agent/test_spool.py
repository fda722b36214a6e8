"""A spooled report survives damage: only the damaged record is lost, and which one is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.bundle import MAGIC, Damage, read_bundle
from pe_agent.errors import DecodeError, NotKept
from pe_agent.spool import Spool

# As frames do, all but the first begin with the tag of their sequence number.
PAYLOADS = [b"hello", b"\x08\x01first observation", b"\x08", b"\x08a log chunk " * 50, b"\x08verdict"]


def spooled(tmp_path, payloads=PAYLOADS):
    spool = Spool.create([tmp_path], "report")
    for payload in payloads:
        spool.append(payload)
    spool.close()
    return spool.path.read_bytes()


def test_what_was_appended_is_read_back_in_order(tmp_path):
    assert list(read_bundle(spooled(tmp_path))) == PAYLOADS


def test_a_flipped_octet_loses_only_its_own_record(tmp_path):
    octets = spooled(tmp_path)
    for at in range(len(MAGIC), len(octets)):
        damaged = octets[:at] + bytes((octets[at] ^ 0x55,)) + octets[at + 1 :]
        read = list(read_bundle(damaged))
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
        whole = [r for r in read_bundle(octets[:length]) if not isinstance(r, Damage)]
        assert whole == PAYLOADS[: sum(end <= length for end in ends) - 1]


@given(st.binary(max_size=300))
def test_any_octets_after_the_magic_are_read_without_an_exception(octets):
    for record in read_bundle(MAGIC + octets):
        assert isinstance(record, bytes | Damage)


def test_octets_that_are_no_bundle_are_refused():
    with pytest.raises(DecodeError, match="PESPOOL1"):
        list(read_bundle(b"PK\x03\x04"))


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
