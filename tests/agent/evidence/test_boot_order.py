"""A log's stamp becomes seconds since boot, or nothing when the clocks do not allow it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pe_agent.boot_order import Clocks, boot_order
from pe_agent.model import Clock, Event, EventKind, Reason

# 2026-03-02 08:15:04 local, eight hours behind UTC, four seconds after boot.
BEGAN = Clock(4.0, 1_772_468_104_000, -480)
NOW = Clock(64.0, 1_772_468_164_000, -480)
CLOCKS = Clocks(BEGAN, NOW)
EVENTS = (Event(3.0, "eth0", EventKind.LINK_UP), Event(34.8, "eth0", EventKind.ADDRESS, "10.20.3.44/24"))


@pytest.mark.parametrize(
    ("stamp", "at_s"),
    [
        ("2026-03-02 08:15:12", 12.0),
        ("2026-03-02 08:15:12.592", 12.592),
        ("2026-03-02 08:15:00", 0.0),
        ("2026-03-01 08:15:12", None),
        ("2026-03-02 16:15:12", None),
        ("2026-02-31 08:15:12", None),
        ("08:15:12", None),
        ("", None),
    ],
)
def test_a_stamp_is_placed_in_this_boot_or_not_at_all(stamp: str, at_s: float | None) -> None:
    placed = CLOCKS.at_boot_s(stamp)
    assert placed == (None if at_s is None else pytest.approx(at_s))


@pytest.mark.parametrize(
    "now",
    [
        replace(NOW, wall_ms=NOW.wall_ms + 8 * 3_600_000),
        replace(NOW, wall_ms=NOW.wall_ms - 10_000),
        replace(NOW, utc_offset_min=0),
    ],
    ids=["set forward", "set back", "another zone"],
)
def test_nothing_is_said_when_the_clock_was_set(now: Clock) -> None:
    assert Clocks(BEGAN, now).at_boot_s("2026-03-02 08:15:12") is None


def test_asking_before_the_address_is_told_with_both_moments() -> None:
    seen = boot_order(["2026-03-02 08:15:12"], EVENTS, CLOCKS)
    assert seen is not None
    assert seen.reason is Reason.LATE_ADDRESS
    assert (seen.facts["asked_at_s"], seen.facts["address_at_s"]) == (12.0, 34.8)


def test_asking_once_more_with_the_address_is_no_matter_of_order() -> None:
    seen = boot_order(["2026-03-02 08:15:12", "2026-03-02 08:15:50"], EVENTS, CLOCKS)
    assert seen is not None
    assert seen.reason is Reason.ANSWERED


def test_a_stamp_in_the_same_second_as_the_address_convicts_nobody() -> None:
    seen = boot_order(["2026-03-02 08:15:34"], EVENTS, CLOCKS)
    assert seen is not None
    assert seen.reason is Reason.ANSWERED


@pytest.mark.parametrize(
    ("stamps", "events", "clocks"), [([], EVENTS, CLOCKS), (["2026-03-02 08:15:12"], (), CLOCKS), (["x"], EVENTS, None)]
)
def test_without_both_moments_nothing_is_said(
    stamps: list[str], events: tuple[Event, ...], clocks: Clocks | None
) -> None:
    assert boot_order(stamps, events, clocks) is None
