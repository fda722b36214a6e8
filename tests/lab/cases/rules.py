"""How does a row of the table become addresses, routes and firewall rules?"""

from __future__ import annotations

from collections.abc import Iterator

from .table import CASES, FAMILIES, TCP_PORTS, UDP_PORTS, Case, address_of

# Where each listener really is; a redirect leads there from the ports of its row's address.
UDP_PEER_PORTS = {"none": 4012, "mute": 4013}
PEER_PORTS = {"other": 5041, "drip": 5042, "mute": 5043, "none": 5044, "proxy-http": 8080, "proxy-tls": 8443}
_WORDS = {4: ("ip", "icmp"), 6: ("ip6", "icmpv6")}
_LIMITS_OFF = "net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"
_PLACES = {
    "client": ("10.10.1.2/24", "fd10:1::2/64", "10.10.1.1", "fd10:1::1"),
    "colleague": ("10.10.5.2/24", "fd10:5::2/64", "10.10.5.1", "fd10:5::1"),
    "orphan": ("10.10.2.2/24", "fd10:2::2/64", "10.10.2.99", "fd10:2::99"),
    "islander": ("10.10.3.2/24", "fd10:3::2/64", "", ""),
    "apipa": ("169.254.7.7/16", "", "", ""),
    "lonely": ("", "", "", ""),
    "server": ("10.10.9.2/24", "fd10:9::2/64", "10.10.9.1", "fd10:9::1"),
    "far": ("10.10.8.2/24", "fd10:8::2/64", "10.10.8.1", "fd10:8::1"),
}
_ROUTER_SIDE = {
    "client": ("10.10.1.1/24", "fd10:1::1/64"),
    "colleague": ("10.10.5.1/24", "fd10:5::1/64"),
    "orphan": ("10.10.2.1/24", "fd10:2::1/64"),
    "islander": ("10.10.3.1/24", "fd10:3::1/64"),
    "apipa": ("10.10.4.1/24", "fd10:4::1/64"),
    "server": ("10.10.9.1/24", "fd10:9::1/64"),
    "far": ("10.10.8.1/24", "fd10:8::1/64"),
}
FAR_DELAY_S = 0.2
# A line that is in use knows its neighbours; a question for an address would cost another round trip.
_FAR_MAC, _ROUTER_MAC = "02:00:00:00:08:02", "02:00:00:00:08:01"


def topology(*, limited: bool) -> str:
    """A shell script that makes the machines and their cables; `limited` keeps the router's ICMP rate limits."""
    lines = ["set -e", *(f"ip netns add {name}" for name in ("router", "line", *_PLACES))]
    lines += [f"ip -n {name} link set dev lo up" for name in ("router", *_PLACES)]
    lines += [line for name in _ROUTER_SIDE if name != "far" for line in _cable(name, "eth0", "router", f"r-{name}")]
    lines += [*_cable("far", "eth0", "line", "right"), *_cable("line", "left", "router", "r-far")]
    lines += [
        f"ip -n far link set dev eth0 address {_FAR_MAC}",
        f"ip -n router link set dev r-far address {_ROUTER_MAC}",
    ]
    lines += [line for name, where in _ROUTER_SIDE.items() for line in _address("router", f"r-{name}", where)]
    lines += [line for name, where in _PLACES.items() for line in _address(name, "eth0", where[:2])]
    for name, (_, _, v4, v6) in _PLACES.items():
        lines += [f"ip -n {name} route add default via {gateway}" for gateway in (v4, v6) if gateway]
    lines += [f"ip -n far neigh add {v} lladdr {_ROUTER_MAC} dev eth0" for v in _PLACES["far"][2:]]
    lines += [line for case in CASES for family in FAMILIES for line in _target(case, family)]
    forwarding = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
    lines.append(f"ip netns exec router sysctl -qw {forwarding} {'' if limited else _LIMITS_OFF}")
    return "\n".join(lines)


def router_rules() -> str:
    """nftables of the router: what it forwards, and which connections its proxies take."""
    forward = [line for case in CASES for family in FAMILIES for line in _forward(case, family)]
    taken = [line for case in CASES if case.peer.startswith("proxy-") for line in _redirect(case)]
    return _table("filter hook forward priority 0", forward) + _table("nat hook prerouting priority -100", taken)


def server_rules() -> str:
    """nftables of the server: which listener is behind which address."""
    inside = [case for case in CASES if case.peer in PEER_PORTS and not case.peer.startswith("proxy-")]
    return _table("nat hook prerouting priority -100", [line for case in inside for line in _redirect(case)])


def client_rules() -> str:
    """nftables of the client: its own firewall."""
    rules = [f"{to} {c.local}" for c in CASES if c.local for f in FAMILIES for to in _matches(c, f, "d")]
    return _table("filter hook output priority 0", rules)


def _table(hook: str, rules: list[str]) -> str:
    name = hook.split()[2]
    return f"table inet {name} {{ chain c {{ type {hook};\n" + "\n".join(rules) + "\n}\n}\n"


def _matches(case: Case, family: int, end: str) -> list[str]:
    """Packets to (`d`) or from (`s`) the address of a row, TCP and, where the row is also one of UDP, UDP.

    A TFTP server answers from any port, so on UDP that goes for all of them.
    """
    address = f"{_WORDS[family][0]} {end}addr {address_of(case, family)}"
    tcp = f"{address} tcp {end}port {_set(TCP_PORTS)}"
    return [tcp, *([f"{address} meta l4proto udp"] if case.on_udp else [])]


def _set(ports: tuple[int, ...]) -> str:
    return "{ " + ", ".join(map(str, ports)) + " }"


def _forward(case: Case, family: int) -> Iterator[str]:
    for to in _matches(case, family, "d"):
        if case.forward:
            yield f"{to} {case.forward}"
        if case.reject:
            yield f"{to} reject with {_WORDS[family][1]} type {case.reject[FAMILIES.index(family)]}"
    if case.back:
        yield from (f"{back} {case.back}" for back in _matches(case, family, "s"))


def _redirect(case: Case) -> list[str]:
    lines = []
    for family in FAMILIES:
        to = f"{_WORDS[family][0]} daddr {address_of(case, family)}"
        lines.append(f"{to} tcp dport {_set(TCP_PORTS)} redirect to :{PEER_PORTS[case.peer]}")
        if case.on_udp:
            lines.append(f"{to} udp dport {_set(UDP_PORTS)} redirect to :{UDP_PEER_PORTS[case.peer]}")
    return lines


def _cable(near: str, near_end: str, far: str, far_end: str) -> list[str]:
    return [
        f"ip -n {near} link add name {near_end} type veth peer name {far_end} netns {far}",
        f"ip -n {near} link set dev {near_end} up",
        f"ip -n {far} link set dev {far_end} up",
    ]


def _address(place: str, device: str, addresses: tuple[str, ...]) -> list[str]:
    return [f"ip -n {place} address add {a} dev {device}{' nodad' * (':' in a)}" for a in addresses if a]


def _target(case: Case, family: int) -> list[str]:
    """The address of a row on the machine that has it, or the router's route that leads nowhere."""
    address, length = address_of(case, family), {4: 32, 6: 128}[family]
    if case.route:
        return [f"ip -n router route add {case.route} {address}/{length}"]
    if case.place in {"server", "far"}:
        known = [f"ip -n router neigh add {address} lladdr {_FAR_MAC} dev r-far"] * (case.place == "far")
        return [*_address(case.place, "eth0", (f"{address}/{length}",)), *known]
    return []
