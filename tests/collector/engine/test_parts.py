import ipaddress
import itertools
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.errors import UsageError
from pe_collector.engine import nodes, priors
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.explain import causes
from pe_collector.engine.live import State, follow
from pe_collector.engine.paired import compare, mcnemar
from pe_collector.engine.score import RATES, Evidence, gains_of, judge
from pe_collector.engine.statistics import corrected, fisher, interval
from pe_collector.engine.table import Row, table_of
from pe_collector.engine.units import filled_in, retries, weights

from tests.collector.engine.fleets import FILTERED, table

ADDRESSES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40, unique=True)


@given(ADDRESSES)
def test_a_stretch_of_ranks_holds_exactly_the_addresses_of_its_prefix(numbers):
    texts = [str(ipaddress.IPv4Address(number)) for number in numbers if number >> 16 != 0xA9FE]
    addresses = Addresses.of(texts)
    if addresses is None:
        return
    for stretch in addresses.ranges(np.ones(len(addresses.numbers)), 1.0):
        network = ipaddress.ip_network(str(addresses.prefix_of(stretch)))
        inside = {rank for rank, (_, n) in enumerate(addresses.numbers) if ipaddress.IPv4Address(n) in network}
        assert inside == set(range(stretch.low, stretch.high))


@given(ADDRESSES)
def test_every_pair_of_addresses_has_its_longest_common_prefix_among_the_stretches(numbers):
    texts = [str(ipaddress.IPv4Address(number)) for number in numbers if number >> 16 != 0xA9FE]
    addresses = Addresses.of(texts)
    if addresses is None:
        return
    stretches = {(s.low, s.high): s for s in addresses.ranges(np.ones(len(addresses.numbers)), 1.0)}
    for (low, (_, one)), (high, (_, other)) in itertools.combinations(enumerate(addresses.numbers), 2):
        length = 32 - (one ^ other).bit_length()
        covering = [s for s in stretches.values() if s.low <= low and s.high > high]
        # The stretch that holds all addresses says nothing and is left out.
        assert covering or length == min(
            32 - (a ^ b).bit_length() for (_, a), (_, b) in itertools.pairwise(addresses.numbers)
        )
        if covering:
            assert max(s.longest for s in covering) == length


def test_a_reported_subnet_is_said_rather_than_another_length():
    texts = [f"10.1.{n}.{n + 1}" for n in range(4)] + ["10.2.0.1"]
    plain, reported = Addresses.of(texts), Addresses.of(texts, ["10.1.0.0/20"])
    whole = next(s for s in reported.ranges(np.ones(5), 4.0) if (s.low, s.high) == (0, 4))
    assert str(reported.prefix_of(whole)) == "10.1.0.0/20"
    assert str(plain.prefix_of(whole)) == "10.1.0.0/22"


def by_hand(failed, healthy, background):
    """The log Bayes factor of a fault that has lasted from the first boot or from any boot on."""
    order = sorted([(place, True) for place in failed] + [(place, False) for place in healthy])
    gain = [log(1 + q * (1 - background) / background) for q in RATES]
    miss = [log(1 - q) for q in RATES]

    def whole(boots):
        sums = [sum(g if bad else m for _, bad in boots) for g, m in zip(gain, miss, strict=True)]
        return log(sum(np.exp(s) for s in sums) / len(sums))

    begun = [whole(order[n:]) for n, (_, bad) in enumerate(order) if bad]
    later = log(sum(np.exp(b) for b in begun) / len(order)) + log(0.45)
    return np.logaddexp(whole(order) + log(0.5), later)


@pytest.mark.parametrize(
    ("failed", "healthy"),
    [([3, 5, 7, 9], [1, 2, 4]), ([0, 1, 2], [3, 4, 5, 6, 7, 8]), ([10], []), ([1, 5, 9, 12], [0, 2, 3, 4, 6, 7, 8])],
)
def test_the_bayes_factor_is_what_one_works_out_by_hand(failed, healthy):
    gains = gains_of(np.full(len(failed), 0.01), np.ones(len(failed)))
    verdict = judge(Evidence.among(np.array(failed), gains, np.array(healthy, dtype=np.int64)), 20)
    if not verdict.ended:
        assert verdict.factor == pytest.approx(by_hand(failed, healthy, 0.01))


def test_failures_after_a_long_healthy_time_have_an_onset():
    failed = np.arange(200, 220)
    gains = gains_of(np.full(20, 0.01), np.ones(20))
    verdict = judge(Evidence.among(failed, gains, np.arange(0, 200)), 220)
    assert (verdict.start, verdict.began, verdict.ended) == (200, True, False)


def test_failures_that_stop_have_an_end():
    failed = np.arange(100, 120)
    gains = gains_of(np.full(20, 0.01), np.ones(20))
    verdict = judge(Evidence.among(failed, gains, np.concatenate((np.arange(100), np.arange(120, 400)))), 400)
    assert (verdict.start, verdict.end, verdict.ended) == (100, 120, True)


def test_a_group_that_fails_only_a_little_more_often_is_no_fault():
    failed = np.arange(0, 1000, 33)
    healthy = np.setdiff1d(np.arange(1000), failed)
    gains = gains_of(np.full(len(failed), 0.02), np.ones(len(failed)))
    assert judge(Evidence.among(failed, gains, healthy), 1000).factor < 0


def test_retries_count_once_and_a_machine_weighs_at_most_two():
    rows = [Row(at_s, "m1", FILTERED) for at_s in (0, 100, 5000, 10_000, 15_000, 20_000)]
    made = table_of([*rows, Row(50, "m1"), Row(60, "m2", FILTERED)])
    again = retries(made, 1800.0)
    assert int(again.sum()) == 1
    weight = weights(made, again)
    assert weight.sum() == pytest.approx(1 + 0.5 + 0.25 + 0.125 + 0.0625 + 1)


def test_only_what_stays_with_a_machine_is_filled_in():
    rows = [Row(0, "m1", "", "10.1.1.5", {"switch": "a", "image": "i"}), Row(10, "m1", FILTERED), Row(20, "m2")]
    full = filled_in(table_of(rows))
    assert full.columns["switch"].codes.tolist() == [0, 0, -1]
    assert full.columns["image"].codes.tolist() == [0, -1, -1]
    assert full.addresses.ranks.tolist() == [0, 0, -1]


def test_every_signature_of_a_class_stands_at_a_stage():
    known = nodes.stages()
    assert [s for c in known.classes for s in c.signatures if s not in known.order] == []


def test_a_signature_at_two_stages_or_an_unknown_key_is_refused():
    twice = '[[stage]]\nname="a"\nsignatures=["x"]\n[[stage]]\nname="b"\nsignatures=["x"]\n'
    for text in (twice, '[[stage]]\nname="a"\n', '[[other]]\nname="a"\n'):
        with pytest.raises(UsageError):
            nodes.parse(text)
    for text in ('[[attribute]]\nname="a"\nsize=3\n', '[[attribute]]\nname="a"\n' * 2):
        with pytest.raises(UsageError):
            priors.parse(text)


def test_what_lies_within_lies_within_by_way_of_others():
    graph = priors.parse(
        '[[attribute]]\nname="port"\nwithin=["switch"]\n[[attribute]]\nname="switch"\nwithin=["site"]\n'
    )
    assert graph.within("port", "site")
    assert not graph.within("site", "port")


def test_every_stage_in_the_priors_is_a_stage():
    names = set(nodes.stages().names)
    assert all(row.unlikely | row.likely_at <= names for row in priors.priors().rows.values())


def test_the_same_machines_decide_between_two_images():
    tried = [Row(n, f"m{n}", "", "", {"image": "capture"}) for n in range(9)]
    tried += [Row(20 + n, f"m{n}", FILTERED, "", {"image": "boot"}) for n in range(8)]
    tried += [Row(40 + n, f"other{n}", FILTERED, "", {"image": "boot"}) for n in range(50)]
    found = compare(table_of(tried), "image", "capture", "boot")
    assert (found.worse, found.better, found.only_worse, found.only_better) == ("boot", "capture", 8, 0)
    assert found.p_value == pytest.approx(2 / 2**8)
    assert compare(table_of(tried), "image", "boot", "none") is None


def test_mcnemar_is_the_exact_two_sided_binomial():
    assert mcnemar(10, 0) == pytest.approx(2 * 0.5**10)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0


def test_fisher_sidak_and_wilson_agree_with_known_values():
    assert fisher(3, 3, 3, 6) == pytest.approx(1 / 20)
    assert corrected(0.01, 100) == pytest.approx(1 - 0.99**100)
    assert corrected(1e-20, 10) == pytest.approx(1e-19)
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)


def test_a_cause_opens_worsens_recovers_and_ends():
    def fault(row, _):
        return FILTERED if row.attributes["site"] == "site-2" and row.at_s > 8_000 else ""

    whole = table(21, 2400, fault)
    small, large = (causes(table_of_first(whole, count)) for count in (800, 2400))
    opened = follow({}, small)
    (key,) = opened
    assert opened[key].state is State.OPENED
    assert follow(opened, small)[key].state is State.LASTING
    worse = follow(opened, large)
    assert worse[key].state is State.WORSENED
    gone = follow(worse, ())
    assert gone[key].state is State.RECOVERING
    assert follow(gone, ())[key].state is State.ENDED
    assert follow(follow(gone, ()), ()) == {}


def table_of_first(whole, count):
    rows = []
    for n in range(count):
        cells = {name: column.values[column.codes[n]] for name, column in whole.columns.items()}
        version, number = whole.addresses.numbers[whole.addresses.ranks[n]]
        assert version == 4
        address = str(ipaddress.IPv4Address(number))
        signature = whole.signatures[whole.outcomes[n]]
        rows.append(Row(float(whole.at_s[n]), whole.machine_names[whole.machines[n]], signature, address, cells))
    return table_of(rows)
