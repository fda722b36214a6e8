"""Boots counted by item and slice are those that meet the item, in whichever way they are counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pe_collector.engine.addresses import Addresses, Stretches
from pe_collector.engine.counted import Counted, Sample
from pe_collector.engine.ground import Ground
from pe_collector.engine.nodes import NO_STAGES
from pe_collector.engine.priors import NO_PRIORS
from pe_collector.engine.table import Row, table_of

AT_LEAST = 1.5


def rows_of(rng, count):
    for n in range(count):
        address = f"10.{rng.integers(2)}.{rng.integers(4)}.{rng.integers(1, 9)}" if rng.random() < 0.8 else ""
        named = {name: str(rng.integers(most)) for name, most in (("model", 3), ("port", 9)) if rng.random() < 0.9}
        signature = "broken" if rng.random() < 0.4 else ""
        yield Row(100.0 * n, f"machine {rng.integers(count)}", signature, address, named)


def counted_of(seed, count, addresses=True):
    rng = np.random.default_rng(seed)
    rows = [*rows_of(rng, count), Row(0.0, "first", "broken", "", {"model": "0"})]
    if not addresses:
        rows = [Row(row.at_s, row.machine, row.signature, "", row.attributes) for row in rows]
    ground = Ground(table_of(rows), NO_STAGES, 0.0)
    sample = Sample(ground, NO_PRIORS, AT_LEAST)
    groups = [sample.used[rng.random(len(sample.used)) < share] for share in (0.5, 0.0, 1.0)]
    return sample, Counted(sample, ground.failed), groups, rng.random(ground.table.size)


def one_by_one(sample, counted, groups, weights):
    counts = np.zeros((len(groups), len(counted.items), counted.slices))
    for n, group in enumerate(groups):
        for place, item in enumerate(counted.items):
            codes = sample.ground.codes[item.attribute][group]
            rows = group[(codes >= item.low) & (codes < item.high)]
            np.add.at(counts[n, place], sample.slice_of[sample.local[rows]], weights[rows])
    return counts


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), addresses=st.booleans())
def test_both_ways_count_the_boots_that_meet_an_item(seed, count, addresses):
    sample, counted, groups, weights = counted_of(seed, count, addresses)
    wanted = one_by_one(sample, counted, groups, weights)
    assert counted.all_by_slice(groups, weights) == pytest.approx(wanted)
    assert counted.totals(groups, weights) == pytest.approx(wanted.sum(axis=2))
    pairs = np.nonzero(np.random.default_rng(seed).random(wanted.shape[:2]) < 0.5)
    assert counted.by_slice(groups, pairs, weights) == pytest.approx(wanted[pairs])


def test_many_boots_are_counted_in_parts_as_at_once(monkeypatch):
    sample, counted, groups, weights = counted_of(7, 60)
    wanted = one_by_one(sample, counted, groups, weights)
    monkeypatch.setattr("pe_collector.engine.counted._MOST_CELLS", 100)
    assert counted.totals(groups, weights) == pytest.approx(wanted.sum(axis=2))
    pairs = np.nonzero(wanted.sum(axis=2))
    assert counted.by_slice(groups, pairs, weights) == pytest.approx(wanted[pairs])


@given(
    numbers=st.lists(st.tuples(st.sampled_from([4, 6]), st.integers(1, 2**32 - 1)), min_size=1, max_size=30),
    seed=st.integers(0, 1000),
)
def test_prefixes_that_hold_a_part_of_the_failures_are_among_those_that_hold_all(numbers, seed):
    addresses = Addresses.of_numbers(numbers)
    rng = np.random.default_rng(seed)
    failing = rng.integers(0, 3, len(addresses.numbers)) / 2
    part = np.where(rng.random(len(failing)) < 0.5, failing, 0.0)
    assert Stretches.of(addresses, failing, AT_LEAST).holding(part, AT_LEAST) == addresses.ranges(part, AT_LEAST)
