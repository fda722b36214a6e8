"""Who answers DHCPv6 on a link? Every server is asked at once, and none is asked to keep anything."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from pe_agent.codec import dhcpv6
from pe_agent.codec.dhcpv6 import Dhcpv6Message
from pe_agent.errors import DecodeError
from pe_agent.observed import Reason
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.udp import UdpSocket, open_udp

# RFC 8415 7.6: a client repeats its first question after a second. Who waits for the answer at a screen does not.
WAIT_S, QUIET_S = 3.5, 0.5
_REPEAT_AFTER_S = 1.0
_ANSWERS = {dhcpv6.ADVERTISE: "solicit", dhcpv6.REPLY: "information"}


@dataclass(frozen=True, slots=True)
class Asker:
    """The machine on one link: `address` is link-local, `index` the number that the system gives the adapter."""

    address: str
    index: int
    duid: bytes
    architecture: int


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer; `via` is the question it answers, `solicit` or `information`, `after_s` seconds after the first."""

    answer: Dhcpv6Message
    sender: str
    via: str
    after_s: float


def gather_answers(asker: Asker, deadline: Deadline, wait_s: float) -> tuple[Heard, ...]:
    """Every answer that comes within `wait_s` (at most `WAIT_S`), in order; asked twice where the wait is long enough.

    Raises:
        PathFailure: not-supported (port 546 is taken or not permitted), no-address, or what the first datagram meets.
    """
    everybody = Endpoint(f"{dhcpv6.ALL_SERVERS}%{asker.index}", dhcpv6.SERVER_PORT)
    transaction = int.from_bytes(os.urandom(3), "big") & 0xFFFFFE
    questions = {
        transaction + number: dhcpv6.question(kind, transaction + number, asker.duid, asker.architecture)
        for number, kind in enumerate((dhcpv6.INFORMATION_REQUEST, dhcpv6.SOLICIT))
    }
    until = deadline.within(min(wait_s, WAIT_S))
    started_at_s = deadline.clock_s()
    heard: list[Heard] = []
    with _open(f"{asker.address}%{asker.index}") as sock:
        for patience in (until.within(_REPEAT_AFTER_S), until):
            if heard or not patience.left_s():
                continue
            for octets in questions.values():
                sock.send(octets, everybody)
            while (datagram := sock.receive(patience, everybody)) is not None:
                answer = _read(datagram.octets)
                if answer is not None and answer.transaction in questions:
                    after_s = deadline.clock_s() - started_at_s
                    heard.append(Heard(answer, datagram.sender.address, _ANSWERS[answer.kind], after_s))
    return tuple(heard)


def _open(address: str) -> UdpSocket:
    try:
        return open_udp(address, dhcpv6.CLIENT_PORT, address)
    except PermissionError as exc:
        raise PathFailure(Reason.NOT_SUPPORTED, {"detail": "UDP port 546 needs administrator rights"}) from exc
    except OSError as exc:
        taken = exc.errno == errno.EADDRINUSE
        detail = "another program has UDP port 546" if taken else f"UDP port 546 cannot be used: {exc.strerror}"
        raise PathFailure(Reason.NOT_SUPPORTED, {"detail": detail}) from exc


def _read(octets: bytes) -> Dhcpv6Message | None:
    try:
        answer = dhcpv6.decode_message(octets)
    except DecodeError:
        # Port 546 hears what is meant for the system's own client too; what is no DHCPv6 message is no answer.
        return None
    return answer if answer.kind in _ANSWERS else None
