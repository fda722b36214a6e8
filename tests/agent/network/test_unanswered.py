"""Nobody answers a machine without an address: who is suspected, and who is told to act?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pe_agent import signatures
from pe_agent.codec import dhcp
from pe_agent.host import Adapter, BootRecord, Lease
from pe_agent.judge import Judgement, judge
from pe_agent.model import FactValue, Observation, Outcome, Owner, Reason, Status
from pe_agent.unanswered import suspicion

MAC = "02:00:00:00:00:01"
ASKED = Adapter("eth0", MAC, link_up=True, received_frames=40)
SERVER, RELAY, ROUTER = "10.10.9.10", "10.10.1.1", "10.10.1.254"


def ack(giaddr: str, *, mac: str = MAC, server: str = SERVER, mask: str = "255.255.255.0") -> BootRecord:
    options = {
        dhcp.MESSAGE_TYPE: bytes((dhcp.ACK,)),
        dhcp.SERVER_IDENTIFIER: bytes(map(int, server.split("."))),
        dhcp.SUBNET_MASK: bytes(map(int, mask.split("."))),
        dhcp.ROUTER: bytes(map(int, ROUTER.split("."))),
    }
    zero = "0.0.0.0"
    message = dhcp.DhcpMessage(2, 1, zero, "10.10.1.50", zero, giaddr, mac, b"", b"", options)
    return BootRecord(dhcp_ack=dhcp.encode_message(message))


def suspected(adapter: Adapter, record: BootRecord | None = None) -> Mapping[str, FactValue]:
    return suspicion(ASKED, adapter, record)


HEARD = replace(ASKED, received_frames=52)
NOTHING_CAME = replace(ASKED, received_frames=0)
LEASED = Lease(server=SERVER, obtained_at_s=12.0)


@pytest.mark.parametrize(
    ("adapter", "record", "suspect"),
    [
        (HEARD, None, "not-known"),
        (replace(HEARD, gateways=("fe80::1",)), None, "relay"),
        (NOTHING_CAME, None, "port"),
        (HEARD, ack(RELAY), "relay-since-boot"),
        (HEARD, ack("0.0.0.0"), "relay-since-boot"),
        (HEARD, ack("0.0.0.0", server="10.10.1.2"), "server-since-boot"),
        (NOTHING_CAME, ack(RELAY), "port-since-boot"),
        (HEARD, ack(RELAY, mac="02:00:00:00:00:02"), "not-known"),
        (HEARD, BootRecord(dhcp_ack=b"cut off"), "not-known"),
        (replace(HEARD, lease=LEASED), None, "server-since-boot"),
        (replace(HEARD, lease=replace(LEASED, obtained_at_s=None)), None, "not-known"),
        (replace(HEARD, lease=replace(LEASED, server="255.255.255.255")), None, "not-known"),
        (replace(HEARD, received_frames=None), None, "not-known"),
    ],
)
def test_what_is_known_says_who_is_suspected(adapter: Adapter, record: BootRecord | None, suspect: str) -> None:
    assert suspected(adapter, record)["suspect"] == suspect


def test_the_relay_is_named_also_where_it_left_its_field_empty() -> None:
    assert suspected(HEARD, ack(RELAY))["earlier_relay"] == RELAY
    assert suspected(HEARD, ack("0.0.0.0"))["earlier_relay"] == ROUTER


def test_the_frames_that_came_while_it_asked_are_counted() -> None:
    assert suspected(HEARD)["frames_meanwhile"] == 12


def judged(adapter: Adapter, record: BootRecord | None, reason: Reason = Reason.SILENT) -> Judgement:
    without = Observation("address", "eth0", Outcome.FAILED, Reason.NO_ADDRESS, facts={"adapter": "eth0"})
    outcome = Outcome.WARNING if reason is Reason.SILENT else Outcome.SKIPPED
    asked = Observation("dhcp", "", outcome, reason, facts={"adapter": "eth0", **suspected(adapter, record)})
    return judge((without, asked), (), (), signatures.load())


@pytest.mark.parametrize(
    ("told", "finding", "owner", "said"),
    [
        ((replace(HEARD, gateways=("fe80::1",)), None), "relay-suspected", Owner.NETWORK, "fe80::1"),
        ((HEARD, ack(RELAY)), "relay-since-boot", Owner.NETWORK, RELAY),
        ((HEARD, ack("0.0.0.0", server="10.10.1.2")), "local-dhcp-since-boot", Owner.DHCP, "10.10.1.2"),
        ((NOTHING_CAME, ack(RELAY)), "port-since-boot", Owner.NETWORK, SERVER),
        ((HEARD, None), "no-address", Owner.DHCP, "no DHCP server answered"),
    ],
)
@pytest.mark.parametrize("reason", [Reason.SILENT, Reason.NOT_SUPPORTED])
def test_the_verdict_names_who_must_look_and_what_would_decide(
    told: tuple[Adapter, BootRecord | None], finding: str, owner: Owner, said: str, reason: Reason
) -> None:
    found = judged(*told, reason)
    assert (found.verdict.status, found.verdict.finding_id, found.verdict.owner) == (Status.FAULT, finding, owner)
    assert said in found.verdict.title
    assert "not known" not in found.verdict.title + found.verdict.advice
    assert [f.id for f in found.findings] == [finding], "what it explains stands behind it as evidence"


def test_where_nothing_more_is_known_the_advice_says_what_would_tell_relay_and_server_apart() -> None:
    advice = judged(HEARD, None).verdict.advice
    assert advice.startswith("Either the relay")
    assert "What tells them apart" in advice
