"""What the WDS and DHCP servers of the simulated fleet logged of its boots, and of machines that never reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pe_protos.v1 import report_pb2 as pb

from pe_collector.server_logs import ServerEvent

_WDS, _DHCP = "wds-events-rows", "dhcp-syslog"
_WIM = "\\Boot\\x64\\Images\\boot.wim"
SILENT = tuple((f"02:fe:00:00:00:{number:02x}", f"10.30.16.{number + 20}") for number in range(4))
_SILENT_AGE_S = 3 * 3600.0


def server_events(reports: Iterable[pb.Report], now_s: float) -> Iterator[ServerEvent]:
    """Events of each boot in the order of the boots; then those of the silent machines."""
    line = 0
    for report in reports:
        address = next((o.facts["address"].text for o in report.observations if "address" in o.facts), "")
        if address:
            for event in _boot(report, address):
                line += 1
                yield ServerEvent(*event, "simulated", line)
    for number, (mac, ip) in enumerate(SILENT):
        at_s = now_s - _SILENT_AGE_S + 60.0 * number
        for event in (_wds(at_s, mac, ip, "4096"), _wds(at_s + 40, mac, ip, "4100"))[: 1 + number % 2]:
            line += 1
            yield ServerEvent(*event, "simulated", line)


_Event = tuple[str, float, str, str, str, str, str, str]


def _boot(report: pb.Report, address: str) -> Iterator[_Event]:
    began_s, mac = report.hello.boot.began.wall_ms / 1000, report.hello.identity.macs[0]
    text = f"DHCPACK on {address} to {mac} via eth0"
    yield _DHCP, began_s - 55.0, mac, address, "DHCPACK", text, "Info", "dhcpd"
    yield _wds(began_s - 50.0, mac, address, "4096")
    yield _wds(began_s - 8.0, mac, address, "4100")
    if report.summary.status == "healthy":
        yield _wds(began_s + 20.0, mac, address, "4102")
        yield _wds(began_s + 45.0, mac, address, "4104")
        yield _wds(began_s + 700.0, mac, address, "4109")


def _wds(at_s: float, mac: str, ip: str, event: str) -> _Event:
    words = {"4096": "PXE request answered", "4100": f"TFTP download complete {_WIM}", "4102": "client started"}
    text = f"{words.get(event, 'step done')} {ip} {mac}"
    return _WDS, at_s, mac, ip, event, text, "Info", "WDSPXE"
