"""Ask many servers at the same time, from here, as the battery does: `ask.py PROBE ADDRESS[@PORT] ...`.

PROBE is `wds-rpc`, with a port of one's own, or another name of `ASK`. `dhcp` asks one server after the other, as all
answer to UDP 67. Prints a JSON row for each, in the order given: outcome, reason, elapsed_s, facts. Without an address
each line of standard input is one more set of them: what a program that has run for a while would see.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pe_agent.host import this_host
from pe_agent.model import Observation
from pe_agent.probes import PROBES, dns, endpoint_mapper, path_mtu, pxe, smb, tftp, wds_rpc
from pe_agent.probes.contract import WDS_RPC_PORT, Context, Target
from pe_agent.transport import names
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


def ask_target(run: Callable[[Context], Iterable[Observation]]) -> Callable[[list[str], float], list[Observation]]:
    """The whole probe, with the addresses as those of the target. A machine without one of its own answers once."""

    def asked_of(asked: list[str], deadline_at_s: float) -> list[Observation]:
        context = Context(this_host(), time.monotonic, deadline_at_s, Target("wds", tuple(asked), "option"))
        found = [observation for observation in run(context) if isinstance(observation, Observation)]
        return found if len(found) == len(asked) else found * len(asked)

    return asked_of


def ask_tftp(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """As many servers as there are; the probe itself asks four at most."""
    groups = [asked[at : at + 4] for at in range(0, len(asked), 4)]
    with ThreadPoolExecutor(len(groups)) as pool:
        found = pool.map(lambda group: ask_target(tftp.run_named_later)(group, deadline_at_s), groups)
        return [observation for group in found for observation in group]


def ask_dns(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """A name that every server knows."""
    wish = dns.Wish("wds01.lab.test")
    endpoints = [Endpoint(address, names.PORT) for address in asked]
    deadline = Deadline(time.monotonic, deadline_at_s)
    return observe(dns.PROBE, endpoints, lambda at, by, _: dns.ask_name(at, by, wish), deadline, this_host())


def ask_dhcp(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """One DHCP server by its address, as `dhcp` asks that of the lease; each has the probe's whole time."""
    (client, *_), patience_s = pxe.asking_clients(this_host()), deadline_at_s - time.monotonic()
    for address in asked:
        started_at_s = time.monotonic()
        answer = pxe._ask_relayed(client, address, Deadline(time.monotonic, started_at_s + patience_s))
        elapsed_s = time.monotonic() - started_at_s
        yield Observation("dhcp", address, answer.outcome, answer.reason, started_at_s, elapsed_s, answer.facts)


def ask_mtu_after_mapper(asked: list[str], deadline_at_s: float) -> Iterable[Observation]:
    """The size of packets, once the endpoint mapper has shown how slow the line is."""
    target = Target("wds", tuple(asked), "option")
    context = Context(this_host(), time.monotonic, deadline_at_s, target)
    return path_mtu.run(replace(context, earlier=tuple(endpoint_mapper.run(context))))


ASK: dict[str, Callable[[list[str], float], Iterable[Observation]]] = {
    "wds-rpc": ask_wds,
    "pxe": ask_target(pxe.run),
    "tftp": ask_tftp,
    "dns": ask_dns,
    "dhcp": ask_dhcp,
    "endpoint-mapper": ask_target(endpoint_mapper.run),
    "smb": ask_target(smb.run),
    "path-mtu": ask_target(path_mtu.run),
    "path-mtu-after-mapper": ask_mtu_after_mapper,
}


def main() -> None:
    """The deadline is the one of the table of probes."""
    name, *addresses = sys.argv[1:]
    deadline_s = next(probe.deadline_s for probe in PROBES if name.startswith(probe.name))
    for asked in [addresses] if addresses else map(str.split, sys.stdin):
        rows = [
            {"outcome": o.outcome, "reason": o.reason, "elapsed_s": o.elapsed_s, "facts": dict(o.facts)}
            for o in ASK[name](asked, time.monotonic() + deadline_s)
        ]
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
