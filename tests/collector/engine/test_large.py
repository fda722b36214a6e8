"""With very many boots, is one fault still one cause, and is a small one beside it still seen?"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from pe_collector.engine.explain import cause_of, causes
from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.table import Row, table_of

from tests.collector.engine.fleets import FILTERED, boots

_ONE_DOWN = {"server-unreachable": 0.27, "tftp-timeout": 0.35, FILTERED: 0.355}


def _fault(row: Row, rng: random.Random) -> str:
    if row.attributes["site"] in ("site-0", "site-1", "site-2", "site-3"):
        return next((name for name, share in _ONE_DOWN.items() if rng.random() < share), FILTERED)
    return FILTERED if row.address.startswith("10.15.2.") and row.attributes["server"] == "WDS9" else ""


def _with_region(row: Row, rng: random.Random) -> Row:
    """Half of all sites lie behind one uplink; a seventh of the reports leave out each attribute."""
    down = row.attributes["site"] in ("site-0", "site-1", "site-2", "site-3")
    known = {**row.attributes, "uplink": "north" if down else "south"}
    attributes = {name: value for name, value in known.items() if rng.random() > 0.15}
    healthy = down and rng.random() < 0.025
    return replace(row, attributes=attributes, signature="" if healthy else row.signature)


@pytest.fixture(scope="module")
def account() -> Account:
    rng = random.Random(5)
    made = Account(table_of([_with_region(row, rng) for row in boots(71, 24_000, _fault)]), Settings())
    made.explain()
    return made


def test_half_a_fleet_that_is_down_is_one_cause_and_hides_no_other(account: Account) -> None:
    found = {frozenset(cause_of(account, one).conditions.items()) for one in account.model.chosen}
    assert found == {
        frozenset({("uplink", "north")}),
        frozenset({("prefix", "10.15.2.0/24"), ("server", "WDS9")}),
    }


def test_a_cause_with_many_signatures_explains_as_many_failures_as_there_are(account: Account) -> None:
    """What it leaves open of thousands would be taken for another cause."""
    for one in account.model.chosen:
        background = float(account.model.background[list(one.signatures)].sum())
        expected = 1.0 - (1.0 - background) * (1.0 - sum(one.rates.values()))
        assert expected == pytest.approx(len(one.failed) / one.reached, abs=max(0.001, 3.0 / one.reached))


def test_a_fault_of_the_last_hours_is_found_in_a_month_of_boots() -> None:
    """In the last eighth of the month the server fails in hardly more boots than others do by chance."""
    rng = random.Random(3)
    many, broken = 120_000, 119_000
    rows = [
        Row(
            at_s=n * 21.6,
            machine=f"m{n % 9973}",
            signature=FILTERED
            if rng.random() < 0.03 or (n >= broken and n % 9973 % 20 == 7 and rng.random() < 0.7)
            else "",
            address=f"10.{n % 9973 % 20}.0.{n % 200 + 1}",
            attributes={"server": f"WDS{n % 9973 % 20}"},
        )
        for n in range(many)
    ]
    (found,) = causes(table_of(rows))
    assert found.conditions == {"server": "WDS7"}
    assert found.onset_s == pytest.approx(broken * 21.6, abs=3600.0)
