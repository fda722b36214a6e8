"""A spooled report survives damage: only the damaged record is lost, and which one is said."""

import itertools

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


def places_of(payloads):
    """Where the magic and each record begin and end."""
    ends = [0, len(MAGIC)]
    for payload in payloads:
        ends.append(ends[-1] + 8 + len(payload))
    return list(itertools.pairwise(ends))


@pytest.mark.parametrize("mask", [0x01, 0x55, 0x80, 0xFF])
def test_every_flipped_octet_loses_only_its_own_record_and_says_which(tmp_path, mask):
    octets = spooled(tmp_path)
    magic, *records = places_of(PAYLOADS)
    for at in range(len(octets)):
        read = list(read_bundle(octets[:at] + bytes((octets[at] ^ mask,)) + octets[at + 1 :]))
        hit = next(number for number, (start, end) in enumerate([magic, *records]) if start <= at < end)
        damage = Damage(*[magic, *records][hit])
        expected = [damage, *PAYLOADS] if hit == 0 else [*PAYLOADS[: hit - 1], damage, *PAYLOADS[hit:]]
        assert read == expected, f"octet {at}"


def test_a_file_cut_at_every_length_keeps_the_records_before_the_cut_and_says_what_is_cut(tmp_path):
    octets = spooled(tmp_path)
    places = places_of(PAYLOADS)[1:]
    for length in range(len(MAGIC), len(octets)):
        whole = sum(end <= length for _, end in places)
        cut = [Damage(places[whole][0], length)] if length > places[whole][0] else []
        assert list(read_bundle(octets[:length])) == [*PAYLOADS[:whole], *cut], f"length {length}"


def test_a_file_cut_inside_its_magic_holds_nothing_and_says_so(tmp_path):
    octets = spooled(tmp_path)
    for length in range(len(MAGIC)):
        with pytest.raises(DecodeError, match="PESPOOL1"):
            list(read_bundle(octets[:length]))


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
