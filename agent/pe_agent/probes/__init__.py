"""The table of probes. A new probe is one file here and one row below."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pe_agent.probes.contract import Context, Phase, Probe, ProbeResult


@dataclass(frozen=True, slots=True)
class _In:
    """A function of a module here, loaded when it is asked: the first probe does not wait for the others to load."""

    module: str
    function: str = "run"

    def load(self) -> Any:
        return getattr(import_module(f"{__name__}.{self.module}"), self.function)

    def __call__(self, context: Context) -> ProbeResult:
        answers: ProbeResult = self.load()(context)
        return answers


PROBES: tuple[Probe, ...] = (
    # Before all others: it asks the registry, for which nothing more has to load.
    Probe(
        "boot-record",
        "What did the firmware hear when it booted over the network?",
        _In("boot_record"),
        Phase.MACHINE,
        deadline_s=2.0,
        needs_target=False,
    ),
    Probe(
        "address",
        "When did each adapter get link and a usable address?",
        _In("address"),
        Phase.MACHINE,
        deadline_s=3.0,
        needs_target=False,
        waits=True,
    ),
    Probe(
        "architecture",
        "Do processor, firmware and boot image fit each other?",
        _In("architecture"),
        Phase.MACHINE,
        deadline_s=2.0,
        needs_target=False,
    ),
    Probe(
        "wpeinit",
        "What did Windows PE do about the network before the agent started?",
        _In("wpeinit"),
        Phase.MACHINE,
        deadline_s=3.0,
        needs_target=False,
    ),
    Probe(
        "target",
        "Which server should deploy this machine, and who says so?",
        _In("target"),
        Phase.TARGET,
        deadline_s=6.0,
        needs_target=False,
    ),
    Probe(
        "endpoint-mapper",
        "Does TCP 135 answer, and which port does it name for WDS?",
        _In("endpoint_mapper"),
        Phase.PATHS,
        deadline_s=7.0,
    ),
    Probe(
        "wds-rpc",
        "Does the WDS RPC interface answer on TCP 5040?",
        _In("wds_rpc"),
        Phase.PATHS,
        deadline_s=10.0,
    ),
    Probe(
        "wds-rpc",
        "Does it answer on the port the endpoint mapper names?",
        _In("wds_rpc", "run_named_port"),
        Phase.FOLLOW_UP,
        deadline_s=10.0,
    ),
    Probe(
        "path-trace",
        "Which router is the last to pass on a blocked port?",
        _In("path_trace"),
        Phase.FOLLOW_UP,
        deadline_s=4.0,
    ),
    Probe(
        "dhcp",
        "Which DHCP servers answer here, and do they tell firmware the right things?",
        _In("dhcp"),
        Phase.PATHS,
        deadline_s=6.0,
        needs_target=False,
    ),
    Probe(
        "dhcpv6",
        "Which DHCPv6 servers answer here, and which boot program do they name?",
        _In("dhcpv6"),
        Phase.PATHS,
        deadline_s=5.0,
        needs_target=False,
    ),
    Probe(
        "pxe",
        "Does the boot server answer on UDP 4011?",
        _In("pxe"),
        Phase.PATHS,
        deadline_s=6.0,
    ),
    Probe(
        "pxe",
        "Does every DHCP server that calls itself a boot server answer on UDP 4011?",
        _In("pxe", "run_offering"),
        Phase.FOLLOW_UP,
        deadline_s=6.0,
        needs_target=False,
    ),
    Probe(
        "pxe",
        "Does a boot server that is silent on UDP 4011 answer a relay on UDP 67?",
        _In("pxe", "run_relayed"),
        Phase.FOLLOW_UP,
        deadline_s=3.0,
    ),
    Probe(
        "tftp",
        "Does the boot file come by TFTP, and can this machine run it?",
        _In("tftp"),
        Phase.PATHS,
        deadline_s=6.0,
    ),
    Probe(
        "tftp",
        "Does the boot file come that DHCP or the boot server name?",
        _In("tftp", "run_named_later"),
        Phase.FOLLOW_UP,
        deadline_s=6.0,
    ),
    Probe(
        "adapters",
        "Is there a network card without a driver?",
        _In("adapters"),
        Phase.MACHINE,
        deadline_s=2.0,
        needs_target=False,
    ),
    Probe(
        "smb",
        "Does SMB answer on TCP 445, and what time is it on the server?",
        _In("smb"),
        Phase.PATHS,
        deadline_s=7.0,
    ),
    Probe(
        "dns",
        "Does the server's name lead where the server is?",
        _In("dns"),
        Phase.PATHS,
        deadline_s=7.0,
        needs_target=False,
    ),
    Probe(
        "sntp",
        "How far is this machine's clock from the others?",
        _In("sntp"),
        Phase.PATHS,
        deadline_s=7.0,
        needs_target=False,
    ),
    Probe(
        "netbios",
        "What do the old NetBIOS ports say (for information)?",
        _In("netbios"),
        Phase.PATHS,
        deadline_s=3.0,
    ),
    Probe(
        "path-mtu",
        "Do full-sized packets reach the server?",
        _In("path_mtu"),
        Phase.FOLLOW_UP,
        deadline_s=6.0,
    ),
    Probe(
        "path-mtu",
        "Did another probe lose large packets only?",
        _In("path_mtu", "run_hints"),
        Phase.FOLLOW_UP,
        deadline_s=1.0,
    ),
    Probe(
        "switch-port",
        "Do counters and timeline speak of spanning tree, 802.1X or a wrong VLAN?",
        _In("switch_port"),
        Phase.FOLLOW_UP,
        deadline_s=6.0,
        needs_target=False,
    ),
)
