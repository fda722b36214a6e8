"""What the agent says about DHCP, PXE and TFTP when something on the way to the boot file is wrong."""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from . import daemons_extra, topology
from .clients import Boot
from .conditions import why_not
from .daemons import BOOT_FILE, DHCP_SERVER, WDS_SERVER, start_dhcp_server, wait_for_port
from .daemons_extra import ROGUE, start_boot_menu, start_kea, start_relay_to, start_rogue_dhcp, start_tftpd, stop
from .places import Place
from .topology import COLLECTOR, Laboratory

_MISSING = why_not() or ", ".join(f"needs {name}" for name in daemons_extra.missing_programs())
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(_MISSING), reason=_MISSING or "possible")]

ROUTER = "10.10.1.1"
BOOT_OPTIONS = {"tftp-server-name": WDS_SERVER, "boot-file-name": BOOT_FILE}
Row = dict[str, Any]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with Laboratory(clients=1) as lab:
        lab.boot_client("a1")
        yield lab


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def observe(lab: Laboratory, *probes: str, patient: bool = False) -> dict[str, Row]:
    """What the probes answered, by target (an address without its port)."""
    wait = ("--wait-for-address", "1") if patient else ()
    done = lab.run_agent("a1", ("probe", *probes, *wait, "--format", "json"))
    assert done.stdout, done.stderr
    rows = json.loads(done.stdout)["observations"]
    return {row["target"].partition(":")[0]: row for row in rows}


def of(rows: dict[str, Row], target: str) -> Row:
    """The row about a target; where there is none, all rows are shown."""
    assert target in rows, rows
    return rows[target]


def said(row: Row) -> tuple[str, str]:
    return row["outcome"], row["reason"]


@contextlib.contextmanager
def rule_on_router(lab: Laboratory, rule: str) -> Iterator[None]:
    """A rule for what the router passes on, until the end of the block."""
    chain = f"table ip cases {{\n chain forward {{\n type filter hook forward priority 5\n {rule}\n }}\n}}\n"
    lab.router.must("nft", "-f", "-", stdin=chain)
    try:
        yield
    finally:
        lab.router.must("nft", "delete", "table", "ip", "cases")


@contextlib.contextmanager
def kea(lab: Laboratory, options: dict[str, str]) -> Iterator[None]:
    """Kea in the place of the DHCP server, and a client that has its lease from it; afterwards all as before."""
    stop(lab.servers["dhcp"], "dhcpd")
    start_kea(lab.servers["dhcp"], lab.folder, options)
    try:
        lab.boot_client("a1")
        yield
    finally:
        stop(lab.servers["dhcp"], "kea-dhcp4")
        start_dhcp_server(lab.servers["dhcp"], lab.folder)
        lab.boot_client("a1")


@contextlib.contextmanager
def relaying(lab: Laboratory, *servers: str) -> Iterator[None]:
    """The router relays to these servers only (to nobody without any), until the end of the block."""
    stop(lab.router, "dhcrelay")
    if servers:
        start_relay_to(lab.router, servers)
    try:
        yield
    finally:
        if servers:
            stop(lab.router, "dhcrelay")
        start_relay_to(lab.router)


@contextlib.contextmanager
def tftpd(lab: Laboratory) -> Iterator[Path]:
    """tftpd-hpa on the WDS server in the place of dnsmasq; yields the boot file."""
    wds = lab.servers["wds"]
    stop(wds, "dnsmasq")
    start_tftpd(wds, lab.folder)
    file = lab.folder / "tftp" / BOOT_FILE.replace("\\", "/")
    before = file.read_bytes()
    try:
        yield file
    finally:
        file.write_bytes(before)
        stop(wds, "in.tftpd")
        start_boot_menu(wds, lab.folder)


# --- DHCP ------------------------------------------------------------------------------------------------------------


def test_a_good_dhcp_server_is_heard_both_ways_and_keeps_its_leases_as_they_were(lab: Laboratory) -> None:
    leases = lab.folder / "dhcpd.leases"
    before, address = leases.read_bytes(), lab.boots["a1"].place.must("ip", "-4", "-br", "address", "show", "eth0")
    (row,) = observe(lab, "dhcp").values()
    facts = row["facts"]
    assert (row["target"], *said(row)) == (DHCP_SERVER, "ok", "answered")
    assert (facts["boot_server"], facts["boot_file"], facts["via"]) == (WDS_SERVER, BOOT_FILE, "broadcast,unicast")
    assert facts.get("relay", ROUTER) == ROUTER, "the machine's own address is no relay"
    assert f"{facts['offered_address']}/24" in address, "with option 61 the server knows the machine again"
    assert leases.read_bytes() == before


def test_where_nobody_names_a_server_the_offers_do(lab: Laboratory) -> None:
    lease = lab.boots["a1"].lease_path
    kept = lease.read_bytes()
    lease.unlink()
    try:
        row = of(observe(lab, "target"), WDS_SERVER)
    finally:
        lease.write_bytes(kept)
    assert (*said(row), row["facts"]["source"]) == ("ok", "answered", "offer")


@pytest.mark.parametrize("patient", [False, True])
def test_a_rogue_server_is_named_and_the_true_one_is_not_accused(
    lab: Laboratory, undo: ExitStack, patient: bool
) -> None:
    rogue = undo.enter_context(Place("rogue", lab.folder))
    # A bridge takes the lowest address of its ports unless it is given one; clients would look for the router in vain.
    own = lab.router.must("ip", "-brief", "link", "show", "dev", "swa").split()[2]
    lab.router.must("ip", "link", "set", "dev", "swa", "address", own)
    # The link of the case before goes when the kernel gets round to it, so each has its own name.
    topology._plug(lab.router, rogue, f"s-rogue{int(patient)}", "swa", "")
    rogue.must("ip", "address", "add", f"{ROGUE}/24", "dev", "eth0")
    rogue.must("ip", "link", "set", "dev", "eth0", "up")
    start_rogue_dhcp(rogue, lab.folder)
    rows = observe(lab, "dhcp", patient=patient)
    assert said(of(rows, ROGUE)) == ("warning", "several-servers")
    assert of(rows, ROGUE)["facts"]["other_servers"] == DHCP_SERVER
    assert said(of(rows, DHCP_SERVER)) == ("ok", "answered")


def test_a_missing_relay_is_told_from_a_dead_server(lab: Laboratory) -> None:
    with relaying(lab):
        (row,) = observe(lab, "dhcp").values()
    assert (row["target"], *said(row)) == (DHCP_SERVER, "warning", "relay-missing")
    assert row["facts"]["via"] == "unicast"


def test_a_dead_server_is_no_verdict_where_the_machine_has_a_lease(lab: Laboratory) -> None:
    with rule_on_router(lab, "udp dport 67 drop"), relaying(lab):
        (row,) = observe(lab, "dhcp").values()
    assert said(row) == ("ok", "not-known")
    assert row["facts"]["lease_server"] == DHCP_SERVER
    assert row["elapsed_s"] > 4.4, "it gave up before a server that pings first can have answered"


def test_without_boot_options_and_without_a_helper_to_wds_nobody_names_a_boot_server(lab: Laboratory) -> None:
    with kea(lab, {}):
        (row,) = observe(lab, "dhcp").values()
        assert (row["target"], *said(row)) == (DHCP_SERVER, "warning", "no-boot-server")


def test_with_a_helper_to_wds_the_boot_server_names_itself(lab: Laboratory) -> None:
    with kea(lab, {}), relaying(lab, DHCP_SERVER, WDS_SERVER):
        rows = observe(lab, "dhcp", patient=True)
    assert said(of(rows, DHCP_SERVER)) == ("ok", "answered")
    assert said(of(rows, WDS_SERVER)) == ("ok", "answered")
    assert of(rows, WDS_SERVER)["facts"]["class60"] == "PXEClient"
    assert "offered_address" not in of(rows, WDS_SERVER)["facts"]


def test_a_boot_file_for_other_firmware_is_a_mismatch(lab: Laboratory) -> None:
    with kea(lab, BOOT_OPTIONS | {"boot-file-name": "boot\\\\x64\\\\wdsmgfw.efi"}):
        rows = observe(lab, "dhcp")
    assert said(of(rows, DHCP_SERVER)) == ("warning", "mismatch")
    assert of(rows, DHCP_SERVER)["facts"]["arch93"] == 0


# Discovery control: no broadcast, no multicast, listed servers only; the list has one server of type 0.
@pytest.mark.parametrize(("listed", "reason"), [("0a0a0963", "option-43-elsewhere"), ("0a0a0914", "answered")])
def test_option_43_that_names_another_server_is_told(lab: Laboratory, listed: str, reason: str) -> None:
    with kea(lab, BOOT_OPTIONS | {"vendor-encapsulated-options": f"0x06010708070000 01{listed}ff".replace(" ", "")}):
        row = of(observe(lab, "dhcp"), DHCP_SERVER)
    assert row["reason"] == reason, row
    assert (row["facts"]["discovery_control"], row["facts"]["option43"]) == (7, True)


def test_option_60_from_a_host_without_a_boot_server_is_wrong(lab: Laboratory) -> None:
    with kea(lab, BOOT_OPTIONS | {"vendor-class-identifier": "PXEClient"}):
        rows = observe(lab, "dhcp", "pxe")
    assert said(of(rows, DHCP_SERVER)) == ("warning", "option-60-wrong")
    assert of(rows, DHCP_SERVER)["facts"]["icmp_from"] == DHCP_SERVER


def test_option_66_that_names_a_host_without_tftp_is_a_fault(lab: Laboratory) -> None:
    with kea(lab, BOOT_OPTIONS | {"tftp-server-name": COLLECTOR}):
        rows = observe(lab, "tftp")
    assert said(of(rows, COLLECTOR)) == ("failed", "refused")
    assert of(rows, COLLECTOR)["facts"]["named_by"] == "lease"


def test_option_67_that_names_no_file_is_a_fault(lab: Laboratory) -> None:
    with kea(lab, BOOT_OPTIONS | {"boot-file-name": "boot/x64/gone.com"}):
        rows = observe(lab, "tftp")
    assert said(of(rows, WDS_SERVER)) == ("failed", "file-not-found")
    assert of(rows, WDS_SERVER)["facts"]["boot_file"] == "boot/x64/gone.com"


def test_a_port_67_that_another_program_has_is_the_reason_for_not_asking(lab: Laboratory) -> None:
    place = lab.boots["a1"].place
    hold = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 67)); time.sleep(60)"
    place.start("holder", (sys.executable, "-c", hold))
    wait_for_port(place, "udp", 67)
    try:
        (row,) = observe(lab, "dhcp").values()
    finally:
        lab.boot_client("a1")
    assert said(row) == ("skipped", "not-supported")
    assert row["facts"]["detail"] == "another program has UDP port 67"


@pytest.fixture
def without_address(lab: Laboratory, undo: ExitStack) -> Boot:
    """A machine that has link and never asked for an address."""
    boot = undo.enter_context(Boot(lab.clients["b1"], lab.folder, fresh_clock=False))
    boot._power_on()
    boot.place.must("ip", "link", "set", "dev", "eth0", "up")
    return boot


def ask_without_address(boot: Boot) -> Row:
    done = boot.run_agent(("probe", "dhcp", "--format", "json"))
    (row,) = json.loads(done.stdout)["observations"]
    found: Row = row
    return found


def test_a_machine_without_an_address_hears_who_would_give_it_one(lab: Laboratory, without_address: Boot) -> None:
    leases = (lab.folder / "dhcpd.leases").read_bytes()
    row = ask_without_address(without_address)
    assert (row["target"], *said(row)) == (DHCP_SERVER, "ok", "answered")
    facts = row["facts"]
    assert (facts["relay"], facts["boot_server"], facts["via"]) == ("10.10.2.1", WDS_SERVER, "broadcast")
    assert facts["offered_address"].startswith("10.10.2.")
    assert (lab.folder / "dhcpd.leases").read_bytes() == leases
    assert "10.10.2." not in without_address.place.must("ip", "-4", "address", "show", "dev", "eth0")


def test_a_boot_without_a_relay_is_answered_by_nobody(lab: Laboratory, without_address: Boot) -> None:
    words = ("report", "--only", "address", "--only", "dhcp", "--no-send", "--format", "json")
    with relaying(lab):
        report = json.loads(without_address.run_agent((*words, "--wait-for-address", "1")).stdout)
    (row,) = [row for row in report["observations"] if row["probe"] == "dhcp"]
    assert said(row) == ("warning", "silent")
    assert row["elapsed_s"] > 4.4
    assert row["facts"]["suspect"] in {"not-known", "port"}
    verdict = report["verdict"]
    assert (verdict["finding_id"], verdict["owner"]) == ("no-address", "dhcp")
    assert "Either the relay" in verdict["advice"]


def test_an_offer_without_an_address_is_on_the_timeline(without_address: Boot) -> None:
    done = without_address.run_agent(("report", "--only", "dhcp", "--no-send", "--format", "json"))
    (offer,) = [e for e in json.loads(done.stdout)["timeline"] if e["kind"] == "offer"]
    assert (offer["adapter"], DHCP_SERVER in offer["detail"]) == ("eth0", True)


def test_who_may_not_send_packets_is_told_so(without_address: Boot) -> None:
    words = (
        "setpriv",
        "--bounding-set=-net_raw",
        sys.executable,
        "-m",
        "pe_agent",
        "probe",
        "dhcp",
        "--format",
        "json",
    )
    (row,) = json.loads(without_address.place.run(*words).stdout)["observations"]
    assert said(row) == ("skipped", "not-supported")
    assert "CAP_NET_RAW" in row["facts"]["detail"]


# --- PXE on UDP 4011 -------------------------------------------------------------------------------------------------


def test_a_boot_server_shows_its_menu(lab: Laboratory) -> None:
    row = of(observe(lab, "pxe"), WDS_SERVER)
    assert said(row) == ("ok", "answered")
    assert row["facts"]["menu"] == "Windows Deployment Services"


def test_a_dropped_4011_is_silent(lab: Laboratory) -> None:
    with rule_on_router(lab, f"ip daddr {WDS_SERVER} udp dport {{ 67, 4011 }} drop"):
        done = lab.run_agent("a1", ("probe", "pxe", "--format", "json"))
    rows = {row["target"]: said(row) for row in json.loads(done.stdout)["observations"]}
    assert rows == {f"{WDS_SERVER}:4011": ("warning", "silent"), f"{WDS_SERVER}:67": ("skipped", "silent")}


def test_a_boot_server_that_is_silent_on_4011_is_asked_as_a_relay_asks(lab: Laboratory) -> None:
    with rule_on_router(lab, "udp dport 4011 drop"):
        done = lab.run_agent("a1", ("probe", "pxe", "--format", "json"))
    rows = {row["target"]: row for row in json.loads(done.stdout)["observations"]}
    assert said(rows[f"{WDS_SERVER}:4011"]) == ("warning", "silent")
    relayed = rows[f"{WDS_SERVER}:67"]
    assert said(relayed) == ("ok", "answered")
    assert relayed["facts"]["class60"] == "PXEClient"


def test_a_rejected_4011_names_the_router(lab: Laboratory) -> None:
    with rule_on_router(lab, "udp dport 4011 reject with icmp type admin-prohibited"):
        row = of(observe(lab, "pxe"), WDS_SERVER)
    facts = row["facts"]
    assert said(row) == ("warning", "rejected")
    assert (facts["icmp_type"], facts["icmp_code"], facts["icmp_from"]) == (3, 13, ROUTER)


def test_a_refusal_is_heard_from_a_server_that_has_used_up_its_icmp(lab: Laboratory) -> None:
    wds = lab.servers["wds"]
    use_up = f"for i in $(seq 30); do echo > /dev/udp/{WDS_SERVER}/39999; done 2>/dev/null; true"
    with tftpd(lab):
        topology.limit_icmp(wds, 1000)
        try:
            lab.boots["a1"].place.must("bash", "-c", use_up)
            row = of(observe(lab, "pxe"), WDS_SERVER)
        finally:
            topology.limit_icmp(wds, 0)
    assert said(row) == ("warning", "refused")


def test_a_boot_server_that_does_not_run_refuses(lab: Laboratory) -> None:
    with tftpd(lab):
        row = of(observe(lab, "pxe"), WDS_SERVER)
    assert said(row) == ("warning", "refused")
    assert row["facts"]["icmp_from"] == WDS_SERVER


# --- TFTP ------------------------------------------------------------------------------------------------------------


def test_the_boot_file_comes_with_its_size_and_kind(lab: Laboratory) -> None:
    with tftpd(lab) as file:
        row = of(observe(lab, "tftp"), WDS_SERVER)
        size = file.stat().st_size
    facts = row["facts"]
    assert said(row) == ("ok", "answered")
    assert (facts["size_bytes"], facts["file_architecture"], facts["block_bytes"]) == (size, "bios-nbp", 1456)
    assert facts["server_port"] != 69


def test_a_missing_boot_file_is_told_by_the_server(lab: Laboratory) -> None:
    with tftpd(lab) as file:
        file.rename(file.with_suffix(".away"))
        row = of(observe(lab, "tftp"), WDS_SERVER)
    assert said(row) == ("failed", "file-not-found")


def test_a_boot_file_for_another_processor_is_a_mismatch(lab: Laboratory) -> None:
    with tftpd(lab) as file:
        file.write_bytes(
            b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0xAA64) + bytes(9000)
        )
        row = of(observe(lab, "tftp"), WDS_SERVER)
    assert said(row) == ("warning", "mismatch")
    assert row["facts"]["file_architecture"] == "arm64"


@pytest.mark.parametrize("server", ["dnsmasq", "tftpd-hpa"])
def test_a_path_that_loses_full_frames_is_told_from_silence(lab: Laboratory, undo: ExitStack, server: str) -> None:
    if server == "tftpd-hpa":
        undo.enter_context(tftpd(lab))
    with rule_on_router(lab, "udp sport != 67 ip length > 1400 drop"):
        row = of(observe(lab, "tftp"), WDS_SERVER)
    facts = row["facts"]
    assert said(row) == ("failed", "large-data-lost")
    assert (facts["block_bytes"], facts["lost_block_bytes"]) == (512, 1456)


def test_dropped_fragments_are_found_by_a_large_block(lab: Laboratory) -> None:
    with tftpd(lab), rule_on_router(lab, "ip frag-off & 0x3fff != 0 drop"):
        row = of(observe(lab, "tftp"), WDS_SERVER)
    facts = row["facts"]
    assert said(row) == ("warning", "large-data-lost")
    assert (facts["block_bytes"], facts["lost_block_bytes"], facts["fragments_dropped"]) == (1456, 8192, True)


def test_a_dropped_tftp_port_is_silent(lab: Laboratory) -> None:
    with rule_on_router(lab, "udp dport 69 drop"):
        assert said(of(observe(lab, "tftp"), WDS_SERVER)) == ("warning", "silent")


def test_a_path_that_loses_every_third_packet_is_not_accused_of_a_rule(lab: Laboratory) -> None:
    loss = "numgen random mod 100 < 30 drop"
    with tftpd(lab), rule_on_router(lab, f"ip daddr {WDS_SERVER} {loss}\n ip saddr {WDS_SERVER} {loss}"):
        rows = [of(observe(lab, "tftp"), WDS_SERVER) for _ in range(4)]
    wrong = [said(row) for row in rows if row["reason"] not in {"answered", "silent", "uncertain"}]
    assert len(wrong) <= 1, wrong
    assert not {"refused", "rejected", "file-not-found"} & {reason for _, reason in wrong}


def test_a_rejected_tftp_port_names_the_router(lab: Laboratory) -> None:
    with rule_on_router(lab, "udp dport 69 reject with icmp type admin-prohibited"):
        row = of(observe(lab, "tftp"), WDS_SERVER)
    assert said(row) == ("failed", "rejected")
    assert row["facts"]["icmp_from"] == ROUTER
