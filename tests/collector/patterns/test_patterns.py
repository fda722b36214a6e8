import random
from dataclasses import replace
from datetime import datetime

import pytest
from pe_collector.boots import Boot
from pe_collector.engine.greedy import Settings
from pe_collector.findings.documents import document_of
from pe_collector.findings.look import find_patterns
from pe_collector.findings.rows import Seen
from pe_collector.findings.search import search
from pe_collector.findings.sentences import pattern_sentence
from pe_collector.prefixes import holds_address

START_S = 1_763_800_000.0
FILTERED = "wds-rpc-filtered"
TARGET = "10.10.9.20:5040"
ALL = frozenset({"address", "target", "endpoint-mapper", "wds-rpc"})


def boot(n, machine, at_s, address, failed="", **attributes):
    subnet = attributes.pop("subnet", address.rsplit(".", 1)[0] + ".0/24")
    failures = {failed: TARGET} if failed else {}
    given = {name: value for name, value in attributes.items() if value}
    return Boot(f"r{n}", machine, START_S + at_s, address, subnet, given, failures, not failed, ALL)


def fleet(seed, boots, fault=None, noise=0.01, machines=None):
    """Eight sites of eight /24 each; `fault(boot, random)` says with which signature a boot fails, or ''."""
    rng = random.Random(seed)
    made = []
    for n in range(boots):
        machine = rng.randrange(machines or boots // 3)
        home = random.Random(machine)
        site, net = home.randrange(8), home.randrange(8)
        one = boot(
            n,
            f"m{machine}",
            n * 86400.0 / boots,
            f"10.{10 + site}.{net}.{10 + home.randrange(200)}",
            server=f"WDS{site // 2:02d}",
            gateway=f"10.{10 + site}.{net}.1",
            dhcp_server=f"10.{10 + site}.0.5",
            image=rng.choice(["win10", "win11", "server"]),
            model=home.choice(["Latitude", "OptiPlex", "EliteBook", "ThinkPad"]),
            version="1.0",
        )
        signature = fault(one, rng) if fault else ""
        if not signature and rng.random() < noise:
            signature = rng.choice([FILTERED, "wds-rpc-refused", "no-address"])
        made.append(replace(one, failures={signature: TARGET}, healthy=False) if signature else one)
    return made


def story():
    """Subnet A was healthy like B; from 14:00 on every machine in A fails, none in B."""
    boots = []
    for n in range(20):
        boots.append(boot(f"a{n}", f"a{n % 6}", n * 300, f"10.10.1.{20 + n % 6}", server="WDS01"))
        boots.append(boot(f"b{n}", f"b{n % 6}", n * 300 + 60, f"10.10.2.{20 + n % 6}", server="WDS01"))
    for n in range(6):
        boots.append(boot(f"fa{n}", f"a{n}", 9000 + n * 60, f"10.10.1.{20 + n}", FILTERED, server="WDS01"))
        boots.append(boot(f"fb{n}", f"b{n}", 9010 + n * 60, f"10.10.2.{20 + n}", server="WDS01"))
    return boots


def test_the_subnet_that_stopped_working_is_named_with_its_server_and_onset():
    (found,) = find_patterns(story())
    as_json = document_of(found)
    assert as_json["conditions"] == {"prefix": "10.10.1.0/24", "server": "WDS01"}
    assert (as_json["failed"], as_json["boots"]) == (6, 6)
    assert (as_json["failed_elsewhere"], as_json["boots_elsewhere"]) == (0, 46)
    assert found.onset_s == START_S + 9000
    assert found.last_healthy.report_id == "ra19"
    assert as_json["ended"] is None


def test_the_last_healthy_boot_is_one_inside_though_others_came_at_the_same_moment():
    beside = [boot(f"0{n}", f"b{n % 6}", n * 300, f"10.10.2.{20 + n % 6}", server="WDS01") for n in range(20)]
    (found,) = find_patterns(beside + story())
    assert found.last_healthy.report_id == "ra19"


def test_a_fault_seen_from_the_first_boot_on_has_no_onset():
    (found,) = find_patterns([b for b in story() if b.at_s >= START_S + 9000])
    assert found.onset_s is None
    assert dict(found.conditions) == {"prefix": "10.10.1.0/24", "server": "WDS01"}


def test_three_machines_are_no_pattern_and_four_are():
    def only(machines):
        return [b for b in story() if not b.failures or int(b.machine_id[1:]) < machines]

    assert find_patterns(only(3)) == []
    assert len(find_patterns(only(4))) == 1


def test_healthy_boots_of_two_machines_end_a_pattern():
    after = [boot(f"h{n}", f"a{n % 3}", 12000 + n * 700, f"10.10.1.{20 + n % 3}", server="WDS01") for n in range(5)]
    (found,) = find_patterns(story() + after)
    assert found.ended_s == START_S + 12000
    assert (found.counts.failed, found.counts.boots) == (6, 6)


def test_healthy_boots_of_one_machine_do_not_end_a_pattern():
    after = [boot(f"h{n}", "a1", 12000 + n * 700, "10.10.1.21", server="WDS01") for n in range(5)]
    (found,) = find_patterns(story() + after)
    assert found.ended_s is None
    assert found.counts.boots == 11


def test_a_prefix_that_is_no_subnet_is_found_inside_a_larger_subnet():
    rng = random.Random(5)
    boots = []
    for n in range(1200):
        address = f"10.12.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        bad = int(address.split(".")[2]) < 16 or rng.random() < 0.005
        boots.append(boot(n, f"m{n}", n * 60, address, FILTERED if bad else "", subnet="10.12.0.0/16"))
    (found,) = find_patterns(boots)
    assert found.conditions["prefix"] == "10.12.0.0/20"


def test_an_ipv6_prefix_is_found():
    boots = []
    for n in range(120):
        net = n % 6
        address = f"fd10:0:0:{net}::{n + 16:x}"
        failed = FILTERED if net == 2 else ""
        boots.append(boot(n, f"m{n}", n * 60, address, failed, subnet=f"fd10:0:0:{net}::/64"))
    (found,) = find_patterns(boots)
    assert found.conditions["prefix"] == "fd10:0:0:2::/64"


def late_site_fault(one, rng):
    return FILTERED if one.address.startswith("10.12.3.") and one.at_s > START_S + 50_000 else ""


def test_the_gateway_and_dhcp_server_of_a_broken_subnet_are_no_further_patterns():
    (found,) = find_patterns(fleet(3, 3000, late_site_fault))
    assert dict(found.conditions) == {"prefix": "10.12.3.0/24", "server": "WDS01"}
    assert abs(found.onset_s - (START_S + 50_000)) < 3600


def test_an_image_that_fails_everywhere_is_named_without_a_prefix():
    def fault(one, rng):
        return "image-list-empty" if one.attributes["image"] == "win11" else ""

    (found,) = find_patterns(fleet(4, 2000, fault))
    assert dict(found.conditions)["image"] == "win11"
    assert "prefix" not in found.conditions
    assert found.counts.boots == found.counts.failed


def test_a_model_that_fails_with_one_image_needs_both_conditions():
    def fault(one, rng):
        both = one.attributes["image"] == "server" and one.attributes["model"] == "ThinkPad"
        return "no-adapter" if both else ""

    (found,) = find_patterns(fleet(6, 3000, fault))
    assert dict(found.conditions) == {"image": "server", "model": "ThinkPad", "server": "10.10.9.20"}


def test_two_faults_with_one_signature_are_two_patterns():
    def fault(one, rng):
        return FILTERED if one.address.startswith(("10.12.3.", "10.13.6.")) else ""

    found = find_patterns(fleet(7, 4000, fault))
    assert {p.conditions["prefix"] for p in found} == {"10.12.3.0/24", "10.13.6.0/24"}
    assert all(p.counts.failed_elsewhere < 40 for p in found)


def test_two_faults_with_two_signatures_are_two_patterns():
    def fault(one, rng):
        if one.address.startswith("10.15.2."):
            return FILTERED
        return "image-list-empty" if one.attributes["image"] == "win10" else ""

    found = find_patterns(fleet(8, 4000, fault))
    assert {p.signature for p in found} == {(FILTERED,), ("image-list-empty",)}


def test_two_signatures_of_the_same_boots_are_one_pattern():
    boots = [replace(b, failures={FILTERED: TARGET, "log-706ba": ""}) if b.failures else b for b in story()]
    (found,) = find_patterns(boots)
    assert set(found.signature) == {FILTERED, "log-706ba"}


def test_one_server_that_fails_in_three_ways_is_one_pattern():
    def fault(one, rng):
        down = one.attributes["server"] == "WDS02" and one.at_s > START_S + 60_000
        return rng.choice([FILTERED, "endpoint-mapper-filtered", "server-unreachable"]) if down else ""

    boots = fleet(13, 4000, fault)
    (found,) = find_patterns(boots)
    assert set(found.signature) == {FILTERED, "endpoint-mapper-filtered", "server-unreachable"}
    assert found.conditions["server"] == "WDS02"
    assert found.counts.failed >= 0.98 * found.counts.boots
    assert abs(found.onset_s - (START_S + 60_000)) < 1800


def test_a_fault_that_hits_every_other_boot_is_found():
    def fault(one, rng):
        return FILTERED if one.address.startswith("10.14.5.") and rng.random() < 0.5 else ""

    (found,) = find_patterns(fleet(9, 4000, fault))
    assert found.conditions["prefix"] == "10.14.5.0/24"
    assert found.onset_s is None
    low, high = document_of(found)["rate_low"], document_of(found)["rate_high"]
    assert low < 0.5 < high


def test_boots_that_lack_the_attribute_are_neither_inside_nor_elsewhere():
    def fault(one, rng):
        return "image-list-empty" if one.attributes["image"] == "win11" else ""

    rng = random.Random(1)
    boots = fleet(4, 3000, fault)
    hidden = [n for n in range(len(boots)) if rng.random() < 0.2]
    for n in hidden:
        boots[n] = replace(boots[n], attributes={k: v for k, v in boots[n].attributes.items() if k != "image"})
    (found,) = find_patterns(boots)
    assert found.conditions["image"] == "win11"
    assert found.counts.boots + found.counts.boots_elsewhere <= len(boots) - len(hidden)


def test_a_boot_that_failed_earlier_is_no_evidence_about_a_later_stage():
    early = [boot(f"e{n}", f"e{n}", n * 60, "10.10.2.99", "no-image") for n in range(30)]
    (found,) = (p for p in find_patterns(story() + early) if p.signature == (FILTERED,))
    assert found.counts.boots_elsewhere == 46


def test_a_machine_that_retries_fifty_times_is_no_pattern():
    quiet = [b for b in story() if not b.failures]
    for gap_s in (60, 1200):
        retries = [boot(f"t{n}", "loop", n * gap_s, "10.10.1.77", FILTERED) for n in range(50)]
        assert find_patterns(quiet + retries) == []


def test_a_machine_that_retries_fifty_times_gives_three_others_no_weight():
    boots = fleet(11, 1500, noise=0.0)
    loop = [boot(f"t{n}", "loop", n * 1500, "10.12.3.240", FILTERED) for n in range(50)]
    others = [boot(f"o{n}", f"o{n}", n * 20000, f"10.1{n}.3.241", FILTERED) for n in range(3)]
    assert find_patterns(boots + loop + others) == []


def test_retries_within_ten_minutes_count_once():
    again = [replace(b, report_id=b.report_id + "x", at_s=b.at_s + 300) for b in story() if b.failures]
    (found,) = find_patterns(story() + again)
    assert (found.counts.failed, found.counts.boots) == (6, 6)


def with_retries(boots):
    """Every boot that failed, and the same machine again after two and four minutes."""
    for one in boots:
        yield one
        if one.failures:
            yield from (replace(one, report_id=f"{one.report_id} again {n}", at_s=one.at_s + n * 120.0) for n in (1, 2))


def late_addresses(one, rng):
    slow = one.address.startswith("10.12.3.")
    return replace(one, link_to_address_s=rng.uniform(30.0, 33.0) if slow else rng.uniform(1.5, 3.0))


def test_each_condition_that_was_looked_at_stands_with_the_period_that_its_counts_are_of():
    boots = fleet(3, 3000, late_site_fault, noise=0.0)
    (found,) = find_patterns(boots)
    for row in document_of(found)["considered"]:
        since_s = datetime.fromisoformat(row["onset"]).timestamp()
        inside = [
            one for one in boots if one.at_s >= since_s and holds_address(row["conditions"]["prefix"], one.address)
        ]
        assert (row["boots"], row["ended"]) == (len(inside), None), row


def test_what_is_ruled_out_failed_no_oftener_than_all_boots_elsewhere():
    (found,) = find_patterns([*with_retries(fleet(3, 3000, late_site_fault, noise=0.0))])
    assert {row.attribute for row in found.ruled_out} >= {"server", "dhcp_server"}
    assert found.counts.failed_elsewhere == 0
    for row in found.ruled_out:
        assert row.failed_elsewhere <= found.counts.failed_elsewhere, row
        assert row.boots_elsewhere <= found.counts.boots_elsewhere, row


def test_what_is_ruled_out_of_slow_addresses_was_slow_no_oftener_than_all_boots_elsewhere():
    rng = random.Random(7)
    boots = [late_addresses(one, rng) for one in fleet(4, 3000, noise=0.0)]
    again = [replace(one, report_id=f"{one.report_id} again", at_s=one.at_s + 120.0) for one in boots[::3]]
    (found,) = find_patterns([*boots, *again])
    assert found.signature[0] == "slow-address"
    assert found.ruled_out
    for row in found.ruled_out:
        assert row.failed_elsewhere <= found.counts.failed_elsewhere, row
        assert row.boots_elsewhere <= found.counts.boots_elsewhere, row


def test_the_order_of_boots_does_not_matter():
    boots = fleet(12, 1500, late_site_fault)
    expected = [document_of(p) for p in find_patterns(boots)]
    assert expected
    for seed in range(3):
        random.Random(seed).shuffle(boots)
        assert [document_of(p) for p in find_patterns(boots)] == expected


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_a_quiet_fleet_has_no_pattern(noise):
    false = [(seed, find_patterns(fleet(seed, 500, noise=noise))) for seed in range(100, 108)]
    assert [f for f in false if f[1]] == []


def test_an_empty_fleet_and_a_fleet_that_always_fails_have_no_pattern():
    assert find_patterns([]) == []
    assert find_patterns([boot(n, f"m{n}", n, f"10.10.1.{n + 1}", FILTERED) for n in range(20)]) == []


def test_the_same_cause_keeps_its_identifier_when_more_boots_arrive():
    more = [boot("z", "a9", 9900, "10.10.1.90", FILTERED, server="WDS01")]
    assert find_patterns(story())[0].id == find_patterns(story() + more)[0].id


def test_more_machines_can_be_demanded():
    seen = Seen.of(story())
    assert search(seen, seen.faults, "fault", Settings(machines=6)) != []
    assert search(seen, seen.faults, "fault", Settings(machines=7)) == []


def test_the_sentence_says_time_place_cause_and_counts():
    (found,) = find_patterns(story())
    clock = datetime.fromisoformat(document_of(found)["onset"]).strftime("%H:%M")
    assert pattern_sentence(found) == (
        f"since {clock} UTC, 10.10.1.0/24 -> WDS01: TCP 5040 filtered, 6 of 6 boots, 0 of 46 elsewhere"
    )


def test_the_server_is_the_target_when_no_boot_names_it():
    (found,) = find_patterns([replace(b, attributes={}) for b in story()])
    assert found.conditions["server"] == "10.10.9.20"
