"""Stream a report to a collector while it is being made, and know what the collector has on disk.

The only module that speaks gRPC; its errors become NotDelivered here. A broken stream is opened again, at the
same or the next collector, and goes on after the last frame that was acknowledged.
"""

from __future__ import annotations

import ctypes
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, takewhile

if sys.platform == "win32":
    # gRPC's TLS ends the whole process where this is missing (Windows 7 and older); an ImportError does not.
    try:
        _ = ctypes.WinDLL("bcryptprimitives").ProcessPrng
    except (OSError, AttributeError) as missing:
        raise ImportError("bcryptprimitives.dll has no ProcessPrng, which gRPC's TLS needs") from missing

import grpc
from pe_protos.v1 import report_pb2 as pb
from pe_protos.v1 import report_pb2_grpc

from pe_agent import wire
from pe_agent.clock_words import advice_of_date, is_of_date, least_skew_s
from pe_agent.errors import NotDelivered
from pe_agent.model import Clock, Opening
from pe_agent.trust import CERTIFICATE_NAME, Stored, Trust, check_addresses, with_advice

FIRST_ANSWER_S = 6.0
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 15.0
# In the trailing metadata of a refusal: so many seconds until it is worth another attempt.
RETRY_AFTER = "retry-after-s"
RETRY_MOST_S = 120.0
# Another attempt cannot change these answers.
_FINAL = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_ADVICE = {
    grpc.StatusCode.UNAUTHENTICATED: "make a new token with `pe-collector tokens new` and put it into the image",
    grpc.StatusCode.UNAVAILABLE: "check the address, that `pe-collector serve` runs, and the CA certificate",
    grpc.StatusCode.UNIMPLEMENTED: "another program listens on that port; check the address",
}


class Shipment:
    """One report under way. `put` frames as they come, `finish` once, then `wait`."""

    def __init__(self, opening: Opening, clock: Callable[[], Clock], collectors: tuple[str, ...], trust: Trust) -> None:
        check_addresses(collectors, trust)
        self._opening = opening
        self._clock = clock
        self._collectors = collectors
        self._trust = trust
        self._frames: list[pb.Frame] = []
        self._changed = threading.Condition()
        self._finished = False
        self._stopped = False
        self._stored = Stored("", 0, complete=False, code="")
        self._problem = ""
        self._final = False
        self._asked_to_wait_s = 0.0
        self._skew: tuple[str, float | None] = ("", None)
        # What each collector gave us to go on with after a break; shown once.
        self._sessions: dict[str, bytes] = {}
        self._thread = threading.Thread(target=self._deliver, name="ship", daemon=True)
        self._thread.start()

    def put(self, frame: pb.Frame) -> None:
        """Add the next frame; their sequence numbers are 1, 2, 3 ..."""
        with self._changed:
            self._frames.append(frame)
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that no frame follows."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> Stored:
        """Wait until everything there is of the report is on the collector's disk.

        Raises:
            NotDelivered: it is not, after `timeout_s` or for a reason that more time cannot mend.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (self._has_all() or self._final):
                left_s = until - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            self._stopped = True
            self._changed.notify_all()
            if self._has_all():
                return self._stored
            problem = self._problem or f"no answer from {', '.join(self._collectors)} within {timeout_s:.0f} s"
            raise NotDelivered(f"{problem} ({self._stored.stored_through} of {len(self._frames)} records are stored)")

    def _deliver(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._over():
            for address in self._collectors:
                before = self._stored.stored_through
                self._attempt(address)
                if self._over():
                    return
                if self._stored.stored_through > before:
                    backoff_s = BACKOFF_FIRST_S
            # Jitter: a classroom that lost its collector must not come back in one instant.
            pause_s = max(backoff_s, self._asked_to_wait_s) * random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
            self._asked_to_wait_s = 0.0
            backoff_s = min(BACKOFF_MOST_S, backoff_s * 2)
            with self._changed:
                if not self._stopped:
                    self._changed.wait(pause_s)

    def _over(self) -> bool:
        with self._changed:
            return self._stopped or self._final or self._has_all()

    def _has_all(self) -> bool:
        # A report that was cut off has no summary: it is never complete, but all of it can be stored.
        everything = self._finished and self._stored.stored_through >= len(self._frames) > 0
        return self._stored.complete or everything

    def _attempt(self, address: str) -> None:
        stream = _Stream(self, address)
        try:
            with _channel(address, self._trust) as channel:
                stream.run(report_pb2_grpc.IngestStub(channel))  # type: ignore[no-untyped-call]
        except grpc.RpcError as exc:
            self._failed(address, exc)

    def _failed(self, address: str, error: grpc.RpcError) -> None:
        code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
        details = str(error.details()) if isinstance(error, grpc.Call) else str(error)
        if code is grpc.StatusCode.CANCELLED:
            code, details = grpc.StatusCode.UNAVAILABLE, f"no answer within {FIRST_ANSWER_S:.0f} s"
        advice = _ADVICE.get(code, "the message above comes from the collector")
        if is_of_date(details):
            told = details, self._clock().wall_ms, self._trust.ca
            advice, self._skew = advice_of_date(*told), (address, least_skew_s(*told))
        self._asked_to_wait_s = max(self._asked_to_wait_s, _retry_after_s(error))
        with self._changed:
            self._problem = with_advice(f"collector {address}: {code.name}: {' '.join(details.split())}", advice)
            self._final = code in _FINAL and len(self._collectors) == 1
            self._changed.notify_all()

    def hello(self, address: str) -> pb.Frame:
        """The opening frame for this collector, its clock read now."""
        frame = wire.encode_hello(self._opening, self._clock(), self._trust.token)
        frame.hello.session = self._sessions.pop(address, b"")
        return frame

    def next_message(self, after: int, most_octets: int, stopped: Callable[[], bool]) -> tuple[pb.Frame, int] | None:
        """What follows that frame, waiting for it to come to exist, and its last frame's number; None at the end.

        As many frames as there are go in one batch of at most `most_octets`.
        """
        with self._changed:
            while not (self._stopped or stopped()):
                if after < len(self._frames):
                    return _pack(self._frames[after:], most_octets, after)
                if self._finished:
                    return None
                self._changed.wait()
        return None

    def stored(self, address: str, receipt: pb.Receipt) -> None:
        """Take note of a receipt.

        It counts though it says less than one before: that was another collector's disk, or this one's before it was
        set back to a backup.
        """
        with self._changed:
            if receipt.session:
                self._sessions[address] = receipt.session
            if receipt.wall_ms:
                self._skew = address, (self._clock().wall_ms - receipt.wall_ms) / 1000
            told = receipt.stored_through, receipt.complete, receipt.code, receipt.logs_left_out, receipt.wall_ms
            self._stored = Stored(address, *told)
            self._changed.notify_all()

    def skew(self) -> tuple[str, float | None]:
        """A collector, and how far this clock is ahead of its clock or of its CA's dates, in s; None: not known."""
        return self._skew

    def wake(self) -> None:
        """Let a waiting request iterator look again."""
        with self._changed:
            self._changed.notify_all()


class _Stream:
    """One attempt at one collector: hello, first receipt, frames from there on."""

    def __init__(self, shipment: Shipment, address: str) -> None:
        self._shipment = shipment
        self._address = address
        self._resume = threading.Event()
        self._after = 0
        self._batch_octets = 0
        self._broken = False

    def run(self, stub: report_pb2_grpc.IngestStub) -> None:
        call = stub.Deliver(self._requests())
        timer = threading.Timer(FIRST_ANSWER_S, call.cancel)
        timer.daemon = True
        timer.start()
        try:
            for number, receipt in enumerate(call):
                if number == 0:
                    timer.cancel()
                    self._after, self._batch_octets = receipt.stored_through, receipt.batch_bytes
                self._shipment.stored(self._address, receipt)
                self._resume.set()
        finally:
            timer.cancel()
            self._broken = True
            self._resume.set()
            self._shipment.wake()

    def _requests(self) -> Iterator[pb.Frame]:
        """Runs in gRPC's own thread."""
        yield self._shipment.hello(self._address)
        self._resume.wait()
        after = self._after
        while (told := self._shipment.next_message(after, self._batch_octets, lambda: self._broken)) is not None:
            message, after = told
            yield message


def _pack(frames: list[pb.Frame], most_octets: int, after: int) -> tuple[pb.Frame, int]:
    sizes = accumulate(frame.ByteSize() for frame in frames)
    fit = max(1, sum(1 for _ in takewhile(lambda size: size <= most_octets, sizes)))
    return (frames[0] if fit == 1 else wire.encode_batch(frames[:fit])), after + fit


def _retry_after_s(error: grpc.RpcError) -> float:
    """How long the collector wants us to stay away; 0 when it does not say."""
    metadata: Iterable[tuple[str, str | bytes]] = (
        error.trailing_metadata() or () if isinstance(error, grpc.Call) else ()
    )
    words = [str(value) for name, value in metadata if name == RETRY_AFTER]
    return min(RETRY_MOST_S, float(words[0])) if words and words[0].isascii() and words[0].isdigit() else 0.0


def _channel(address: str, trust: Trust) -> grpc.Channel:
    options = [
        ("grpc.ssl_target_name_override", CERTIFICATE_NAME),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # A proxy named in some environment variable must not see a machine's report.
        ("grpc.enable_http_proxy", 0),
    ]
    if trust.plain:
        return grpc.insecure_channel(address, options=options[1:])
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(root_certificates=trust.ca), options=options)
