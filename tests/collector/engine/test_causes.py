import random

import pytest
from pe_collector.engine.explain import causes
from pe_collector.engine.greedy import Settings
from pe_collector.engine.table import Row, table_of

from tests.collector.engine.fleets import FILTERED, boots, table


def firewall(row, rng):
    inside = row.address.startswith(("10.12.2.", "10.12.3.")) and row.attributes["server"] == "WDS9"
    return FILTERED if inside and row.at_s > 9_000 else ""


def test_a_firewall_rule_is_named_by_prefix_server_and_onset():
    (found,) = causes(table(1, 3000, firewall))
    assert dict(found.conditions) == {"prefix": "10.12.2.0/23", "server": "WDS9"}
    assert FILTERED in found.signatures
    assert found.failed == found.boots
    assert found.onset_after_s <= 9_000 <= found.onset_s < 9_000 + 1_800


def test_two_faults_at_once_are_two_causes():
    def fault(row, rng):
        driver = row.attributes["adapter_hardware"] == "14e4:1657" and row.attributes["image"] == "win11"
        return "no-network-driver" if driver else firewall(row, rng)

    found = {frozenset(c.conditions.items()) for c in causes(table(2, 4000, fault))}
    assert found == {
        frozenset({"adapter_hardware": "14e4:1657", "image": "win11"}.items()),
        frozenset({"prefix": "10.12.2.0/23", "server": "WDS9"}.items()),
    }


def test_two_faults_of_one_signature_are_not_said_as_one_wider_one():
    def fault(row, rng):
        pair = row.attributes["server"] == "WDS9" and (
            row.attributes["image"] == "win11" or (row.attributes["image"] == "win10" and rng.random() < 0.5)
        )
        return "wds-images-unreadable" if pair else ""

    found = {frozenset(c.conditions.items()) for c in causes(table(3, 3000, fault))}
    assert found == {
        frozenset({"server": "WDS9", "image": "win11"}.items()),
        frozenset({"server": "WDS9", "image": "win10"}.items()),
    }


def test_a_server_that_fails_in_several_ways_is_one_cause():
    def fault(row, rng):
        kinds = ["server-unreachable", FILTERED, "endpoint-mapper-filtered"]
        return rng.choice(kinds) if row.attributes["server"] == "WDS1" else ""

    (found,) = causes(table(4, 3000, fault))
    assert dict(found.conditions) == {"server": "WDS1"}
    assert set(found.signatures) >= {"server-unreachable", FILTERED, "endpoint-mapper-filtered"}


def test_a_fault_that_hits_two_boots_of_five_is_found():
    def fault(row, rng):
        return "late-address" if row.attributes["switch"] == "sw-3-1" and rng.random() < 0.4 else ""

    (found,) = causes(table(5, 4000, fault))
    assert dict(found.conditions) == {"switch": "sw-3-1"}


@pytest.mark.parametrize("inner", [FILTERED, "tftp-timeout", "no-network-driver"])
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_a_subnet_that_fails_always_inside_a_site_that_fails_now_and_then_is_a_cause_of_its_own(seed, inner):
    def fault(row, rng):
        if row.address.startswith("10.13.1."):
            return inner
        return FILTERED if row.attributes["site"] == "site-3" and rng.random() < 0.35 else ""

    found = [dict(cause.conditions) for cause in causes(table(seed, 4000, fault))]
    assert sorted(found, key=str) == [{"prefix": "10.13.1.0/24"}, {"site": "site-3"}]


def test_an_attribute_missing_in_a_fifth_of_the_reports_is_still_the_one_named():
    rng = random.Random(9)

    def fault(row, _):
        return "wds-images-unreadable" if row.attributes["image"] == "server" else ""

    rows = [
        Row(r.at_s, r.machine, r.signature, r.address, {k: v for k, v in r.attributes.items() if k != "image" or keep})
        for r in boots(6, 3000, fault)
        for keep in [rng.random() > 0.2]
    ]
    (found,) = causes(table_of(rows))
    assert dict(found.conditions) == {"image": "server"}


def test_what_only_failures_leave_out_still_narrows_the_cause():
    """Without a lease a boot knows no server: three failures of four do not say it, all that say it agree."""
    rng = random.Random(11)

    def fault(row, _):
        pair = row.attributes["adapter_hardware"] == "14e4:1657" and row.attributes["server"] == "WDS9"
        return "apipa-only" if pair else ""

    rows = [
        Row(r.at_s, r.machine, r.signature, r.address, {k: v for k, v in r.attributes.items() if k != "server" or said})
        for r in boots(12, 4000, fault)
        for said in [not r.signature or rng.random() < 0.25]
    ]
    (found,) = causes(table_of(rows))
    assert dict(found.conditions) == {"adapter_hardware": "14e4:1657", "server": "WDS9"}


def test_a_machine_without_a_lease_stands_where_it_stood_before():
    """Nine of ten failures have no address: what the machine's other boots say fills the gap."""

    def fault(row, _):
        return "apipa-only" if row.address.startswith("10.14.1.") and row.at_s > 12_000 else ""

    rng = random.Random(2)
    rows = [
        Row(r.at_s, r.machine, r.signature, "" if r.signature == "apipa-only" and rng.random() < 0.9 else r.address,
            {k: v for k, v in r.attributes.items() if k not in ("switch", "site")})
        for r in boots(7, 4000, fault, machines=600)
    ]  # fmt: skip
    (found,) = causes(table_of(rows))
    assert dict(found.conditions) == {"prefix": "10.14.1.0/24"}


@pytest.mark.parametrize("seed", range(20))
def test_a_quiet_fleet_has_no_cause(seed):
    assert causes(table(100 + seed, 1500, noise=0.02)) == ()


def test_one_machine_however_often_it_fails_is_no_cause():
    loop = [Row(n * 100.0, "loop", FILTERED, "10.12.3.77", {"switch": "sw-loop"}) for n in range(200)]
    assert causes(table_of(boots(8, 1500, noise=0.0) + loop)) == ()


def test_three_machines_are_no_cause_and_four_are():
    def only(machines):
        rows = [Row(20_000.0 + 60 * n, f"x{n}", FILTERED, f"10.99.1.{n + 1}", {"server": "W"}) for n in range(machines)]
        healthy = [Row(60.0 * n, f"y{n}", "", f"10.98.1.{n % 200}", {"server": "V"}) for n in range(400)]
        return causes(table_of(healthy + rows))

    assert only(3) == ()
    assert len(only(4)) == 1


def test_a_boot_that_failed_early_is_no_evidence_about_later_stages():
    """Every boot of the subnet that got as far as RPC failed there; most did not get so far."""

    def fault(row, rng):
        if not row.address.startswith("10.11.2."):
            return ""
        return "no-network-driver" if row.attributes["image"] != "win10" else FILTERED

    found = [c for c in causes(table(10, 3000, fault)) if FILTERED in c.signatures]
    assert [c.failed for c in found] == [c.boots for c in found]
    assert found[0].conditions["prefix"] == "10.11.2.0/24"


def test_an_ipv6_prefix_is_named():
    rows = [Row(n * 30.0, f"m{n}", FILTERED if n % 6 == 2 else "", f"fd10:0:0:{n % 6}::{n + 16:x}") for n in range(240)]
    (found,) = causes(table_of(rows))
    assert found.conditions["prefix"] == "fd10:0:0:2::/64"


def test_the_order_of_rows_does_not_matter():
    rows = boots(11, 2000, firewall)
    expected = causes(table_of(rows))
    random.Random(1).shuffle(rows)
    assert causes(table_of(rows)) == expected
    assert expected


def test_conditions_that_hold_the_same_boots_are_alternatives_and_what_would_decide_is_said():
    rows = [
        Row(r.at_s, r.machine, r.signature, r.address, r.attributes | {"room": "of " + r.attributes["switch"]})
        for r in boots(12, 3000, lambda row, _: "late-address" if row.attributes["switch"] == "sw-2-0" else "")
    ]
    (found,) = causes(table_of(rows))
    said = [dict(found.conditions), *(dict(other.conditions) for other in found.alternatives)]
    assert {"switch": "sw-2-0"} in said
    assert {"room": "of sw-2-0"} in said
    assert all(other.decided_by.startswith("one boot with ") for other in found.alternatives)


def test_a_fault_that_was_gone_for_a_while_is_said_to_have_paused():
    def comes_and_goes(row, _):
        lasts = 6_000 < row.at_s < 10_000 or row.at_s > 20_000
        return FILTERED if row.attributes["server"] == "WDS1" and lasts else ""

    (found,) = causes(table(14, 3000, comes_and_goes))
    assert dict(found.conditions) == {"server": "WDS1"}
    start_s, end_s = found.paused_s
    assert 10_000 <= start_s < 10_400
    assert 19_600 < end_s <= 20_000


def test_a_fault_that_hits_now_and_then_has_not_paused():
    def fault(row, rng):
        return FILTERED if row.attributes["server"] == "WDS1" and rng.random() < 0.4 else ""

    (found,) = causes(table(15, 3000, fault))
    assert found.paused_s is None


def said_to_decide(rows):
    return [
        (dict(other.conditions), other.decided_by) for found in causes(table_of(rows)) for other in found.alternatives
    ]


def test_no_boot_is_awaited_that_lies_in_a_prefix_and_not_in_the_wider_one_around_it():
    """Failures in a /27, and one boot of the rest of its /26, which did not get so far: both lengths fit."""
    rows = [
        Row(n * 60.0, f"m{n}", FILTERED if n % 8 == 0 else "", f"10.{n % 8}.0.{n // 8 % 30 + 1}") for n in range(400)
    ]
    rows += [Row(30_000.0, "late", "no-network-driver", "10.0.0.40")]
    ((words, text),) = said_to_decide(rows)
    assert words == {"prefix": "10.0.0.0/27"}
    assert text == "one boot with prefix 10.0.0.0/24, but not prefix 10.0.0.0/27, would decide"


def test_no_boot_is_awaited_that_is_on_a_switch_and_not_in_its_site():
    rows = [
        Row(n * 60.0, f"m{n}", FILTERED if n % 8 == 0 else "", "", {"site": f"s{n % 8}", "switch": f"sw{n % 8}"})
        for n in range(400)
    ]
    ((_, text),) = said_to_decide(rows)
    assert text == "one boot with site s0, but not switch sw0, would decide"


def test_where_boots_that_could_decide_were_seen_already_it_is_said_what_they_did():
    rng = random.Random(3)
    rows = [
        Row(
            n * 60.0,
            f"m{n}",
            "late-address" if n % 10 == 0 and rng.random() < 0.5 else "",
            "",
            {"room": f"r{n % 10}", "switch": f"sw{n % 10}" if n % 200 else "sw5"},
        )
        for n in range(600)
    ]
    decided = [text for _, text in said_to_decide(rows)]
    assert decided
    assert all("so far failed" in text for text in decided)


def test_a_cause_keeps_its_id_when_more_boots_arrive():
    rows = boots(13, 3000, firewall)
    assert causes(table_of(rows))[0].id == causes(table_of(rows[:2700]))[0].id


def test_more_machines_can_be_asked_for():
    assert len(causes(table(1, 3000, firewall), Settings(machines=10))) == 1
    assert causes(table(1, 3000, firewall), Settings(machines=500)) == ()


def test_the_chance_is_corrected_for_all_that_was_looked_at():
    (found,) = causes(table(1, 3000, firewall))
    assert found.looked_at > 100
    assert found.rate_low < found.failed / found.boots <= found.rate_high
    assert found.p_value < 1e-9


def test_a_table_without_rows_or_without_failures_has_no_cause():
    assert causes(table_of([])) == ()
    assert causes(table(1, 500, noise=0.0)) == ()
