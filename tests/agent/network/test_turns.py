"""When may a silent port be asked again?"""

import itertools

from pe_agent.transport.turns import APART_S, Turns

SERVER, OTHER = "10.10.9.20", "10.10.9.10"


def test_where_nobody_rejects_nobody_waits():
    turns = Turns()
    assert [turns.take(SERVER, 1.5, 10.0) for _ in range(3)] == [1.5, 1.5, 1.5]


def test_after_a_rejection_silent_ports_of_that_address_go_one_by_one():
    turns = Turns()
    turns.rejected(SERVER, 0.0)
    times = [turns.take(SERVER, 1.5, 100.0) for _ in range(3)]
    assert times[0] >= 1.5 + APART_S
    assert all(later - earlier >= APART_S - 1e-9 for earlier, later in itertools.pairwise(times))


def test_a_rejection_on_the_way_to_one_address_does_not_slow_another():
    turns = Turns()
    turns.rejected(OTHER, 0.0)
    assert turns.take(SERVER, 1.5, 10.0) == 1.5


def test_no_turn_is_later_than_the_deadline_allows():
    turns = Turns()
    turns.rejected(SERVER, 0.0)
    assert max(turns.take(SERVER, 1.5, 4.0) for _ in range(9)) == 4.0


def test_a_turn_is_never_in_the_past():
    turns = Turns()
    turns.rejected(SERVER, 0.0)
    assert turns.take(SERVER, 5.0, 4.0) == 5.0


def test_ports_that_only_icmp_can_refuse_go_one_by_one_and_the_first_at_once():
    turns = Turns()
    times = [turns.take_in_line(SERVER, 1.5, 100.0) for _ in range(3)]
    assert times[0] == 1.5
    assert all(later - earlier >= APART_S - 1e-9 for earlier, later in itertools.pairwise(times))
    assert turns.take_in_line(OTHER, 1.5, 100.0) == 1.5
