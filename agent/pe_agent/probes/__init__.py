"""The table of probes. A new probe is one file here and one row below."""

from __future__ import annotations

from pe_agent.probes import address, architecture, endpoint_mapper, path_trace, target, wds_rpc
from pe_agent.probes.contract import Phase, Probe

PROBES: tuple[Probe, ...] = (
    Probe(
        "address",
        "When did each adapter get link and a usable address?",
        address.run,
        Phase.MACHINE,
        deadline_s=3.0,
        needs_target=False,
        waits=True,
    ),
    Probe(
        "architecture",
        "Do processor, firmware and boot image fit each other?",
        architecture.run,
        Phase.MACHINE,
        deadline_s=2.0,
        needs_target=False,
    ),
    Probe(
        "target",
        "Which server should deploy this machine, and who says so?",
        target.run,
        Phase.TARGET,
        deadline_s=6.0,
        needs_target=False,
    ),
    Probe(
        "endpoint-mapper",
        "Does TCP 135 answer, and which port does it name for WDS?",
        endpoint_mapper.run,
        Phase.PATHS,
        deadline_s=7.0,
    ),
    Probe(
        "wds-rpc",
        "Does the WDS RPC interface answer on TCP 5040?",
        wds_rpc.run,
        Phase.PATHS,
        deadline_s=10.0,
    ),
    Probe(
        "wds-rpc",
        "Does it answer on the port the endpoint mapper names?",
        wds_rpc.run_named_port,
        Phase.FOLLOW_UP,
        deadline_s=10.0,
    ),
    Probe(
        "path-trace",
        "Which router is the last to pass on a blocked port?",
        path_trace.run,
        Phase.FOLLOW_UP,
        deadline_s=4.0,
    ),
)
