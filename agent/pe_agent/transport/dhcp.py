"""Who answers a DISCOVER? Asked the way a relay asks, so that the lease of this machine is never touched.

Offers to a relay come to UDP 67 of its address (RFC 2131 section 4.1), so neither port 68, where the system's own
client listens, nor raw sockets are needed. Only a machine without an address has to ask as a client does, for answers
to everybody. Nothing is ever requested, so no server keeps an address for it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from pe_agent.codec import dhcp, pxe
from pe_agent.codec.dhcp import DhcpMessage
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Reason
from pe_agent.transport.packets import PacketSocket, open_packets
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.udp import UdpSocket, open_shared_udp, open_udp

# dnsmasq answers after 3 s, ISC dhcpd after 1 s, when they first ping the address they are about to offer.
WAIT_S = 4.5
QUIET_S = 0.5
_REPEAT_AFTER_S, _ONE_AGAIN_AFTER_S = 2.0, 1.0
BROADCAST, UNICAST = "broadcast", "unicast"


@dataclass(frozen=True, slots=True)
class Question:
    """One DISCOVER: to everybody or to one server, as a plain client or as a PXE client."""

    via: str
    as_pxe: bool
    transaction: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Heard:
    """One offer, and the question it answers; `after_s` seconds after the first question."""

    question: Question
    offer: DhcpMessage
    sender: str
    after_s: float

    @property
    def server(self) -> str:
        """Option 54, else the address it came from."""
        return self.offer.address(dhcp.SERVER_IDENTIFIER) or self.sender


@dataclass(slots=True)
class Hearing:
    """Everything that came, in order, and what ICMP said about the unicast question."""

    heard: list[Heard] = field(default_factory=list)
    icmp: dict[str, FactValue] = field(default_factory=dict)

    def by(self, via: str) -> bool:
        """Whether anybody answered a question sent this way."""
        return any(h.question.via == via for h in self.heard)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and on which adapter: its name and index are needed where the client has no address."""

    client: pxe.Client
    adapter: str = ""
    index: int = 0


def gather_offers(asker: Asker, servers: tuple[str, ...], deadline: Deadline, quiet_s: float) -> Hearing:
    """Ask everybody, and these servers by their address; gather offers until `WAIT_S` have passed.

    Once a broadcast was answered it ends `quiet_s` after the last server that had not spoken before. With `QUIET_S` a
    person at a healthy machine waits 0.5 s and not 4.5 s, at the price of a second server that pings before it offers;
    with `WAIT_S`, for the boot hook, which nobody waits for, none is missed.

    Raises:
        PathFailure: not-supported (a port or right that this process has not), no-address, no-route, or why a machine
            without an address could not send its question.
    """
    questions = tuple(_questions(servers))
    with _open(asker) as sock:
        return _Gathering(sock, asker.client, questions, (deadline.within(WAIT_S), quiet_s)).run()


def ask_one(asker: Asker, server: str, deadline: Deadline) -> Hearing:
    """Ask one server by its address, as a PXE client and as a relay does; ends with its answer, ICMP or the deadline.

    What is not answered is asked again each second.

    Raises:
        PathFailure: as `gather_offers`.
    """
    transaction = int.from_bytes(os.urandom(4), "big")
    endpoint = Endpoint(server, pxe.DHCP_SERVER_PORT)
    question = Question(UNICAST, as_pxe=True, transaction=transaction, endpoint=endpoint)
    with _open(asker) as sock:
        return _Gathering(sock, asker.client, (question,), (deadline.within(WAIT_S), 0.0)).run()


def _open(asker: Asker) -> UdpSocket | PacketSocket:
    address = asker.client.address
    if not address and sys.platform == "linux":
        return open_packets(asker.adapter, pxe.DHCP_CLIENT_PORT)
    port = pxe.DHCP_SERVER_PORT if address else pxe.DHCP_CLIENT_PORT
    try:
        return open_udp(address, port, address) if address else open_shared_udp(port, asker.index)
    except PermissionError as exc:
        raise PathFailure(Reason.NOT_SUPPORTED, {"detail": f"UDP port {port} needs administrator rights"}) from exc
    except OSError as exc:
        taken = exc.errno == errno.EADDRINUSE
        detail = f"another program has UDP port {port}" if taken else f"UDP port {port} cannot be used: {exc.strerror}"
        raise PathFailure(Reason.NOT_SUPPORTED, {"detail": detail}) from exc


def _questions(servers: tuple[str, ...]) -> Iterator[Question]:
    asked = [(BROADCAST, "255.255.255.255"), *((UNICAST, server) for server in servers)]
    for via, address in asked:
        for as_pxe in (False, True):
            transaction = int.from_bytes(os.urandom(4), "big")
            yield Question(via, as_pxe, transaction, Endpoint(address, pxe.DHCP_SERVER_PORT))


class _Gathering:
    def __init__(
        self,
        sock: UdpSocket | PacketSocket,
        client: pxe.Client,
        questions: tuple[Question, ...],
        patience: tuple[Deadline, float],
    ) -> None:
        self._socket, self._client = sock, client
        deadline, self._quiet_s = patience
        self._deadline = deadline
        self._questions = {question.transaction: question for question in questions}
        self._awaited = BROADCAST if any(q.via == BROADCAST for q in questions) else UNICAST
        self._started_at_s = deadline.clock_s()
        self._hearing = Hearing()

    def run(self) -> Hearing:
        failed = self._send(tuple(self._questions.values()))
        if failed is not None and not self._client.address:
            raise failed
        for patience in self._turns():
            self._listen(patience)
            if self._hearing.by(self._awaited) or self._is_told():
                break
            answered = {h.question for h in self._hearing.heard}
            self._send(tuple(q for q in self._questions.values() if q not in answered))
        self._listen(self._deadline)
        return self._hearing

    def _turns(self) -> Iterator[Deadline]:
        """How long to listen before what is not answered is sent again: everybody hears a broadcast twice at most."""
        if self._awaited == BROADCAST:
            yield self._deadline.within(_REPEAT_AFTER_S)
            return
        while self._deadline.left_s() > _ONE_AGAIN_AFTER_S:
            yield self._deadline.within(_ONE_AGAIN_AFTER_S)

    def _is_told(self) -> bool:
        """Whether ICMP says of the one server that was asked that nobody there will answer."""
        return self._awaited == UNICAST and bool(self._hearing.icmp)

    def _send(self, questions: tuple[Question, ...]) -> PathFailure | None:
        """Why the last of them that could not be sent was not."""
        failed = None
        for question in questions:
            octets = pxe.discover(self._client, question.transaction, as_pxe=question.as_pxe)
            try:
                self._socket.send(octets, question.endpoint)
            except PathFailure as failure:
                failed = failure
                self._note(failure)
        return failed

    def _listen(self, until: Deadline) -> None:
        asked = next((q.endpoint for q in self._questions.values() if q.via == UNICAST), _NOBODY)
        while (patience := self._patience(until)).left_s() and not self._is_told():
            try:
                datagram = self._socket.receive(patience, asked)
            except PathFailure as failure:
                self._note(failure)
                continue
            if datagram is not None:
                self._hear(datagram.octets, datagram.sender.address)

    def _patience(self, until: Deadline) -> Deadline:
        """Until then, or earlier when it has been quiet for long enough."""
        if not self._hearing.by(self._awaited):
            return until
        first_words = {h.server: h.after_s for h in reversed(self._hearing.heard)}
        quiet_at_s = self._started_at_s + max(first_words.values()) + self._quiet_s
        return Deadline(until.clock_s, min(until.at_s, quiet_at_s))

    def _hear(self, octets: bytes, sender: str) -> None:
        try:
            offer = dhcp.decode_message(octets)
        except DecodeError:
            # Port 67 hears everybody's broadcasts; what is no DHCP message is no answer.
            return
        question = self._questions.get(offer.transaction)
        if question is None or offer.operation != dhcp.REPLY_OPERATION or offer.number(dhcp.MESSAGE_TYPE) != dhcp.OFFER:
            return
        after_s = self._deadline.clock_s() - self._started_at_s
        heard = Heard(question, offer, sender, after_s)
        # A relay on the way may pass on what was sent past it to one server, and others then answer in its place.
        if question.via == BROADCAST or question.endpoint.address in {sender, heard.server}:
            self._hearing.heard.append(heard)

    def _note(self, failure: PathFailure) -> None:
        self._hearing.icmp = {"unicast_reason": str(failure.reason), **failure.facts}


_NOBODY = Endpoint("255.255.255.255", pxe.DHCP_SERVER_PORT)
