"""What the reports of the simulated fleet say beside their path: adapters, switches, a slow subnet, boots under way."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Sequence

from pe_protos.v1 import report_pb2 as pb

# Ports of its access switches come up only after spanning tree is done.
SLOW_PREFIX = "10.20.2.0/25"
SLOW_WAIT_S = 31.0
PORTS = 24
_ADAPTERS = (
    ("PCI\\VEN_8086&DEV_15BB", "e1d68x64.sys"),
    ("PCI\\VEN_8086&DEV_125C", "e2f.sys"),
    ("PCI\\VEN_10EC&DEV_8168", "rt640x64.sys"),
)
# Boots begun so shortly before now are still under way.
UNDER_WAY_S = 240.0


def trim(report: pb.Report, now_s: float) -> pb.Report:
    """Add to a report what its machine's adapter, its switch and its subnet make of it."""
    kind = zlib.crc32(report.hello.identity.serial.encode())
    for observation in report.observations:
        if observation.probe == "address":
            _name_adapter(observation, kind)
            if "address" in observation.facts:
                _slow_down(report, observation)
                report.observations.extend((_switch_port(observation.facts["address"].text, kind), _tftp()))
    if now_s - report.hello.boot.began.wall_ms / 1000 < UNDER_WAY_S:
        _cut(report, kind)
    return report


def hasten(reports: Sequence[pb.Report], now_s: float) -> None:
    """Let these boots begin within the last minute and a half."""
    for number, report in enumerate(reports):
        report.hello.boot.began.wall_ms = int((now_s - 85.0 + 15.0 * number) * 1000)


def _name_adapter(observation: pb.Observation, kind: int) -> None:
    hardware, driver = _ADAPTERS[kind % len(_ADAPTERS)]
    observation.facts["hardware_id"].text = hardware
    observation.facts["driver"].text = driver


def _slow_down(report: pb.Report, observation: pb.Observation) -> None:
    address = ipaddress.ip_address(observation.facts["address"].text)
    if address not in ipaddress.ip_network(SLOW_PREFIX):
        return
    more_s = SLOW_WAIT_S - observation.facts["wait_s"].real
    observation.facts["wait_s"].real = SLOW_WAIT_S
    for event in report.events:
        if event.kind == "address":
            event.at_s += more_s


def _switch_port(address: str, kind: int) -> pb.Observation:
    building = ipaddress.ip_network(f"{address}/24", strict=False).network_address.packed[1:3]
    facts = {
        "switch": pb.Value(text=f"sw-{building[0]}-{building[1]}-{kind % 2 + 1}"),
        "switch_port": pb.Value(text=f"Gi1/0/{kind // 2 % PORTS + 1}"),
    }
    return pb.Observation(probe="switch-port", target="Ethernet", outcome="ok", reason="answered", facts=facts)


def _tftp() -> pb.Observation:
    facts = {"block_bytes": pb.Value(integer=1456)}
    return pb.Observation(
        probe="tftp", target="boot.wim", outcome="ok", reason="answered", started_at_s=12.0, elapsed_s=0.2, facts=facts
    )


def _cut(report: pb.Report, kind: int) -> None:
    """Leave what a boot that is under way has sent so far: its first observations, and no verdict."""
    report.ClearField("summary")
    report.ClearField("findings")
    report.ClearField("logs")
    del report.observations[2 + kind % 2 :]
