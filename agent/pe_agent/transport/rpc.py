"""Does something that speaks DCE/RPC sit behind a connection, and does it serve this interface?"""

from __future__ import annotations

from dataclasses import replace

from pe_agent.codec import rpc
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Reason
from pe_agent.transport.connect import Connection
from pe_agent.transport.path import PathFailure

# Far more than any answer that is asked for here; fragments are counted too, as they may be empty.
_MAX_STUB_OCTETS, _MAX_FRAGMENTS = 65536, 64
_ABSTRACT_SYNTAX_NOT_SUPPORTED = (2, 1)
_SPOKEN = ((b"HTTP/", "http"), (b"\x15\x03", "tls"), (b"\x16\x03", "tls"), (b"SSH-", "ssh"))
_LONGEST_MARK = 5
_SERVER_PDUS = (rpc.BindAck, rpc.BindNak, rpc.Response, rpc.Fault)
_ServerPdu = rpc.BindAck | rpc.BindNak | rpc.Response | rpc.Fault


class RpcPeer:
    """The server end of a connection; every method ends by the connection's deadline or raises `PathFailure`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting = b""
        self._call = 0
        self._unfinished = False

    def bind(self, interface: rpc.Syntax) -> None:
        """Agree on an interface with NDR32 and without authentication.

        Raises:
            PathFailure: not-registered (the server has no such interface), bind-rejected, or what `receive` meets.
        """
        self._call += 1
        self._connection.send(rpc.encode(rpc.Bind(self._call, (rpc.ContextOffer(interface),))))
        answer = self._receive()
        if isinstance(answer, rpc.BindNak):
            raise self._connection.failure(Reason.BIND_REJECTED, {"nak_reason": answer.reason})
        if isinstance(answer, rpc.Fault):
            raise self._refused(answer)
        if not isinstance(answer, rpc.BindAck) or not answer.results:
            raise self._connection.failure(Reason.MALFORMED, {"answered": type(answer).__name__})
        self._require_accepted(answer.results[0])

    def call(self, operation: int, stub: bytes) -> rpc.Response | rpc.Fault:
        """Call and wait for the whole result.

        Raises:
            PathFailure: malformed, access-denied, or what `receive` meets.
        """
        self._call += 1
        self._connection.send(rpc.encode(rpc.Request(self._call, operation, stub)))
        parts: list[bytes] = []
        while True:
            answer = self._receive()
            if isinstance(answer, rpc.Fault) and answer.status == rpc.FAULT_ACCESS_DENIED:
                raise self._refused(answer)
            if isinstance(answer, rpc.Fault):
                return answer
            if not isinstance(answer, rpc.Response) or _is_endless(parts):
                raise self._connection.failure(Reason.MALFORMED, {"answered": type(answer).__name__})
            parts.append(answer.stub)
            self._unfinished = not answer.last
            if answer.last:
                return replace(answer, stub=b"".join(parts))

    def failure(self, reason: Reason, facts: dict[str, FactValue] | None = None) -> PathFailure:
        """A failure that carries what the connection measured."""
        return self._connection.failure(reason, facts)

    def facts(self) -> dict[str, FactValue]:
        """What the connection measured so far."""
        return self._connection.facts()

    def _require_accepted(self, result: rpc.ContextResult) -> None:
        if result.result == 0:
            return
        missing = (result.result, result.reason) == _ABSTRACT_SYNTAX_NOT_SUPPORTED
        reason = Reason.NOT_REGISTERED if missing else Reason.BIND_REJECTED
        raise self._connection.failure(reason, {"bind_result": result.result, "provider_reason": result.reason})

    def _refused(self, fault: rpc.Fault) -> PathFailure:
        denied = fault.status == rpc.FAULT_ACCESS_DENIED
        reason = Reason.ACCESS_DENIED if denied else Reason.BIND_REJECTED
        return self._connection.failure(reason, {"fault": hex32(fault.status)})

    def _receive(self) -> _ServerPdu:
        """The next PDU; what stops it is silent, reset, truncated, not-rpc or malformed."""
        length = self._fragment_octets()
        while length is None or len(self._waiting) < length:
            self._waiting += self._more()
            length = self._fragment_octets()
        octets, self._waiting = self._waiting[:length], self._waiting[length:]
        try:
            pdu = rpc.decode(octets)
        except DecodeError as exc:
            raise self._connection.failure(Reason.MALFORMED, {"detail": str(exc)}) from exc
        if not isinstance(pdu, _SERVER_PDUS):
            raise self._connection.failure(Reason.NOT_RPC, {"spoken": "other", "answered": type(pdu).__name__})
        return pdu

    def _fragment_octets(self) -> int | None:
        try:
            return rpc.fragment_octets(self._waiting)
        except DecodeError as exc:
            raise self._connection.failure(Reason.NOT_RPC, {"spoken": self._spoken()}) from exc

    def _more(self) -> bytes:
        """More octets of a PDU; when none come, a begun PDU or a result without its last fragment was truncated."""
        try:
            octets = self._connection.receive()
        except PathFailure as exc:
            if self._is_within_answer and exc.reason is Reason.SILENT:
                raise self._connection.failure(Reason.TRUNCATED) from exc
            raise
        if octets:
            return octets
        reason = Reason.TRUNCATED if self._is_within_answer else Reason.RESET
        raise self._connection.failure(reason, {"closed_by_peer": True})

    @property
    def _is_within_answer(self) -> bool:
        return bool(self._waiting) or self._unfinished

    def _spoken(self) -> str:
        """What a peer speaks that does not speak RPC, by its first octets; waits for enough of them."""
        while len(self._waiting) < _LONGEST_MARK:
            try:
                octets = self._connection.receive()
            except PathFailure:
                break
            if not octets:
                break
            self._waiting += octets
        return next((word for mark, word in _SPOKEN if self._waiting.startswith(mark)), "other")


def _is_endless(parts: list[bytes]) -> bool:
    return len(parts) >= _MAX_FRAGMENTS or sum(map(len, parts)) > _MAX_STUB_OCTETS


def hex32(number: int) -> str:
    """A status as people look it up: `0x1c010002`."""
    return f"{number:#010x}"
