"""The quick search finds what the thorough one finds, whatever stands in the log."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pe_agent.redact import Redactor
from pe_agent.redaction import find_secrets, load_rules
from pe_collector.quick_secrets import find_quickly, marks_met, may_name_a_secret

PIECES = [
    b"password=hunter2 ",
    b'PASSWORD: "two words"\r\n',
    b"net use Z: \\\\srv\\share /user:dom\\joe geheim\r\n",
    b"publickeytoken=31bf3856ad364e35 ",
    b"https://joe:pw@host/ ",
    b"api_key = abcdef123456\n",
    b"<AdministratorPassword><Value>",
    b"cABhAHMAcwA=",
    b"</Value></AdministratorPassword>\n",
    b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n",
    b"-----END PRIVATE KEY-----\n",
    b"ABCDE-FGHIJ-KLMNO-PQRST-UVWXY ",
    b"123456-123456-123456-123456-123456-123456-123456-123456\n",
    b"2026-11-22 08:01:02, Info  IBS  an honest line\r\n",
    b"cmdkey /add:srv /pass:geheim ",
    b"schtasks /rp geheim ",
    b"ConvertTo-SecureString geheim ",
    b"net\tuse\t\\\\srv\\share\tgeheim\t",
    b'{"name":"password",\n"value":"geheim"}\n',
    b'<variable name="BDEPin">1234</variable>',
    b"&lt;Password&gt;\n&lt;Value&gt;geheim&lt;/Value&gt;\n",
    b"token \xff\xfe\x00",
    b"\n",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=25).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_both_searches_answer_the_same(first, second):
    spans, unclosed = find_secrets(first, None)
    assert find_quickly(first, None) == (spans, unclosed)
    assert find_quickly(second, unclosed) == find_secrets(second, unclosed)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 50))
def test_a_log_in_pieces_is_redacted_the_same(octets, size):
    quick, thorough = Redactor(b"k", find=find_quickly), Redactor(b"k")
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    ours = b"".join(map(quick.feed, pieces)) + quick.finish()
    theirs = b"".join(map(thorough.feed, pieces)) + thorough.finish()
    assert (ours, quick.removed) == (theirs, thorough.removed)


@pytest.mark.parametrize("mark", [m for m in load_rules().marks() if b"\\d" not in m and b"[" not in m])
def test_every_literal_is_met_in_any_case_of_letters(mark):
    literal = mark.replace(b"\\", b"")
    for octets in (literal, literal.upper(), literal.title()):
        assert mark in marks_met(b"honest " * 1000 + octets + b" honest" * 1000)


def test_a_log_without_marks_has_no_secrets():
    octets = b"2026-11-22 08:01:02, Info  IBS  an honest line\r\n" * 5000
    assert marks_met(octets) == frozenset()
    assert find_quickly(octets, None) == ([], None) == find_secrets(octets, None)


def test_noise_of_megabytes_is_searched_within_bounded_memory():
    octets = os.urandom(4 * 1024 * 1024)
    assert find_quickly(octets, None) == find_secrets(octets, None)


@pytest.mark.parametrize(("name", "may"), [("api_key", True), ("password", True), ("rtt_s", False), ("address", False)])
def test_a_facts_name_may_tell_that_its_value_is_a_secret(name, may):
    assert may_name_a_secret(name) is may
