"""Run the path probes in the network namespace of this process and print their observations as JSON.

`probe_here.py ADDRESS@PORT[+] ...`: the mapper and WDS on each address, at the same time; a `+` adds the path trace.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from pe_agent.host import this_host
from pe_agent.model import Observation
from pe_agent.probes import endpoint_mapper, path_trace, wds_rpc
from pe_agent.probes.contract import Context, Target

DEADLINES_S = {endpoint_mapper.run: 7.0, wds_rpc.run: 10.0, wds_rpc.run_named_port: 10.0, path_trace.run: 4.0}


def observe(address: str, port: int, *, traced: bool) -> list[Observation]:
    found: list[Observation] = []
    for run, deadline_s in DEADLINES_S.items():
        if run is path_trace.run and not traced:
            continue
        target = Target(address, (address,), "option", port)
        deadline_at_s = time.monotonic() + deadline_s
        context = Context(this_host(), time.monotonic, deadline_at_s, target, earlier=tuple(found))
        found += run(context)
        # A busy machine is late, but never by as much as a step that has no deadline.
        assert time.monotonic() < deadline_at_s + 5
    return found


def main() -> None:
    asked = []
    for argument in sys.argv[1:]:
        address, _, port = argument.rstrip("+").rpartition("@")
        asked.append((address, int(port), argument.endswith("+")))
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda a: observe(a[0], a[1], traced=a[2]), asked))
    rows = [
        {"asked": f"{address}@{port}", "probe": o.probe, "target": o.target, "outcome": o.outcome}
        | {"reason": o.reason, "elapsed_s": o.elapsed_s, "facts": dict(o.facts)}
        for (address, port, _), observations in zip(asked, answers, strict=True)
        for o in observations
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
