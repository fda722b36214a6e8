"""Reports in JSON Lines through import and store to what `pe-collector patterns --format json` prints."""

import itertools
import json
import random
import uuid
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from pe_agent import wire
from pe_agent.model import (
    Boot,
    Clock,
    Event,
    EventKind,
    Evidence,
    Finding,
    Identity,
    Observation,
    Opening,
    Outcome,
    Owner,
    Reason,
    Status,
    Verdict,
)
from pe_collector import importer, store
from pe_collector.limits import Limits

NOW_S = 1_763_838_000.0
FILTERED, LATE = "wds-rpc-filtered", "late-address"
TARGETS = {FILTERED: "10.10.9.20:5040"}


@dataclass
class Made:
    """One boot to report; `fault` and `warning` are findings."""

    machine: int
    at_s: float
    address: str
    fault: str = ""
    warning: str = ""
    image: str = "boot.wim"
    model: str = "Latitude"
    server: str = "WDS01"
    length: int = 24
    wait_s: float = 2.5
    without: frozenset = field(default_factory=frozenset)


def report_of(one: Made):
    wall_ms = int((NOW_S - 86_400 + one.at_s) * 1000)
    began = Clock(8.0, wall_ms, 0)
    rng = random.Random(f"{one.machine} {one.at_s} {one.image}")
    identity = Identity(
        smbios_uuid=str(uuid.UUID(int=random.Random(one.machine).getrandbits(128), version=4)),
        serial=f"S{one.machine:06d}",
        manufacturer="" if "model" in one.without else "Maker",
        model="" if "model" in one.without else one.model,
        macs=(f"02:00:00:{one.machine >> 16 & 255:02x}:{one.machine >> 8 & 255:02x}:{one.machine & 255:02x}",),
    )
    image = "" if "image" in one.without else one.image
    number = wall_ms << 80 | 7 << 76 | 2 << 62 | rng.getrandbits(60)
    boot = Boot(began, f"{rng.getrandbits(64):016x}", image, image, "10.0.26100")
    opening = Opening(number.to_bytes(16, "big"), "0.1.0", "auto", identity, boot)
    records = [*records_of(one)]
    sent = Clock(60.0, wall_ms + 52_000, 0)
    frames = [wire.encode_record(n, record) for n, record in enumerate(records, start=1)]
    return wire.report_to_json(wire.frames_to_report([wire.encode_hello(opening, sent), *frames]))


def records_of(one: Made):
    yield Event(8.0, "Ethernet", EventKind.LINK_UP)
    yield Event(8.0 + one.wait_s, "Ethernet", EventKind.ADDRESS, f"{one.address}/{one.length}")
    facts = {"address": one.address, "prefix_length": one.length, "link_up": True, "wait_s": one.wait_s}
    yield Observation("address", "Ethernet", Outcome.OK, Reason.ANSWERED, 8.0, one.wait_s, facts)
    if "server" not in one.without:
        yield Observation("target", one.server, Outcome.OK, Reason.ANSWERED, 11.0, 0.1, {"server": one.server})
    for finding in filter(None, (one.fault, one.warning)):
        evidence = (Evidence("no answer", probe="wds-rpc", target=TARGETS.get(finding, "")),)
        yield Finding(finding, finding, Owner.NETWORK, "look", 0.9, evidence)
    status = Status.FAULT if one.fault else Status.WARNING if one.warning else Status.HEALTHY
    first = one.fault or one.warning
    yield Verdict(status, first or "healthy", Owner.NETWORK, "look", first, 0.9, (), 50.0)


@pytest.fixture
def data(tmp_path):
    """A collector's folder without certificates: nothing is delivered here."""
    store.create(tmp_path)
    return tmp_path


@pytest.fixture
def ask(cli, data):
    """Import these boots, then ask for the patterns."""

    arrivals = itertools.count(NOW_S)

    def asking(boots, *words):
        path = data / "fleet.jsonl"
        path.write_text("".join(report_of(one) + "\n" for one in boots), encoding="utf-8", newline="\n")
        stored = list(importer.import_files(data, [path], next(arrivals), Limits()))
        assert len(stored) == len(boots)
        done = cli("patterns", *words, "--format", "json", data=data)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
        return json.loads(done.stdout)["patterns"]

    return asking


def fleet(seed, count, fault=None, noise=0.01, **fixed):
    """Four sites of four /24; `fault(boot, rng)` changes what goes wrong."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        machine = rng.randrange(count // 2)
        home = random.Random(machine)
        site, net = home.randrange(4), home.randrange(4)
        one = Made(
            machine,
            n * 86_000.0 / count,
            f"10.{10 + site}.{net}.{10 + home.randrange(200)}",
            image=rng.choice(["boot.wim", "capture.wim", "winpe.wim"]),
            model=home.choice(["Latitude", "OptiPlex", "ThinkPad"]),
            server=f"WDS0{site}",
            wait_s=rng.uniform(1.5, 5.0),
            **fixed,
        )
        if fault:
            fault(one, rng)
        if not one.fault and rng.random() < noise:
            one.fault = rng.choice([FILTERED, "no-address", "wds-images-unreadable"])
        made.append(one)
    return made


def firewall(one, rng):
    if one.address.startswith("10.12.2.") and one.at_s > 40_000:
        one.fault = FILTERED


def conditions(patterns):
    return {frozenset((k, v) for k, v in row["conditions"].items() if k != "server") for row in patterns}


def test_two_faults_that_overlap_are_two_patterns_with_their_counts(ask):
    def fault(one, rng):
        firewall(one, rng)
        if one.image == "winpe.wim" and one.model == "ThinkPad":
            one.fault = "no-network-driver"

    found = ask(fleet(1, 600, fault))
    assert conditions(found) == {
        frozenset({("prefix", "10.12.2.0/24")}),
        frozenset({("image", "winpe.wim"), ("model", "ThinkPad")}),
    }
    for row in found:
        inside, elsewhere = row["interval"]["inside"], row["interval"]["elsewhere"]
        assert inside[0] <= row["failed"] / row["boots"] <= inside[1]
        assert elsewhere[0] <= row["failed_elsewhere"] / row["boots_elsewhere"] <= elsewhere[1] < inside[0]
        assert 0.0 <= row["p_value"] < 1e-6
        assert row["state"] == "opened"
    (rule,) = (row for row in found if "prefix" in row["conditions"])
    assert rule["onset_after"] < rule["onset"]
    assert rule["ended"] is None
    assert rule["sentence"].startswith("since ")
    assert "10.12.2.0/24 -> WDS02: TCP 5040 filtered" in rule["sentence"]


def test_a_fault_that_hits_four_boots_of_ten_is_found(ask):
    def fault(one, rng):
        if one.address.startswith("10.11.1.") and rng.random() < 0.4:
            one.fault = "tftp-refused"

    (found,) = ask(fleet(2, 750, fault))
    assert found["conditions"]["prefix"] == "10.11.1.0/24"
    assert found["rate_low"] < 0.4 < found["rate_high"]


def test_a_23_inside_a_16_is_named(ask):
    def place(one, rng):
        home = random.Random(one.machine + 5)
        one.address, one.length = f"10.77.{home.randrange(32)}.{home.randrange(1, 255)}", 16
        if one.address.split(".")[2] in ("8", "9"):
            one.fault = FILTERED

    (found,) = ask(fleet(3, 600, place))
    assert found["conditions"]["prefix"] == "10.77.8.0/23"


def test_an_attribute_missing_in_a_fifth_is_still_the_one_named(ask):
    def fault(one, rng):
        if one.image == "capture.wim":
            one.fault = "wds-images-unreadable"
        if rng.random() < 0.2:
            one.without = frozenset({"image"})

    (found,) = ask(fleet(4, 500, fault))
    assert found["conditions"]["image"] == "capture.wim"


def test_a_quiet_fleet_says_nothing(ask):
    assert ask(fleet(5, 750, noise=0.02)) == []


def test_an_ipv6_prefix_is_named(ask):
    def place(one, rng):
        net = random.Random(one.machine).randrange(6)
        one.address, one.length = f"2001:db8:0:{net}::{one.machine + 16:x}", 64
        if net == 3:
            one.fault = FILTERED

    (found,) = ask(fleet(6, 400, place))
    assert found["conditions"]["prefix"] == "2001:db8:0:3::/64"


def test_one_machine_cannot_make_a_pattern(ask):
    quiet = fleet(7, 400, noise=0.0)
    loop = [Made(9_999, n * 2_000.0 + 7, "10.12.2.9", FILTERED) for n in range(40)]
    assert ask(quiet + loop) == []


def test_boots_that_failed_early_are_no_evidence_for_a_later_stage(ask):
    def fault(one, rng):
        firewall(one, rng)
        if one.address.startswith("10.12.2.") and rng.random() < 0.3:
            one.fault = "no-address"

    found = ask(fleet(8, 750, fault))
    (rule,) = (row for row in found if FILTERED in row["signature"])
    assert rule["conditions"]["prefix"] == "10.12.2.0/24"
    assert rule["failed"] == rule["boots"]


def test_a_warning_that_all_boots_of_a_subnet_show_does_not_hide_a_fault_there(ask):
    def fault(one, rng):
        firewall(one, rng)
        if one.address.startswith("10.12.2."):
            one.warning = "dhcp-several-servers"

    found = ask(fleet(9, 600, fault))
    kinds = {row["kind"]: row for row in found}
    assert kinds.keys() == {"fault", "warning"}
    assert kinds["fault"]["signature"][0] == FILTERED
    assert kinds["fault"]["onset"] is not None
    assert kinds["warning"]["signature"][0] == "dhcp-several-servers"


def test_slow_addresses_of_a_subnet_are_a_pattern_with_both_medians(ask):
    def fault(one, rng):
        if one.address.startswith("10.13.1."):
            one.wait_s = rng.uniform(30.0, 33.0)

    (found,) = ask(fleet(10, 450, fault, noise=0.0))
    assert (found["kind"], found["signature"][0]) == ("warning", "slow-address")
    assert found["conditions"]["prefix"] == "10.13.1.0/24"
    assert 30.0 <= found["wait_s"]["inside"] <= 33.0
    assert found["wait_s"]["elsewhere"] < 5.0
    assert "the address comes late" in found["title"]


def test_filters_limit_what_is_shown_and_not_what_is_compared(ask):
    boots = fleet(1, 600, firewall, noise=0.0)
    (whole,) = ask(boots)
    (inside,) = ask([], "--subnet", "10.12.0.0/16", "--server", "wds02", "--image", "boot.wim")
    assert (inside["id"], inside["boots_elsewhere"]) == (whole["id"], whole["boots_elsewhere"])
    assert ask([], "--subnet", "10.13.0.0/16") == []
    assert ask([], "--server", "WDS03") == []
    assert ask([], "--since", "1s") == []


def test_why_says_what_was_compared_who_failed_and_what_was_ruled_out(ask, cli, data):
    (found,) = ask(fleet(1, 600, firewall, noise=0.0))
    told = json.loads(cli("why", found["id"][:6], "--format", "json", data=data).stdout)
    assert told["considered"][0]["conditions"] == {"prefix": "10.12.2.0/24"}
    scores = [row["score"] for row in told["considered"]]
    assert scores[0] >= max(scores) - 1.0
    assert len(told["machines_seen"]) == len(found["machines"])
    assert {row["attribute"] for row in told["ruled_out"]} <= {"server", "image", "model", "manufacturer"}
    assert told["lines"][0]["target"] == "10.10.9.20:5040"
    assert told["history"][0]["state"] == "opened"
    text = cli("why", found["id"], data=data).stdout.decode()
    for heading in ("compared with what", "machines:", "evidence:", "history:", "exact 95 % intervals"):
        assert heading in text
    assert cli("why", "ffffffffffff", data=data).returncode == 2


def test_a_change_near_the_onset_is_shown_with_how_likely_chance_is(ask, cli, data):
    (found,) = ask(fleet(1, 600, firewall, noise=0.0))
    onset = found["onset"].removesuffix("Z")
    for at, text, subnet in (
        (onset, "new ACL on the core switch", "10.12.0.0/16"),
        (onset, "new printer", "10.13.0.0/16"),
        ("2025-11-01T08:00", "windows updates", ""),
    ):
        done = cli("changes", "add", text, "--at", at, "--subnet", subnet, "--who", "ops", data=data)
        assert done.returncode == 0, done.stderr
    (again,) = ask([])
    (near,) = again["changes"]
    assert near["text"] == "new ACL on the core switch"
    assert 0.0 < near["by_chance"] < 0.05
    assert again["id"] == found["id"]
    assert b"change 0 min before it" in cli("patterns", data=data).stdout
    listed = json.loads(cli("changes", "list", "--format", "json", data=data).stdout)
    assert [row["text"] for row in listed][-1] == "windows updates"
    assert cli("changes", "add", "x", "--subnet", "nowhere", data=data).returncode == 2


def test_operations_can_acknowledge_mute_label_and_resolve(ask, cli, data):
    (found,) = ask(fleet(1, 400, firewall, noise=0.0))
    one = found["id"]
    for words in (("ack", one, "--note", "ticket 7"), ("label", one, "the core ACL"), ("mute", one, "--until", "2h")):
        done = cli("patterns", *words, data=data)
        assert done.returncode == 0, done.stderr
    (again,) = ask([])
    assert (again["acknowledged"], again["muted"], again["label"]) == (True, True, "the core ACL")
    assert again["notes"][0]["note"] == "ticket 7"
    assert cli("patterns", data=data).stdout == b"no pattern\n"
    assert b"the core ACL: since" in cli("patterns", "--all", data=data).stdout
    assert cli("patterns", "resolve", one, data=data).returncode == 0
    assert ask([])[0]["resolved"] is True
    late = [Made(9_000 + n, 86_000.0, f"10.12.2.{n + 5}", FILTERED, server="WDS02") for n in range(3)]
    with closing(store.open_writer(data / store.FILE_NAME)) as connection:
        connection.execute("UPDATE pattern_mark SET at_s=? WHERE mark='resolve'", (NOW_S - 3_000,))
    assert ask(late)[0]["resolved"] is False
    assert cli("patterns", "ack", "ffffffffffff", data=data).returncode == 2
    assert cli("patterns", "merge", one, one, data=data).returncode == 2


def test_merged_patterns_are_listed_as_one(ask, cli, data):
    def fault(one, rng):
        firewall(one, rng)
        if one.image == "winpe.wim":
            one.fault = "wds-images-unreadable"

    found = ask(fleet(1, 450, fault, noise=0.0))
    first, second = (row["id"] for row in found)
    assert cli("patterns", "merge", second, first, data=data).returncode == 0
    (left,) = ask([])
    assert (left["id"], left["merged"]) == (first, [second])


def test_a_pattern_keeps_its_id_while_its_prefix_grows(ask):
    small = fleet(1, 600, firewall, noise=0.0)
    (first,) = ask([one for one in small if one.at_s < 60_000])

    def spread(one, rng):
        if one.address.startswith(("10.12.2.", "10.12.3.")):
            one.fault = FILTERED

    (second,) = ask([one for one in fleet(1, 600, spread, noise=0.0) if one.at_s >= 60_000])
    assert second["conditions"]["prefix"] == "10.12.2.0/23"
    assert second["id"] == first["id"]
    assert second["state"] == "worsened"


def test_the_same_machines_that_fail_with_one_image_and_not_with_the_other_are_said(ask):
    def fault(one, rng):
        if one.image == "winpe.wim":
            one.fault = "wds-images-unreadable"

    (found,) = ask(fleet(12, 450, fault, noise=0.0))
    assert "image winpe.wim fails and" in found["paired"][0]


def test_a_pair_that_only_the_same_machines_tell_apart_is_a_pattern_of_its_own(ask):
    """Eight machines, of every model and place, fail with one image and work with the other; others do not."""
    quiet = fleet(13, 750, noise=0.0)
    odd = [
        Made(
            5_000 + n,
            n * 5_000.0 + k * 100,
            f"10.{10 + n % 4}.{n % 3}.{230 + n}",
            fault,
            image=image,
            server=f"WDS0{n % 4}",
        )
        for n in range(8)
        for k, (image, fault) in enumerate((("capture.wim", ""), ("boot.wim", "wds-client-call-cut")))
    ]
    (found,) = ask(quiet + odd)
    assert found["kind"] == "pair"
    assert found["conditions"] == {"image": "boot.wim"}
    assert (found["failed"], found["failed_elsewhere"]) == (8, 0)
    assert "boot.wim fails and capture.wim works on 8 of the 8 machines" in found["title"]
