"""SMB, NetBIOS, DNS, time and packet size, asked of the real servers across the laboratory's router."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from . import servers
from .clients import Boot
from .conditions import why_not
from .daemons import wait_for_port
from .topology import COLLECTOR, Laboratory

SKIP = why_not() or servers.missing("chronyd", "nmbd", "faketime")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(SKIP), reason=SKIP or "possible")]

WDS, NAMES, ROUTER = "10.10.9.20", "10.10.9.10", "10.10.1.1"
HOURS_3 = 10_800.0
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with Laboratory(clients=1) as lab:
        servers.start_name_server(lab.servers["dhcp"], lab.folder, NAMES)
        servers.start_time_server(lab.servers["wds"], lab.folder / "time")
        servers.start_time_server(lab.servers["collector"], lab.folder / "wrong-time", clock="-400d")
        servers.start_file_server(lab.servers["collector"], lab.folder / "files", clock="+3h", signing="mandatory")
        yield lab


@pytest.fixture(scope="module")
def boot(lab: Laboratory) -> Boot:
    boot = lab.boot_client("a1")
    resolver = boot.client.root / "etc" / "resolv.conf"
    resolver.parent.mkdir(exist_ok=True)
    resolver.write_text(f"nameserver {NAMES}\nsearch lab.test\n", encoding="ascii")
    boot.place.must("mount", "--bind", str(resolver), "/etc/resolv.conf")
    return boot


@pytest.fixture
def ask(boot: Boot) -> Ask:
    """Run probes by name against a server; returns their observations."""

    def run(server: str, *names: str) -> list[dict[str, Any]]:
        done = boot.run_agent(["probe", *names, "--server", server, "--format", "json"])
        found: list[dict[str, Any]] = json.loads(done.stdout)["observations"]
        return found

    return run


def verdicts(observations: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {o["target"]: (o["outcome"], o["reason"]) for o in observations}


@contextmanager
def changed(lab: Laboratory, rule: str) -> Iterator[None]:
    """The router follows another rule for a while."""
    chain = f"chain f {{ type filter hook forward priority 1; {rule}; }}"
    lab.router.must("nft", "-f", "-", stdin=f"table ip case {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        lab.router.must("nft", "delete", "table", "ip", "case")


def test_smb_tells_dialect_signing_and_a_clock_that_agrees(ask: Ask) -> None:
    (answer,) = ask(WDS, "smb")
    assert (answer["target"], answer["outcome"], answer["reason"]) == (f"{WDS}:445", "ok", "answered")
    facts = answer["facts"]
    assert (facts["dialect"], facts["signing_required"]) == ("3.0.2", False)
    assert abs(facts["skew_s"]) < 30
    assert len(facts["server_guid"]) == 36


def test_a_file_server_three_hours_ahead_is_a_clock_skew(ask: Ask) -> None:
    (answer,) = ask(COLLECTOR, "smb")
    assert (answer["outcome"], answer["reason"]) == ("warning", "clock-skew")
    assert answer["facts"]["skew_s"] == pytest.approx(-HOURS_3, abs=30)
    assert answer["facts"]["signing_required"] is True


def test_a_closed_smb_port_is_refused(ask: Ask) -> None:
    assert verdicts(ask(NAMES, "smb")) == {f"{NAMES}:445": ("failed", "refused")}


def test_a_blocked_smb_port_is_filtered(lab: Laboratory, ask: Ask) -> None:
    lab.block_tcp("A", 445)
    try:
        (answer,) = ask(WDS, "smb")
    finally:
        lab.unblock_tcp("A", 445)
    assert (answer["outcome"], answer["reason"], answer["facts"]["pass"]) == ("failed", "filtered", 2)


def test_a_rejected_smb_port_names_the_router(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "tcp dport 445 reject with icmp type admin-prohibited"):
        (answer,) = ask(WDS, "smb")
    assert (answer["outcome"], answer["reason"], answer["facts"]["icmp_from"]) == ("failed", "rejected", ROUTER)


def test_another_program_on_445_is_not_smb(lab: Laboratory, ask: Ask) -> None:
    place = lab.servers["dhcp"]
    listen = "import socket; s = socket.create_server(('', 445))"
    banner = f"{listen}\nwhile 1: c = s.accept()[0]; c.sendall(b'SSH-2.0-x'); c.recv(1)"
    with place.start("banner", (sys.executable, "-c", banner)) as process:
        wait_for_port(place, "tcp", 445)
        (answer,) = ask(NAMES, "smb")
        process.kill()
    assert (answer["outcome"], answer["reason"]) == ("failed", "not-smb")
    assert bytes.fromhex(answer["facts"]["first_octets"]).startswith(b"SSH-")


def test_netbios_is_told_and_never_held_against_anyone(ask: Ask) -> None:
    there, absent = ask(COLLECTOR, "netbios"), ask(NAMES, "netbios")
    assert {o["outcome"] for o in (*there, *absent)} <= {"ok", "skipped"}
    (names,) = [o for o in there if o["target"].endswith(":137")]
    assert names["reason"] == "answered"
    assert "FILES01" in names["facts"]["names"].split(",")
    assert verdicts(there)[f"{COLLECTOR}:139"] == ("ok", "answered")
    assert verdicts(absent)[f"{NAMES}:137"] == ("skipped", "refused")
    assert verdicts(absent)[f"{NAMES}:139"] == ("skipped", "refused")


@pytest.mark.parametrize("name", ["wds01", "wds01.lab.test"])
def test_a_name_leads_to_the_server_with_or_without_its_suffix(ask: Ask, name: str) -> None:
    (answer,) = ask(name, "dns")
    assert (answer["target"], answer["outcome"], answer["reason"]) == (f"{NAMES}:53", "ok", "answered")
    assert (answer["facts"]["rcode"], answer["facts"]["addresses"]) == ("noerror", WDS)
    assert answer["facts"]["asked"] == "wds01.lab.test"


def test_a_name_that_leads_elsewhere_than_dhcp_says_is_stale(ask: Ask) -> None:
    (answer,) = ask("stale", "dns")
    assert (answer["outcome"], answer["reason"]) == ("warning", "stale-name")
    assert (answer["facts"]["addresses"], answer["facts"]["expected"]) == ("10.10.9.99", WDS)


@pytest.mark.parametrize(
    ("name", "reason", "rcode"),
    [("missing.lab.test", "no-such-name", "nxdomain"), ("wds01.elsewhere.test", "name-refused", "refused")],
)
def test_a_name_that_does_not_resolve_says_why(ask: Ask, name: str, reason: str, rcode: str) -> None:
    (answer,) = ask(name, "dns")
    assert (answer["outcome"], answer["reason"], answer["facts"]["rcode"]) == ("failed", reason, rcode)


def test_a_blocked_name_server_is_filtered(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "ip saddr 10.10.1.0/24 udp dport 53 drop"):
        (answer,) = ask("wds01.lab.test", "dns")
    assert answer["reason"] == "filtered"


@pytest.mark.parametrize("name", ["wds01", "wds01.lab.test"])
def test_the_target_of_a_name_is_found_by_the_agents_own_question(ask: Ask, name: str) -> None:
    (answer,) = ask(name, "target")
    assert (answer["reason"], answer["facts"]["server_addresses"]) == ("answered", WDS)
    assert answer["elapsed_s"] < 3


def test_a_blocked_name_server_does_not_hold_up_the_rest(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "ip saddr 10.10.1.0/24 udp dport 53 drop"):
        (answer,) = ask("wds01.lab.test", "target")
    assert (answer["outcome"], answer["reason"]) == ("failed", "unresolved")
    assert answer["elapsed_s"] < 4.5, "three seconds, and a busy machine"


def test_a_server_known_by_address_needs_no_dns(ask: Ask) -> None:
    assert verdicts(ask(WDS, "dns")) == {"": ("skipped", "not-needed")}


def test_a_time_server_that_agrees_is_fine_and_a_gateway_without_time_no_fault(ask: Ask) -> None:
    answers = ask(WDS, "sntp")
    assert verdicts(answers) == {f"{WDS}:123": ("ok", "answered"), f"{ROUTER}:123": ("skipped", "refused")}
    assert abs(answers[0]["facts"]["skew_s"]) < 5


def test_a_time_server_400_days_behind_is_a_clock_skew(ask: Ask) -> None:
    (answer,) = [o for o in ask(COLLECTOR, "sntp") if o["target"] == f"{COLLECTOR}:123"]
    assert (answer["outcome"], answer["reason"]) == ("warning", "clock-skew")
    assert answer["facts"]["skew_s"] == pytest.approx(400 * 86_400, abs=30)


def test_full_packets_that_pass_are_fine(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "tcp dport 5040 drop"):
        (answer,) = ask(WDS, "path-mtu")
    assert (answer["outcome"], answer["reason"], answer["facts"]["mtu_bytes"]) == ("ok", "answered", 1500)
    assert "seen_by" not in answer["facts"]


def test_an_rpc_call_in_full_packets_is_proof_enough(ask: Ask) -> None:
    (answer,) = ask(WDS, "path-mtu")
    assert (answer["outcome"], answer["reason"], answer["facts"]["mtu_bytes"]) == ("ok", "answered", 1500)
    assert answer["facts"]["seen_by"] == "wds-rpc"


def test_a_router_with_a_narrow_link_names_itself_and_the_size(lab: Laboratory, ask: Ask) -> None:
    lab.router.must("ip", "link", "set", "dev", "sws", "mtu", "1400")
    try:
        (answer,) = ask(WDS, "path-mtu")
    finally:
        lab.router.must("ip", "link", "set", "dev", "sws", "mtu", "1500")
    assert (answer["outcome"], answer["reason"]) == ("warning", "mtu-too-small")
    assert (answer["facts"]["mtu_bytes"], answer["facts"]["icmp_from"]) == (1400, ROUTER)


def test_a_hole_for_large_packets_is_found_where_nobody_says_anything(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "meta length > 1400 drop"):
        answers = ask(WDS, "path-mtu")
    assert verdicts(answers)[WDS] == ("failed", "large-data-lost")


def test_a_server_that_says_nothing_at_all_leaves_the_size_unknown(lab: Laboratory, ask: Ask) -> None:
    with changed(lab, "udp dport 33434 drop; tcp dport 5040 drop"):
        (answer,) = ask(WDS, "path-mtu")
    assert (answer["outcome"], answer["reason"]) == ("skipped", "not-known")
