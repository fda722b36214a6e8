"""What is the host and what the port of a target?"""

from __future__ import annotations


def host_of(target: str) -> str:
    """The host in `10.10.9.20:5040`, `[fd10::20]:5040` or a bare address or name."""
    return split(target)[0]


def split(target: str) -> tuple[str, str]:
    """Host and port; the port is empty when there is none."""
    if target.startswith("["):
        host, _, port = target[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = target.partition(":")
    return (target, "") if ":" in port else (host, port)
