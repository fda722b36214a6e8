import random
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pe_collector.engine.explain import causes
from pe_collector.engine.rollup import BUCKET_S, Limits, Rollup
from pe_collector.engine.table import Row, table_of

from tests.collector.engine.fleets import FILTERED, boots

NAMES = ("adapter_hardware", "firmware", "image", "server", "site", "switch")


def firewall(row, _):
    inside = row.address.startswith(("10.12.2.", "10.12.3.")) and row.attributes["server"] == "WDS9"
    return FILTERED if inside and row.at_s > 9_000 else ""


def rolled(rows, limits=None, question_every=0):
    rollup = Rollup(NAMES, limits)
    for n, row in enumerate(rows):
        rollup.add(row)
        if question_every and n % question_every == 0:
            rollup.table()
    return rollup


def same(one, other):
    """Whether two tables hold the same, field by field."""
    arrays = [(one.at_s, other.at_s), (one.machines, other.machines), (one.outcomes, other.outcomes)]
    arrays += [(one.counts, other.counts), (one.addresses.ranks, other.addresses.ranks)]
    arrays += [(one.columns[name].codes, other.columns[name].codes) for name in NAMES]
    values = all(one.columns[name].values == other.columns[name].values for name in NAMES)
    return values and one.signatures == other.signatures and all(np.array_equal(a, b) for a, b in arrays)


def said(found):
    return [(dict(c.conditions), c.signatures, c.failed, c.boots, c.failed_elsewhere, c.boots_elsewhere) for c in found]


@given(st.randoms(use_true_random=False), st.integers(40, 400), st.sampled_from([None, Limits(40, 1, 4, 5)]))
@settings(max_examples=8, deadline=None)
def test_what_was_added_bit_by_bit_in_any_order_is_what_is_made_from_scratch(rng, question_every, limits):
    rows = boots(31, 600, firewall)
    expected = rolled(rows, limits).table()
    rng.shuffle(rows)
    assert same(rolled(rows, limits, question_every).table(), expected)


def test_the_causes_are_those_of_a_row_for_each_boot():
    rows = [replace(row, at_s=row.at_s // BUCKET_S * BUCKET_S) for row in boots(1, 3000, firewall)]
    found = causes(rolled(rows).table())
    assert said(found) == said(causes(table_of(rows)))
    assert dict(found[0].conditions) == {"prefix": "10.12.2.0/23", "server": "WDS9"}


def test_cells_that_stand_for_many_boots_count_as_many():
    rows = [Row(300.0 * n, f"m{n % 50}", "", f"10.1.1.{n % 50 + 1}", {"server": "A"}) for n in range(50)] * 7
    made = rolled(rows).table()
    assert made.size == 50
    assert made.counts.sum() == 350.0


def test_what_is_kept_stays_bounded_however_many_boots_come():
    limits = Limits(cells=50, newest_h=1, least=4, hours=6)
    rng = random.Random(3)
    rollup = Rollup(NAMES, limits)
    for n in range(12_000):
        rollup.add(Row(n * 6.0, f"m{rng.randrange(4000)}", FILTERED if n % 40 == 0 else "", "", {"site": f"s{n % 9}"}))
    rollup.table()
    assert rollup.boots == 12_000
    assert rollup.cells <= 2 * sum(limits.most(age) for age in range(limits.hours))
    assert rollup.forgotten > 0


def test_a_fault_is_still_named_when_most_healthy_boots_were_thinned_out():
    rows = boots(1, 12_000, firewall)
    rollup = rolled(rows, Limits(cells=400, newest_h=3))
    assert rollup.table().size < 6_000
    assert {"prefix": "10.12.2.0/23", "server": "WDS9"} in [dict(c.conditions) for c in causes(rollup.table())]


def test_a_quiet_stream_has_no_cause_however_much_it_is_thinned():
    for seed in range(3):
        rollup = rolled(boots(200 + seed, 4_000, noise=0.02), Limits(cells=120, newest_h=1))
        assert causes(rollup.table()) == ()


def test_a_report_from_before_all_that_is_kept_is_counted_and_left_out():
    rollup = Rollup(NAMES, Limits(hours=3))
    rollup.add(Row(100 * 3600.0, "new"))
    rollup.table()
    rollup.add(Row(0.0, "old"))
    assert rollup.table().size == 1
    assert rollup.forgotten == 1


def test_ipv6_addresses_and_marks_survive():
    rows = [
        Row(n * 30.0, f"m{n}", FILTERED if n % 6 == 2 else "", f"fd10:0:0:{n % 6}::{n + 16:x}", {}, (f"u{n}",))
        for n in range(240)
    ]
    made = rolled(rows).table()
    assert len(made.marks) == 1
    (found,) = causes(made)
    assert found.conditions["prefix"] == "fd10:0:0:2::/64"


def test_an_empty_rollup_has_no_cause():
    assert causes(Rollup(NAMES).table()) == ()
