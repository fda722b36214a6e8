"""Ask many servers at the same time, from here, as the battery does: `ask.py PROBE ADDRESS[@PORT] ... [--again]`.

PROBE is `wds-rpc`, with a port of one's own, or `pxe`. Prints a JSON row for each, in the order given: outcome,
reason, elapsed_s, facts. With `--again` all are asked twice, one time after the other, and only the second time counts:
what a program that has run for a while would see.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable

from pe_agent.host import this_host
from pe_agent.model import Observation
from pe_agent.probes import PROBES, pxe, wds_rpc
from pe_agent.probes.contract import WDS_RPC_PORT, Context, Target
from pe_agent.transport.passes import observe
from pe_agent.transport.path import Deadline, Endpoint


def endpoint_of(argument: str) -> Endpoint:
    """An address stands for its WDS port."""
    address, _, port = argument.partition("@")
    return Endpoint(address, int(port or WDS_RPC_PORT))


def ask_wds(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """The probe's own way of asking, on ports of the caller's choice."""
    endpoints = [endpoint_of(argument) for argument in asked]
    return observe(wds_rpc.PROBE, endpoints, wds_rpc.ask_wds, Deadline(time.monotonic, deadline_at_s), this_host())


def ask_pxe(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """UDP 4011. A machine without an address is one answer for all."""
    context = Context(this_host(), time.monotonic, deadline_at_s, Target("wds", tuple(asked), "option"))
    found = list(pxe.run(context))
    return found if len(found) == len(asked) else found * len(asked)


ASK = {"wds-rpc": ask_wds, "pxe": ask_pxe}


def main() -> None:
    """The deadline is the one of the table of probes."""
    name, *asked = (word for word in sys.argv[1:] if word != "--again")
    deadline_s = next(probe.deadline_s for probe in PROBES if probe.name == name)
    if "--again" in sys.argv:
        list(ASK[name](asked, time.monotonic() + deadline_s))
    rows = [
        {"outcome": o.outcome, "reason": o.reason, "elapsed_s": o.elapsed_s, "facts": dict(o.facts)}
        for o in ASK[name](asked, time.monotonic() + deadline_s)
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
