"""Who asks about some signatures is told of them what a search for all of them finds."""

import pytest
from pe_collector.engine.greedy import Settings, explain
from pe_collector.engine.nodes import stages

from tests.collector.engine.fleets import FILTERED, table


def two_faults(row, rng):
    if row.attributes["site"] == "site-3" and row.at_s > 9_000 and rng.random() < 0.8:
        return FILTERED
    return "late-address" if row.attributes["switch"] == "sw-5-1" else ""


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_about_is_explained_as_among_all(seed):
    rows = table(seed, 1500, two_faults)
    every = explain(rows)
    for name in ("late-address", FILTERED):
        asked = explain(rows, Settings(about=frozenset({name})))
        code = rows.signatures.index(name)
        expected = [one for one in every if code in one.signatures]
        assert [one.condition for one in expected] != []
        assert [(one.condition, one.signatures) for one in asked] == [
            (one.condition, one.signatures) for one in expected
        ]
        # Rates come nearer to where they belong with each round of fitting; among all there are more.
        assert [one.rates for one in asked] == [pytest.approx(one.rates, rel=1e-3) for one in expected]


def test_chains_of_classes_are_followed_to_their_end():
    connected = stages().connected(frozenset({"pxe-tftp-cut"}))
    # Through `tftp-timeout`, which stands in the class of files and in that of paths.
    assert "wds-rpc-filtered" in connected
    assert stages().connected(connected) == connected
    assert "late-address" not in connected
