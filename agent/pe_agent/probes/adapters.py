"""Is there a network card that the system has no driver for, and which one is it?

An adapter without a driver is no adapter to the system, so the address probe cannot see it; its bus still does.
"""

from __future__ import annotations

from collections.abc import Iterator

from pe_agent.host import Device
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context

PROBE = "adapters"


def run(context: Context) -> Iterator[Observation]:
    """One observation for each device without a driver, or one that says how many adapters there are."""
    started_at_s = context.clock_s()
    adapters, devices = context.host.adapters(), context.host.devices_without_driver()
    elapsed_s = context.clock_s() - started_at_s
    # With a working adapter beside it, the card may be one that nobody needs.
    outcome = Outcome.WARNING if any(a.link_up for a in adapters) else Outcome.FAILED
    for device in devices:
        facts = _facts(device) | {"adapter_count": len(adapters)}
        yield Observation(PROBE, device.hardware_id, outcome, Reason.NO_DRIVER, started_at_s, elapsed_s, facts)
    if not devices:
        plain: dict[str, FactValue] = {"adapter_count": len(adapters)}
        answered = (Outcome.OK, Reason.ANSWERED) if adapters else (Outcome.FAILED, Reason.NO_ADAPTER)
        yield Observation(PROBE, "", *answered, started_at_s, elapsed_s, plain)


def _facts(device: Device) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {"hardware_id": device.hardware_id}
    facts |= {"description": device.description} if device.description else {}
    return facts if device.problem is None else facts | {"problem_code": device.problem}
