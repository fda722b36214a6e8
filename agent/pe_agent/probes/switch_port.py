"""What do the counters and the timeline say about the switch port: spanning tree, 802.1X, or the wrong VLAN?

Hints, never proof: no switch is asked. A port that waits for 802.1X passes no frame at all; one in the wrong VLAN
passes its neighbours' broadcasts but no DHCP offer; one that runs spanning tree without PortFast forwards about 30 s
after link.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pe_agent.host import Adapter
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.address import best_address
from pe_agent.probes.contract import Context

PROBE = "switch-port"
# A live VLAN brings a neighbour's ARP or a BPDU (each 2 s) well within this time.
WATCH_S = 5.0
POLL_S = 0.1
# Twice forward delay (15 s, IEEE 802.1D), then DHCP's next try. Those come about 0, 4, 12, 28 and 60 s after link
# (RFC 2131 4.1), so the first that passes is often the one at a minute.
SPANNING_TREE_S = (28.0, 66.0)
# BPDUs alone: one each two seconds, and a few of link discovery.
_QUIET_FRAMES = 5


def run(context: Context) -> Iterator[Observation]:
    """One observation for each adapter that has link; the others have no port to judge."""
    adapters = tuple(a for a in context.host.adapters() if a.link_up)
    somewhere = any(best_address(adapter) for adapter in adapters)
    started_at_s = context.clock_s()
    if not adapters:
        yield Observation(PROBE, "", Outcome.SKIPPED, Reason.NO_LINK, started_at_s)
    for adapter in adapters:
        seen = _address_facts(context, adapter)
        facts: dict[str, FactValue] = {"adapter": adapter.name, **_gateway_facts(adapter)}
        if best_address(adapter):
            outcome, reason, more = _addressed(seen)
        elif somewhere:
            outcome, reason, more = Outcome.SKIPPED, Reason.NOT_NEEDED, {}
        else:
            outcome, reason, more = _without_address(context, adapter, seen)
        elapsed_s = context.clock_s() - started_at_s
        yield Observation(PROBE, adapter.name, outcome, reason, started_at_s, elapsed_s, facts | more)


_Judgement = tuple[Outcome, Reason, dict[str, FactValue]]


def _addressed(seen: dict[str, FactValue]) -> _Judgement:
    wait_s = seen.get("wait_s")
    if not isinstance(wait_s, float):
        return Outcome.OK, Reason.ANSWERED, {}
    first_s, last_s = SPANNING_TREE_S
    if first_s <= wait_s <= last_s:
        return Outcome.WARNING, Reason.SPANNING_TREE, {"wait_s": wait_s}
    return Outcome.OK, Reason.ANSWERED, {"wait_s": wait_s}


def _without_address(context: Context, adapter: Adapter, seen: dict[str, FactValue]) -> _Judgement:
    """Watch the counter until the link is old enough to tell, and then what it counted."""
    since_s = float(seen.get("link_at_s", seen["looked_at_s"]))
    frames, watched_s = _watch(context, adapter, since_s)
    if frames is None:
        return Outcome.SKIPPED, Reason.NOT_KNOWN, {}
    link_age_s = round(context.clock_s() - since_s, 3)
    facts: dict[str, FactValue] = {"received_frames": frames, "link_age_s": link_age_s, "watched_s": watched_s}
    if frames == 0:
        return Outcome.WARNING, Reason.DEAD_PORT, facts
    if _offered(context):
        return Outcome.OK, Reason.ANSWERED, facts
    if frames <= _QUIET_FRAMES and link_age_s < SPANNING_TREE_S[1]:
        return Outcome.WARNING, Reason.SPANNING_TREE, facts
    return Outcome.WARNING, Reason.WRONG_VLAN, facts


def _watch(context: Context, adapter: Adapter, since_s: float) -> tuple[int | None, float]:
    """Frames received so far, once the link is `WATCH_S` old or the deadline near; and how long that took."""
    started_at_s = context.clock_s()
    until_s = min(since_s + WATCH_S, context.deadline_at_s - POLL_S)
    while True:
        now = next((a for a in context.host.adapters() if a.name == adapter.name), adapter)
        watched_s = context.clock_s() - started_at_s
        if now.received_frames is None or context.clock_s() >= until_s:
            return now.received_frames, round(watched_s, 3)
        time.sleep(POLL_S)


def _offered(context: Context) -> bool:
    """Whether some DHCP server answered, so that the VLAN is at least one where addresses are to be had."""
    return any(o.probe == "dhcp" and o.outcome is Outcome.OK for o in context.earlier)


def _address_facts(context: Context, adapter: Adapter) -> dict[str, FactValue]:
    """What the address probe found out about this adapter, with the moment of its first look."""
    for observation in context.earlier:
        if observation.probe == "address" and observation.target == adapter.name:
            return {**observation.facts, "looked_at_s": observation.started_at_s}
    return {"looked_at_s": context.clock_s()}


def _gateway_facts(adapter: Adapter) -> dict[str, FactValue]:
    if not adapter.gateways:
        return {}
    return {"gateway": adapter.gateways[0], "gateway_answers": adapter.gateways[0] in adapter.reachable_gateways}
