"""The benchmark in small: what the engine names on fleets with known faults, judged by boots covered."""

import pytest

from benchmarks.correlation.covering import contrast, covering
from benchmarks.correlation.own import engine
from benchmarks.correlation.run import PLAIN, PROFILES, simulate
from benchmarks.correlation.scoring import score


def exact_f1(method, seeds, boots=1_000, profile="standard"):
    tallies = {}
    for seed in seeds:
        run = simulate(seed, boots, PROFILES[profile])
        score(run, method(run), tallies)
    return tallies["exact"].f1


def test_most_faults_are_named_exactly_and_more_than_by_contrast_sets():
    seeds = range(1, 7)
    own = exact_f1(engine, seeds)
    assert own > 0.8
    assert own > exact_f1(covering(contrast), seeds)


@pytest.mark.parametrize(
    ("seed", "boots", "profile"),
    [
        pytest.param(68_003, 1_000, "standard", id="three of ten sites without their uplink, most boots fail"),
        pytest.param(67_032, 1_000, "hard", id="one adapter without driver in three images, one after the other"),
        pytest.param(62_005, 10_000, "hard", id="two subnets filtered to one server, beside failures without a server"),
        pytest.param(62_031, 10_000, "hard", id="two sites that fail alike beside a larger one"),
        pytest.param(62_037, 10_000, "hard", id="failures of a switch with one server, two of three without a server"),
        pytest.param(72_011, 10_000, "standard", id="thousands of failures of two images, not split by prefix"),
    ],
)
def test_several_faults_of_a_kind_are_neither_joined_nor_cut(seed, boots, profile):
    run = simulate(seed, boots, PLAIN[profile])
    tallies = {}
    score(run, engine(run), tallies)
    assert tallies["lenient"].f1 == 1.0


def test_a_whole_that_covers_half_the_fleet_is_not_said_for_its_two_parts():
    """A site and a server, each failing always, hold most failures; what one part covers is no loss to the other."""
    run = simulate(92_008, 10_000, PROFILES["standard"])
    tallies = {}
    score(run, engine(run), tallies)
    assert tallies["exact"].f1 == 1.0


def test_a_narrower_condition_that_says_hardly_more_is_an_alternative():
    """Failures mostly without a firmware: those of which it is known have one and the same."""
    run = simulate(95_018, 1_000, PROFILES["hard"])
    narrower = next(fault.target for fault in run.faults if fault.kind == "architecture")
    (named,) = [one for one in engine(run) if narrower["image"] == one.target.get("image") and len(one.target) == 1]
    assert dict(narrower) in [dict(other) for other in named.alternatives]


def test_a_fleet_without_faults_has_no_explanation():
    runs = [simulate(seed, 1_000, PROFILES["standard"], faults=0) for seed in range(71_001, 71_006)]
    assert [answer for run in runs for answer in engine(run)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "boots", "count", "least"),
    [("standard", 1_000, 40, 0.94), ("hard", 1_000, 40, 0.9), ("standard", 10_000, 12, 0.95), ("hard", 10_000, 8, 0.9)],
)
def test_faults_of_each_profile_and_size_are_named_exactly(profile, boots, count, least):
    assert exact_f1(engine, range(72_001, 72_001 + count), boots, profile) > least
