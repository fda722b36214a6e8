"""Hand a whole report to a collector by one HTTPS request: for machines where gRPC does not load or pass.

Standard library only, and no proxy. The collector answers after its commit, so a yes means stored.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import time
from typing import TYPE_CHECKING, Any

from pe_agent.clock_words import advice_of_date, is_of_date
from pe_agent.errors import NotDelivered, UsageError
from pe_agent.parcel import Parcel
from pe_agent.trust import CERTIFICATE_NAME, Stored, Trust, check_addresses, with_advice

if TYPE_CHECKING:
    import ssl

PATH = "/v1/reports"
CONNECT_S = 6.0
PAUSE_FIRST_S, PAUSE_MOST_S = 1.0, 15.0
_MOST_ANSWER_OCTETS = 64 * 1024
# Another attempt can change these answers: too slow, too many at once, the collector's disk or a stop.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_ADVICE = {
    401: "make a new token with `pe-collector tokens new` and put it into the image",
    404: "another program listens on that port; check the address",
    413: "copy the kept report and `pe-collector import` it",
    422: "copy the kept report and `pe-collector import` it",
}
_NO_ANSWER = "check the address and that `pe-collector serve` runs with --upload"


class _Failed(NotDelivered):
    """One attempt; `passing` when another one may end better."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class Uploader:
    """The collectors that take uploads, tried in order."""

    def __init__(self, addresses: tuple[str, ...], trust: Trust) -> None:
        check_addresses(addresses, trust)
        self._addresses = tuple((address, *_parted(address)) for address in addresses)
        self._trust = trust

    def send(self, parcel: Parcel, timeout_s: float) -> Stored:
        """Post until a collector has it on disk.

        Raises:
            NotDelivered: none has, after `timeout_s` or for a reason that more time cannot mend.
        """
        until = time.monotonic() + timeout_s
        pause_s = PAUSE_FIRST_S
        while True:
            failures = []
            for address, host, port in self._addresses:
                try:
                    return self._post(address, (host, port), parcel, until)
                except _Failed as exc:
                    failures.append(exc)
            if not any(failure.passing for failure in failures) or time.monotonic() + pause_s >= until:
                raise NotDelivered("; ".join(map(str, failures)))
            # Jitter: a classroom that lost its collector must not come back in one instant.
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            pause_s = min(PAUSE_MOST_S, pause_s * 2)

    def _post(self, address: str, place: tuple[str, int], parcel: Parcel, until: float) -> Stored:
        context = None if self._trust.plain else _context(self._trust.ca)
        connection = _Connection(*place, timeout=max(1.0, until - time.monotonic()))
        connection.context = context
        headers = {"Content-Type": parcel.content_type, "Authorization": f"Bearer {self._trust.token}"}
        try:
            status, octets = _exchange(connection, parcel.octets, headers)
        except (OSError, http.client.HTTPException) as exc:
            raise _Failed(f"upload to {address}: {_reason(exc, self._trust.ca)}", passing=True) from exc
        finally:
            connection.close()
        return _receipt(address, status, octets)


class _Connection(http.client.HTTPConnection):
    """Checks the fixed name, whatever the address."""

    context: ssl.SSLContext | None = None

    def connect(self) -> None:
        sock = socket.create_connection((self.host, self.port), CONNECT_S)
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_hostname=CERTIFICATE_NAME)
        sock.settimeout(self.timeout)
        self.sock = sock


def _exchange(connection: _Connection, octets: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection.connect()
    # A refusal can come before the whole body is sent; it says why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", PATH, octets, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(_MOST_ANSWER_OCTETS)


def _context(ca: bytes) -> ssl.SSLContext:
    try:
        from pe_agent import tls_parts  # noqa: PLC0415 - most runs never upload

        tls_parts.make_loadable()
        import ssl  # noqa: PLC0415 - a lean payload has it packed
    except ImportError as exc:
        raise _Failed(f"upload: {exc}", passing=False) from exc
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as exc:
        raise _Failed("upload: the CA certificate is not PEM; copy ca.pem again", passing=False) from exc
    return context


def _receipt(address: str, status: int, octets: bytes) -> Stored:
    answer = _object(octets)
    if status != http.client.OK:
        said = answer.get("message") or http.client.responses.get(status, "no HTTP status")
        advice = _ADVICE.get(status, "the message above comes from the collector")
        raise _Failed(with_advice(f"upload to {address}: {status}: {said}", advice), passing=status in _PASSING)
    through, complete, code = answer.get("stored_through"), answer.get("complete"), answer.get("code")
    if not (type(through) is int and type(complete) is bool and isinstance(code, str)):
        raise _Failed(f"upload to {address}: no receipt came; {_ADVICE[404]}", passing=False)
    left_out, wall_ms = (answer.get(name) for name in ("logs_left_out", "wall_ms"))
    # An older collector says neither.
    known = [number if type(number) is int else 0 for number in (left_out, wall_ms)]
    return Stored(address, through, complete, code, *known)


def _object(octets: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(exc: Exception, ca: bytes) -> str:
    verify = getattr(exc, "verify_message", "")
    if is_of_date(verify):
        return f"{verify}; {advice_of_date(verify, round(time.time() * 1000), ca)}"
    if verify:
        return f"its certificate is refused: {verify}; check the CA certificate and this machine's clock"
    text = exc.strerror if isinstance(exc, OSError) else ""
    return f"{text or str(exc) or type(exc).__name__}; {_NO_ANSWER}"


def _parted(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) <= 0xFFFF):
        raise UsageError(f"upload address {address!r}: HOST:PORT is needed")
    return host.strip("[]"), int(port)
