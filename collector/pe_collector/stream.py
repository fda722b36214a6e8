"""One report coming in: frames in ascending order to the writer, receipts back after each commit."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from pe_agent import wire
from pe_agent.errors import PeError
from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.budget import Budget
from pe_collector.limits import Limits
from pe_collector.redaction import ReportRedaction
from pe_collector.refusal import Reason, Refused
from pe_collector.store import Filed, Opened, Stored, Writer, file_frame

LAST_WORD_S = 5.0


class Context(Protocol):
    """The other side of a stream; what is read is octets until the sender has nothing more to say."""

    async def read(self) -> object:
        """The next frame."""

    async def write(self, receipt: pb.Receipt, /) -> None:
        """Say what is stored."""


class Stream:
    """What one stream knows. Receipts are gathered: several commits between two writes make one receipt."""

    def __init__(
        self, report_id: bytes, opened: Opened, writer: Writer, limits: Limits, redaction: ReportRedaction
    ) -> None:
        self._report_id = report_id
        self._next = opened.stored_through + 1
        self._octets = opened.stored_octets
        self._latest = Stored(opened.stored_through, opened.complete)
        self._writer = writer
        self._limits = limits
        self._redaction = redaction
        self._mine = Budget(limits.in_flight_octets)
        self._pending: list[Filed] = []
        self._pending_octets = 0
        self._under_way = False
        self._ended = False
        self._failure: BaseException | None = None
        # Set from the start: the first receipt says where to go on.
        self._news = asyncio.Event()
        self._news.set()

    async def run(self, context: Context, all_streams: Budget) -> None:
        """Until the client has said everything and knows that it is stored.

        Raises:
            Refused: a frame that breaks the rules, or none for too long.
            StoreError: the disk does not take it.
        """
        taking = asyncio.create_task(self._take(context, all_streams))
        answering = asyncio.create_task(self._answer(context))
        try:
            await asyncio.wait({taking, answering}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (taking, answering):
                if task.done():
                    task.result()
        finally:
            self._ended = True
            self._news.set()
            # A receipt that is cancelled while gRPC writes it leaves the call without an end: it gets time to be said.
            await asyncio.wait({answering}, timeout=LAST_WORD_S)
            for task in (taking, answering):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, PeError):
                    await task

    async def _take(self, context: Context, all_streams: Budget) -> None:
        try:
            while isinstance(octets := await self._read(context), bytes):
                await self._put(octets, all_streams)
        finally:
            self._ended = True
            self._news.set()

    async def _read(self, context: Context) -> object:
        try:
            # Not wait_for: that makes a task for each frame.
            async with asyncio.timeout(self._limits.idle_s):
                return await context.read()
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"nothing came for {self._limits.idle_s:g} s; open the report again") from exc

    async def _put(self, octets: bytes, all_streams: Budget) -> None:
        frame = bounds.read_record(octets, self._limits)
        if frame.sequence > self._next:
            raise Refused(Reason.GAP, f"frame {frame.sequence} came where {self._next} was due")
        if frame.sequence < self._next:
            return
        self._next += 1
        self._octets += len(octets)
        if self._octets > self._limits.octets:
            raise Refused(Reason.TOO_MUCH, f"a report has at most {self._limits.octets} octets")
        await self._mine.take(len(octets))
        await all_streams.take(len(octets))
        redacted, removed = self._redaction.redact(frame, octets)
        self._pending.append(file_frame(self._report_id.hex(), frame, redacted, removed))
        self._pending_octets += len(octets)
        self._submit(all_streams)

    def _submit(self, all_streams: Budget) -> None:
        """One order at a time: what comes while it is under way makes the next one, so commits grow with the load."""
        if self._under_way or not self._pending:
            return
        frames, octets = self._pending, self._pending_octets
        self._pending, self._pending_octets, self._under_way = [], 0, True
        done = asyncio.wrap_future(self._writer.put(*frames))
        done.add_done_callback(lambda future: self._settled(future, octets, all_streams))

    def _settled(self, future: asyncio.Future[Stored], octets: int, all_streams: Budget) -> None:
        self._under_way = False
        failure = None if future.cancelled() else future.exception()
        if failure is not None:
            self._failure = failure
            octets += self._pending_octets
            self._pending, self._pending_octets = [], 0
        elif not future.cancelled():
            self._latest = future.result()
        self._mine.give(octets)
        all_streams.give(octets)
        self._submit(all_streams)
        self._news.set()

    async def _answer(self, context: Context) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._failure is not None:
                raise self._failure
            over = self._ended and not (self._under_way or self._pending)
            await context.write(self._receipt())
            if over:
                return

    def _receipt(self) -> pb.Receipt:
        stored = self._latest
        code = receipt_code(self._report_id) if stored.complete else ""
        return pb.Receipt(
            protocol=wire.PROTOCOL, stored_through=stored.stored_through, complete=stored.complete, code=code
        )
