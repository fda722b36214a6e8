"""Does the first block of a file come by TFTP? The transfer is ended as soon as it is there."""

from __future__ import annotations

from dataclasses import dataclass

from pe_agent.codec import tftp
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Reason
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.question import turns
from pe_agent.transport.udp import Datagram, UdpSocket, open_udp

# A lost packet is sent again this often; RFC 1350 leaves the time to the client.
_REPEAT_AFTER_S = 0.6
_FAREWELL = tftp.Error(tftp.NOT_DEFINED, "first block is enough")


class Refused(Exception):
    """The server ended the transfer with an error packet."""

    def __init__(self, error: tftp.Error) -> None:
        super().__init__(f"TFTP error {error.code}: {error.text}")
        self.error = error


@dataclass(frozen=True, slots=True)
class FirstBlock:
    """`block_bytes` as agreed with the server, `tsize` the size of the file where the server tells it.

    `server_port` is the port the server answered from; `after_s` from the request to the block. `repeats` counts the
    packets that were sent again because nothing had come.
    """

    octets: bytes
    block_bytes: int
    tsize: int | None
    server_port: int
    after_s: float
    repeats: int = 0


def fetch_first_block(endpoint: Endpoint, name: bytes, block_bytes: int, deadline: Deadline) -> FirstBlock:
    """Ask for a file with blocks of this size; a server that knows no options sends its first 512 octets.

    Raises:
        Refused: the server's own error packet.
        PathFailure: silent (fact `granted_block_bytes` when only the agreement came), malformed, refused,
            rejected, unreachable, no-route.
    """
    with open_udp(endpoint.address) as sock:
        return _Transfer(sock, endpoint, deadline).first_block(name, block_bytes)


class _Transfer:
    def __init__(self, sock: UdpSocket, endpoint: Endpoint, deadline: Deadline) -> None:
        self._socket, self._deadline = sock, deadline
        self._peer, self._asked = endpoint, endpoint
        self._started_at_s = deadline.clock_s()
        self._granted: tftp.OptionAck | None = None
        self._sent = 0

    def first_block(self, name: bytes, block_bytes: int) -> FirstBlock:
        packet = self._exchange(tftp.ReadRequest(name, {"blksize": str(block_bytes), "tsize": "0"}))
        if isinstance(packet, tftp.OptionAck):
            self._granted = packet
            packet = self._exchange(tftp.Ack(0))
        if not isinstance(packet, tftp.Data) or packet.block != 1:
            raise PathFailure(Reason.MALFORMED, self._facts() | {"answered": type(packet).__name__})
        self._socket.send(tftp.encode(_FAREWELL), self._peer)
        granted = self._granted or tftp.OptionAck({})
        return FirstBlock(
            octets=packet.octets,
            block_bytes=granted.number("blksize") or tftp.DEFAULT_BLOCK_BYTES,
            tsize=granted.number("tsize"),
            server_port=self._peer.port,
            after_s=self._deadline.clock_s() - self._started_at_s,
            # A server that knows no options is asked once, any other is sent an acknowledgement too.
            repeats=self._sent - (1 if self._granted is None else 2),
        )

    def _exchange(self, packet: tftp.Packet) -> tftp.Packet:
        """Send, and send again as long as nothing new comes; the answer."""
        for patience in turns(self._deadline, _REPEAT_AFTER_S):
            if self._deadline.left_s():
                self._socket.send(tftp.encode(packet), self._peer)
                self._sent += 1
            while (datagram := self._next(patience)) is not None:
                answer = self._read(datagram)
                if answer is not None:
                    return answer
        if self._granted is not None:
            # The server would repeat its block for minutes.
            self._socket.send(tftp.encode(_FAREWELL), self._peer)
        raise PathFailure(Reason.SILENT, self._facts())

    def _next(self, patience: Deadline) -> Datagram | None:
        """The next datagram; that a transfer is over on the server's side is no refusal of a server that has answered.

        Raises:
            PathFailure: as `UdpSocket.receive`.
        """
        while True:
            try:
                return self._socket.receive(patience, self._peer)
            except PathFailure as failure:
                if failure.reason is not Reason.REFUSED or self._peer is self._asked:
                    raise

    def _read(self, datagram: Datagram) -> tftp.Packet | None:
        """A packet of this transfer; None for a stranger's and for a repetition."""
        if datagram.sender.address.partition("%")[0] != self._asked.address.partition("%")[0]:
            return None
        if self._peer is self._asked:
            self._peer = datagram.sender
        elif datagram.sender != self._peer:
            # A second transfer, begun by the repeated request (RFC 1350 section 4).
            self._socket.send(tftp.encode(tftp.Error(tftp.UNKNOWN_TRANSFER, "unknown transfer")), datagram.sender)
            return None
        try:
            packet = tftp.decode(datagram.octets)
        except DecodeError as exc:
            raise PathFailure(Reason.MALFORMED, self._facts() | {"detail": str(exc)}) from exc
        if isinstance(packet, tftp.Error):
            raise Refused(packet)
        repeated = isinstance(packet, tftp.OptionAck) and self._granted is not None
        return None if repeated else packet

    def _facts(self) -> dict[str, FactValue]:
        facts: dict[str, FactValue] = {"port": self._asked.port}
        if self._peer is not self._asked:
            facts["server_port"] = self._peer.port
        granted = self._granted.number("blksize") if self._granted else None
        return facts if granted is None else facts | {"granted_block_bytes": granted}
