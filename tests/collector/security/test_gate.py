"""Rates, caps and sessions by a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_collector.budget import Bucket, Buckets, Rate
from pe_collector.gate import Gate, GateLimits, source_of
from pe_collector.refusal import Reason, Refused
from pe_collector.sessions import Claim, Sessions


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("ipv4:10.20.30.40:5555", "10.20.30.0/24"),
        ("https:10.20.30.40:5555", "10.20.30.0/24"),
        ("ipv6:%5B2001:db8:1:2ff::7%5D:5555", "2001:db8:1:200::/56"),
        ("ipv6:[::ffff:10.20.30.40]:5555", "10.20.30.0/24"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_a_peer_is_counted_with_its_network_however_it_came(peer, source):
    assert source_of(peer) == source


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=50))
def test_a_bucket_never_gives_more_than_its_burst_and_rate(steps):
    rate, now_s, given_out = Rate(2.0, 10.0), 0.0, 0.0
    bucket = Bucket(rate, now_s)
    for wait_s, amount in steps:
        now_s += wait_s
        if bucket.take(amount, now_s) == 0.0:
            given_out += amount
    # A last large amount may go through a full bucket and leave a debt.
    assert given_out <= rate.burst + rate.per_s * now_s + 50 + 1e-6


def test_an_empty_bucket_says_when_to_come_back():
    bucket = Bucket(Rate(2.0, 10.0), 0.0)
    assert bucket.take(10, 0.0) == 0.0
    assert bucket.take(5, 0.0) == pytest.approx(2.5)
    assert bucket.take(5, 2.5) == 0.0


def test_a_flood_of_names_takes_no_more_memory_than_allowed():
    buckets = Buckets(Rate(1.0, 1.0), most=100)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets) == 100
    assert buckets.is_empty("999")


def test_a_classroom_behind_one_address_begins_a_thousand_reports_at_once():
    clock = Clock()
    gate = Gate(GateLimits(), clock)
    for number in range(1000):
        gate.knock(f"ipv4:10.0.0.1:{number}")


def test_a_network_with_too_many_wrong_tokens_waits_and_others_do_not():
    clock = Clock()
    gate = Gate(GateLimits(wrong=Rate(1.0, 3.0)), clock)
    for _ in range(3):
        gate.wrong("ipv4:10.0.0.1:1")
    with pytest.raises(Refused) as refused:
        gate.knock("ipv4:10.0.0.200:2")
    assert refused.value.reason is Reason.FLOOD
    gate.knock("ipv4:10.0.1.1:1")
    clock.now_s += 2
    gate.knock("ipv4:10.0.0.1:1")


def test_a_cap_counts_sessions_that_are_open():
    gate = Gate(GateLimits(sessions_of_source=1), Clock())
    with gate.session("ipv4:10.0.0.1:1", "t"):
        with pytest.raises(Refused) as refused, gate.session("ipv4:10.0.0.9:1", "u"):
            pass
        assert refused.value.reason is Reason.BUSY
        with gate.session("ipv4:10.0.1.1:1", "t"):
            assert gate.sessions == 2
    assert gate.sessions == 0


REPORT = bytes(16)


def test_another_machine_cannot_take_a_report_that_is_being_sent():
    clock = Clock()
    sessions = Sessions(now_s=clock)
    sessions.begin(Claim(REPORT, "t", "ipv4:10.0.0.1:1"))
    with pytest.raises(Refused) as refused:
        sessions.begin(Claim(REPORT, "t", "ipv4:10.0.0.2:1"))
    assert refused.value.reason is Reason.BUSY


def test_a_machine_that_got_a_new_address_goes_on_when_its_old_stream_is_silent():
    clock = Clock()
    sessions = Sessions(now_s=clock)
    old = sessions.begin(Claim(REPORT, "t", "ipv4:10.0.0.1:1"))
    clock.now_s += 11
    sessions.begin(Claim(REPORT, "t", "ipv4:10.0.0.2:1"))
    with pytest.raises(Refused) as refused:
        old.heard(clock.now_s)
    assert refused.value.reason is Reason.REPLAYED


def test_a_session_is_bound_to_address_and_token():
    for claim in (("t", "ipv4:10.0.0.2:1"), ("u", "ipv4:10.0.0.1:1")):
        sessions = Sessions()
        session = sessions.begin(Claim(REPORT, "t", "ipv4:10.0.0.1:1"))
        sessions.end(session)
        with pytest.raises(Refused) as refused:
            sessions.begin(Claim(REPORT, *claim, shown=session.word))
        assert refused.value.reason is Reason.REPLAYED


def test_sessions_that_ended_are_forgotten_and_those_that_last_are_not():
    sessions = Sessions(most=10)
    lasting = sessions.begin(Claim(b"lasting", "t", "ipv4:10.0.0.1:1"))
    for number in range(50):
        sessions.end(sessions.begin(Claim(bytes([number]), "t", "ipv4:10.0.0.1:1")))
    assert len(sessions) <= 11
    with pytest.raises(Refused):
        sessions.begin(Claim(b"lasting", "t", "ipv4:10.0.0.2:1"))
    lasting.heard(0.0)
