"""One report coming in: frames in ascending order to the writer, receipts back after each commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pe_agent import wire
from pe_agent.errors import PeError
from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.answers import AnswerDesk, Hear
from pe_collector.budget import Budget, cost_of
from pe_collector.limits import Limits
from pe_collector.redaction import ReportRedaction
from pe_collector.refusal import Reason, Refused
from pe_collector.reserve import Reserve, Room
from pe_collector.store import Arrived, Filed, Opened, Stored, Writer

LAST_WORD_S = 5.0
# Frames that come this soon after the hello are stored with it.
OPEN_ALONE_S = 0.2
# Stands where the codec of a log's octets would: there are none.
LEFT_OUT = "left-out"


class Context(Protocol):
    """The other side of a stream; what is read is octets until the sender has nothing more to say."""

    async def read(self) -> object:
        """The next frame."""

    async def write(self, receipt: pb.Receipt, /) -> None:
        """Say what is stored."""


@dataclass(frozen=True, slots=True)
class Put:
    """The way to the disk."""

    writer: Writer
    desk: AnswerDesk
    reserve: Reserve
    now_s: Callable[[], float]

    def __call__(
        self, file: Callable[[], tuple[Filed, ...]], opening: Arrived | None, hear: Hear[Stored | Opened]
    ) -> None:
        """Store frames of one report, which begins with `opening`; `hear` is told in this loop after the commit."""
        self.writer.bring(self.desk.waiting(hear), file, opening)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a report goes on; one that is not there yet is opened by `arrived` together with its first frames."""

    opened: Opened
    arrived: Arrived | None = None


class Stream:
    """What one stream knows. Receipts are gathered: several commits between two writes make one receipt."""

    def __init__(
        self, report_id: bytes, beginning: Beginning, put: Put, limits: Limits, redaction: ReportRedaction
    ) -> None:
        opened = beginning.opened
        self._opening = beginning.arrived
        self._report_id = report_id
        self._next = opened.stored_through + 1
        self._octets = opened.stored_octets
        self._latest = Stored(opened.stored_through, opened.complete)
        self._put_away = put
        self._limits = limits
        self._redaction = redaction
        self._tally = bounds.Tally(limits)
        self._logs_left_out = 0
        self._mine = Budget(limits.in_flight_octets)
        # As octets: parsed, a small frame takes a hundred times as much.
        self._pending: list[list[bytes]] = []
        self._pending_cost = 0
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
        # Of a machine that says hello and then nothing there is a row, too.
        alone = asyncio.get_running_loop().call_later(OPEN_ALONE_S, self._submit, all_streams)
        taking = asyncio.create_task(self._take(context, all_streams))
        answering = asyncio.create_task(self._answer(context))
        try:
            await asyncio.wait({taking, answering}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (taking, answering):
                if task.done():
                    task.result()
        finally:
            alone.cancel()
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
            self._submit(all_streams)
            self._news.set()

    async def _read(self, context: Context) -> object:
        try:
            # Not wait_for: that makes a task for each frame.
            async with asyncio.timeout(self._limits.idle_s):
                return await context.read()
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"nothing came for {self._limits.idle_s:g} s; open the report again") from exc

    async def _put(self, octets: bytes, all_streams: Budget) -> None:
        records = bounds.split_message(octets)
        cost = cost_of(len(octets), len(records))
        await self._mine.take(cost)
        await all_streams.take(cost, held=len(octets))
        self._pending_cost += cost
        taken: list[bytes] = []
        try:
            for alone in records:
                self._take_one(alone, taken)
        finally:
            # What came before a frame that is refused stays.
            if taken:
                self._pending.append(taken)
            self._submit(all_streams)

    def _take_one(self, octets: bytes, taken: list[bytes]) -> None:
        frame = bounds.read_record(octets, self._limits)
        if frame.sequence > self._next:
            raise Refused(Reason.GAP, f"frame {frame.sequence} came where {self._next} was due")
        if frame.sequence < self._next:
            return
        self._next += 1
        self._octets += len(octets)
        if self._octets > self._limits.octets:
            raise Refused(Reason.TOO_MUCH, f"a report has at most {self._limits.octets} octets")
        taken.append(self._spared(frame, octets))

    def _spared(self, frame: pb.Frame, octets: bytes) -> bytes:
        """The octets of a frame as far as the disk has room for them; a log that is left out stays named."""
        room = self._put_away.reserve.room()
        if room is Room.NOTHING:
            raise Refused(Reason.DISK_RESERVE, "the collector's disk is full; nothing more is taken")
        if frame.WhichOneof("body") != "log":
            return octets
        self._tally.count(frame.log)
        if room is Room.ALL:
            return octets
        self._logs_left_out += 1
        frame.log.data, frame.log.codec = b"", LEFT_OUT
        return frame.SerializeToString()

    def _submit(self, all_streams: Budget) -> None:
        """One order at a time: what comes while it is under way makes the next one, so commits grow with the load."""
        if self._under_way:
            return
        if self._failure is not None:
            # What was read before the end reached the reader belongs to a report that is not there.
            self._pending, self._opening = [], None
        if not (self._pending or self._opening):
            self._give_back(self._pending_cost, all_streams)
            self._pending_cost = 0
            return
        messages, cost, opening = self._pending, self._pending_cost, self._opening
        self._pending, self._pending_cost, self._opening, self._under_way = [], 0, None, True

        def settled(stored: Stored | Opened | None, failure: BaseException | None) -> None:
            self._settled(stored or failure, cost, all_streams)

        # One order of a stream at a time: its redaction is used by one thread at a time, too.
        self._put_away(lambda: self._redaction.file(self._report_id.hex(), messages), opening, settled)

    def _settled(self, outcome: Stored | Opened | BaseException | None, cost: int, all_streams: Budget) -> None:
        self._under_way = False
        if isinstance(outcome, (Stored, Opened)):
            self._latest = Stored(outcome.stored_through, outcome.complete)
        else:
            self._failure = outcome
            cost += self._pending_cost
            self._pending, self._pending_cost = [], 0
        self._give_back(cost, all_streams)
        self._submit(all_streams)
        self._news.set()

    def _give_back(self, cost: int, all_streams: Budget) -> None:
        if cost:
            self._mine.give(cost)
            all_streams.give(cost)

    async def _answer(self, context: Context) -> None:
        told: Stored | None = None
        receipts = 0
        while True:
            await self._news.wait()
            self._news.clear()
            if self._failure is not None:
                raise self._failure
            over = self._ended and not (self._under_way or self._pending)
            # Nobody needs to hear the same twice, but for one last word.
            if self._latest != told or (over and receipts < 2):
                told, receipts = self._latest, receipts + 1
                await context.write(self._receipt())
            if over:
                return

    def _receipt(self) -> pb.Receipt:
        stored = self._latest
        code = receipt_code(self._report_id) if stored.complete else ""
        return pb.Receipt(
            protocol=wire.PROTOCOL,
            stored_through=stored.stored_through,
            complete=stored.complete,
            code=code,
            batch_bytes=bounds.BATCH_OCTETS,
            logs_left_out=self._logs_left_out,
            wall_ms=int(self._put_away.now_s() * 1000),
        )
