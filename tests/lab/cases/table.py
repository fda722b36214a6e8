"""What can happen to a path, and which reason is the right one? One row for each state, for IPv4 and IPv6.

The rows are written for TCP 5040; `Port` says what they mean for the other ports of a boot server.
"""

from __future__ import annotations

from dataclasses import dataclass

WDS_PORT = 5040
PXE_PORT = 4011
MAPPER_PORT, SMB_PORT, DNS_PORT, DHCP_PORT, TFTP_PORT = 135, 445, 53, 67, 69
TCP_PORTS = (MAPPER_PORT, SMB_PORT, WDS_PORT)
UDP_PORTS = (DNS_PORT, DHCP_PORT, TFTP_PORT, PXE_PORT)
FAMILIES = (4, 6)
# A SYN carries no PSH, so these match the first octets of a connection and nothing before.
_DATA = "tcp flags & psh == psh"
_LOSS = "numgen random mod 100 < 30 drop"


@dataclass(frozen=True, slots=True)
class Case:
    """One state of one path.

    Attributes:
        reasons: the reasons that are right; every row but the one about chance has exactly one.
        icmp: (type, code) that must stand beside the reason, for IPv4 and for IPv6.
        icmp_from: `router`, `own` (this machine says so itself) or `server`.
        forward, back: what the router does (nftables) with packets towards the target and from it.
        reject: the router's ICMP words in nftables, for IPv4 and IPv6.
        route: kind of route (ip-route(8)) that the router has for the target.
        local: what the client's own firewall does with packets towards the target.
        peer: who listens there; `none` is a closed port, a peer on the router is `proxy-...`.
        place: `server`, `far` (behind a slow line), `nobody` (no such machine) or `neighbour` (none on the own subnet).
        client: which of the client machines asks. `colleague` asks what Linux cannot reject without a limit: the
            errors of a router's routes are counted for each client (ip_error).
    """

    name: str
    reasons: tuple[str, ...]
    icmp: tuple[tuple[int, int], tuple[int, int]] | None = None
    icmp_from: str = "router"
    forward: str = ""
    back: str = ""
    reject: tuple[str, str] | None = None
    route: str = ""
    local: str = ""
    peer: str = "wds"
    place: str = "server"
    client: str = "client"

    @property
    def on_udp(self) -> bool:
        """Whether the row also stands for UDP: nothing in it is of TCP or RPC."""
        return "tcp" not in self.forward + self.local and self.peer in {"wds", "none", "mute"}

    @property
    def by_chance(self) -> bool:
        """Whether chance decides which of the right reasons it is."""
        return len(self.reasons) > 1

    @property
    def udp_reasons(self) -> tuple[str, ...]:
        """The right reasons on UDP, where a packet lost on the way and a server that does not care look the same."""
        if self.local == "drop":
            # The kernel tells the sender of a datagram at once (EPERM), as it does not for a SYN.
            return ("rejected",)
        # A lost datagram leaves nothing behind by which it could be told from a filter.
        return tuple("silent" if reason in {"filtered", "uncertain"} else reason for reason in self.reasons)


def _rejected(name: str, reason: str, words: tuple[str, str], icmp: tuple[tuple[int, int], tuple[int, int]]) -> Case:
    return Case(name, (reason,), icmp, reject=words)


CASES: tuple[Case, ...] = (
    Case("accept", ("answered",)),
    Case("drop", ("filtered",), forward="drop"),
    Case("reject with TCP reset", ("refused",), forward="reject with tcp reset"),
    _rejected("ICMP 3/13 admin prohibited", "rejected", ("admin-prohibited", "admin-prohibited"), ((3, 13), (1, 1))),
    _rejected("ICMP 3/3 port unreachable", "rejected", ("port-unreachable", "port-unreachable"), ((3, 3), (1, 4))),
    _rejected("ICMP 3/1 host unreachable", "unreachable", ("host-unreachable", "addr-unreachable"), ((3, 1), (1, 3))),
    _rejected("ICMP 3/0 net unreachable", "unreachable", ("net-unreachable", "no-route"), ((3, 0), (1, 0))),
    _rejected("ICMP 3/10 host prohibited", "rejected", ("host-prohibited", "policy-fail"), ((3, 10), (1, 5))),
    _rejected("ICMP 3/2 protocol unreachable", "rejected", ("prot-unreachable", "reject-route"), ((3, 2), (1, 6))),
    Case("router: unreachable route", ("unreachable",), ((3, 1), (1, 0)), route="unreachable", client="colleague"),
    Case("router: prohibit route", ("rejected",), ((3, 13), (1, 1)), route="prohibit", client="colleague"),
    Case("router: blackhole route", ("filtered",), route="blackhole", client="colleague"),
    Case("server down", ("unreachable",), ((3, 1), (1, 3)), place="nobody"),
    Case("neighbour down", ("unreachable",), ((3, 1), (1, 3)), icmp_from="own", place="neighbour"),
    Case("dead gateway", ("unreachable",), ((3, 1), (1, 3)), icmp_from="own", client="orphan"),
    Case("no default route", ("no-route",), client="islander"),
    Case("no address", ("no-address",), client="lonely"),
    Case("169.254 or link-local address only", ("no-address",), client="apipa"),
    Case("not listening", ("refused",), peer="none"),
    Case("data dropped after the handshake", ("silent",), forward=f"{_DATA} drop"),
    Case("packets over 1400 dropped", ("large-data-lost",), forward="meta length > 1400 drop"),
    Case("reset after the first data", ("reset",), forward=f"{_DATA} reject with tcp reset"),
    Case("transparent HTTP proxy", ("not-rpc",), peer="proxy-http"),
    Case("TLS middlebox", ("not-rpc",), peer="proxy-tls"),
    Case("return path dropped", ("filtered",), back="drop"),
    Case("400 ms round trip", ("answered",), place="far"),
    # Chance decides how far a path gets that loses every third packet; it must not look like a rule that somebody made.
    Case("30 % loss each way", ("answered", "uncertain"), forward=_LOSS, back=_LOSS),
    Case("local firewall drops", ("filtered",), local="drop"),
    Case("local firewall resets", ("refused",), local="reject with tcp reset"),
    Case(
        "local firewall rejects",
        ("rejected",),
        ((3, 13), (1, 1)),
        icmp_from="own",
        local="reject with icmpx type admin-prohibited",
    ),
    Case("listener that drips octets", ("truncated",), peer="drip"),
    Case("listener that never answers", ("silent",), peer="mute"),
    # The peer's own words for "no such interface" are 1/1; Windows and Samba say 2/1, which is `not-registered`.
    Case("listener without the WDS interface", ("bind-rejected",), peer="other"),
)
# What a packet of another size meets is for `path-mtu` to say.
UDP_CASES = tuple(case for case in CASES if case.on_udp and "meta length" not in case.forward)
# What only WDS RPC says: it alone sends large packets, and there alone somebody else's interfaces are a state.
TCP_CASES = tuple(case for case in CASES if "meta length" not in case.forward and case.peer not in {"other", "drip"})


@dataclass(frozen=True, slots=True)
class Port:
    """A port for which rows stand as well, IPv4, and the probe that asks it.

    Attributes:
        words: where the probe has another word for a reason of the row.
        by_chance: the reasons that are also right where packets are lost by chance.
    """

    probe: str
    number: int
    cases: tuple[Case, ...]
    words: tuple[tuple[str, str], ...] = ()
    by_chance: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{'UDP' if self.number in UDP_PORTS else 'TCP'} {self.number}"

    def reasons(self, case: Case) -> tuple[str, ...]:
        """The right reasons of a row on this port."""
        said = case.udp_reasons if self.number in UDP_PORTS else case.reasons
        return tuple(dict(self.words).get(reason, reason) for reason in said) + self.by_chance * case.by_chance


PXE = Port("pxe", PXE_PORT, UDP_CASES)
TFTP = Port("tftp", TFTP_PORT, UDP_CASES, by_chance=("uncertain",))
DNS = Port("dns", DNS_PORT, UDP_CASES, (("silent", "filtered"),))
# A machine without an address asks everybody, and no server by its own.
DHCP = Port("dhcp", DHCP_PORT, tuple(case for case in UDP_CASES if case.client not in {"lonely", "apipa"}))
MAPPER = Port("endpoint-mapper", MAPPER_PORT, TCP_CASES)
SMB = Port("smb", SMB_PORT, TCP_CASES, (("not-rpc", "not-smb"),))
PORTS = (PXE, TFTP, DNS, DHCP, MAPPER, SMB)
NUMBERS = {case.name: number for number, case in enumerate(CASES)}
_SUBNETS = {
    "server": ("10.10.9", "fd10:9:"),
    "nobody": ("10.10.9", "fd10:9:"),
    "far": ("10.10.8", "fd10:8:"),
    "neighbour": ("10.10.1", "fd10:1:"),
}


def address_of(case: Case, family: int) -> str:
    """The address that stands for this row; each row has its own."""
    v4, v6 = _SUBNETS[case.place]
    host = 20 + NUMBERS[case.name]
    return f"{v4}.{host}" if family == 4 else f"{v6}:{host}"
