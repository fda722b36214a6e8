"""DNS answers: addresses and reasons are understood, loops and cuts are refused."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import dns
from pe_agent.errors import DecodeError

LABELS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20), min_size=1, max_size=5)
NAME_AT = struct.pack("!H", 0xC00C)


def record(name, kind, value):
    return name + struct.pack("!HHIH", kind, 1, 60, len(value)) + value


def message(name, *records, rcode=0, transaction=9, flags=0x8180):
    head = struct.pack("!HHHHHH", transaction, flags | rcode, 1, len(records), 0, 0)
    return head + dns.encode_name(name) + struct.pack("!HH", dns.A, 1) + b"".join(records)


def test_the_address_of_a_name_is_found_behind_a_pointer():
    octets = message("wds01.lab.test", record(NAME_AT, dns.A, b"\x0a\x0a\x09\x14"))
    assert dns.decode_answer(octets, 9).addresses == ("10.10.9.20",)


def test_an_alias_is_followed_to_its_address():
    alias = record(NAME_AT, dns.CNAME, b"\x05wds02" + struct.pack("!H", 0xC00C + 6))
    octets = message("wds01.lab.test", alias, record(b"\x00", dns.A, b"\x0a\x0a\x09\x15"))
    answer = dns.decode_answer(octets, 9)
    assert (answer.aliases, answer.addresses) == (("wds02.lab.test",), ("10.10.9.21",))


@pytest.mark.parametrize(("rcode", "text"), [(0, "noerror"), (2, "servfail"), (3, "nxdomain"), (5, "refused")])
def test_the_rcode_has_its_name(rcode, text):
    assert dns.decode_answer(message("x.test", rcode=rcode), 9).rcode_text == text


def test_records_of_other_kinds_are_passed_over():
    octets = message("x.test", record(NAME_AT, 16, b"\x04text"), record(NAME_AT, dns.AAAA, bytes(15) + b"\1"))
    assert dns.decode_answer(octets, 9).addresses == ("::1",)


def test_another_transaction_is_no_answer():
    with pytest.raises(DecodeError, match="not the answer"):
        dns.decode_answer(message("x.test", transaction=8), 9)


def test_a_question_is_no_answer():
    with pytest.raises(DecodeError, match="not the answer"):
        dns.decode_answer(dns.encode_query(dns.Question("x.test"), 9), 9)


@pytest.mark.parametrize("name", [b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xc0\xff", b"\x40a", b"\x05ab"])
def test_a_name_that_loops_or_leaves_the_message_is_refused(name):
    octets = struct.pack("!HHHHHH", 9, 0x8180, 1, 0, 0, 0) + name
    with pytest.raises(DecodeError):
        dns.decode_answer(octets, 9)


def test_a_record_that_claims_too_much_is_refused():
    octets = message("x.test", NAME_AT + struct.pack("!HHIH", dns.A, 1, 60, 400) + b"ab")
    with pytest.raises(DecodeError, match="claims 400 octets"):
        dns.decode_answer(octets, 9)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test", ".".join(["x" * 60] * 5)])
def test_what_is_no_domain_name_is_not_asked(name):
    with pytest.raises(ValueError, match="no domain name"):
        dns.encode_name(name)


@given(LABELS, st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), max_size=10))
def test_addresses_survive_encoding_and_decoding(labels, addresses):
    records = [record(NAME_AT, dns.A if a.version == 4 else dns.AAAA, a.packed) for a in addresses]
    answer = dns.decode_answer(message(".".join(labels), *records), 9)
    assert tuple(map(ipaddress.ip_address, answer.addresses)) == tuple(addresses)


@given(st.binary(max_size=300), st.integers(0, 40))
def test_any_octets_decode_or_are_refused(octets, kept):
    whole = message("wds01.lab.test", record(NAME_AT, dns.A, bytes(4)))
    for candidate in (octets, whole[:kept] + octets, b"\0\x09\x81\x80\0\1\0\1\0\0\0\0" + octets):
        try:
            dns.decode_answer(candidate, 9)
        except DecodeError:
            continue
