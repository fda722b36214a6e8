"""Who can vary what tells machines apart at will must not make a pattern."""

import random

import numpy as np
from pe_collector.engine.explain import causes
from pe_collector.engine.table import Row, table_of
from pe_collector.engine.units import weights

from tests.collector.engine.fleets import FILTERED, boots, table


def honest(seed, count, fault=None):
    """Every machine has a serial number of its own as a further mark."""
    rows = boots(seed, count, fault)
    return [Row(r.at_s, r.machine, r.signature, r.address, r.attributes, (f"serial {r.machine}",)) for r in rows]


def forged(count, sources):
    """Failures of one subnet under random machine ids, sent by so many sources."""
    rng = random.Random(5)
    return [
        Row(
            20_000.0 + 20 * n,
            f"forged {rng.getrandbits(48):012x}",
            FILTERED,
            f"10.77.1.{n % 250 + 1}",
            {"server": "WDS1", "site": "site-7"},
            (f"source {n % sources}",),
        )
        for n in range(count)
    ]


def prefixes(found):
    return [cause.conditions.get("prefix", "") for cause in found]


def test_one_source_with_random_machine_ids_makes_no_pattern():
    assert causes(table_of(honest(41, 1500) + forged(200, sources=1))) == ()


def test_the_same_reports_from_as_many_sources_as_machines_are_a_pattern():
    found = causes(table_of(honest(41, 1500) + forged(60, sources=60)))
    assert any(prefix.startswith("10.77.") for prefix in prefixes(found))


def test_reports_without_the_mark_that_others_have_count_as_one_machine():
    without = [Row(r.at_s, r.machine, r.signature, r.address, r.attributes) for r in forged(200, sources=1)]
    assert causes(table_of(honest(41, 1500) + without)) == ()


def test_a_flood_of_forged_reports_hides_no_real_fault():
    def fault(row, _):
        return FILTERED if row.address.startswith("10.12.2.") else ""

    found = causes(table_of(honest(42, 3000, fault) + forged(2000, sources=1)))
    assert prefixes(found) == ["10.12.2.0/24"]


def test_what_one_source_sends_weighs_at_most_two_however_many_machines_it_names():
    made = table_of(forged(300, sources=3))
    weight = weights(made, np.zeros(made.size, dtype=np.bool_))
    assert weight.sum() <= 6.0
    assert weight.max() == 1.0


def test_a_table_without_marks_is_searched_as_before():
    assert table(1, 100).marks == ()
