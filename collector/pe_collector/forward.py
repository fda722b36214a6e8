"""Many reports on one stream, from a collector that has them on disk: each parcel is one order to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pe_agent.model import receipt_code
from pe_agent.wire import PROTOCOL
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.budget import cost_of
from pe_collector.door import Admitted
from pe_collector.intake import Intake
from pe_collector.redaction import ReportRedaction
from pe_collector.refusal import Reason, Refused
from pe_collector.reserve import Room
from pe_collector.roles import FORWARDERS
from pe_collector.store import Arrived, Filed, Opened, Stored
from pe_collector.store.opening import MOST_CARRIED_S, Through

# Parcels of one stream between their arrival and their receipt.
MOST_UNDER_WAY = 256
MOST_PEER = 200
CHECK_TOKEN_EVERY_S = 1.0


class Forwarding:
    """One stream of parcels."""

    def __init__(self, intake: Intake, context: Admitted) -> None:
        self._intake = intake
        self._context = context
        self._token_id = context.token_id
        self._is_leaf = intake.is_leaf(context.token_id)
        self._checked_at = intake.now_s()
        self._free = asyncio.Semaphore(MOST_UNDER_WAY)
        self._receipts: asyncio.Queue[pb.ParcelReceipt] = asyncio.Queue()

    async def run(self) -> None:
        """Until the sender has nothing more to say and has heard of every parcel.

        Raises:
            Refused: what comes is no parcel, its token is not good, nothing comes or goes for too long.
        """
        both = {asyncio.create_task(self._take_all()), asyncio.create_task(self._answer_all())}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _take_all(self) -> None:
        octets: object = self._context.first
        while isinstance(octets, bytes):
            await self._free.acquire()
            await self._take(octets)
            octets = await self._read()
        for _ in range(MOST_UNDER_WAY):
            # Free again is what was answered.
            await self._free.acquire()

    async def _read(self) -> object:
        idle_s = self._intake.limits.idle_s
        try:
            async with asyncio.timeout(idle_s):
                return await self._context.read()
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"nothing came for {idle_s:g} s; open the stream again") from exc

    async def _take(self, octets: bytes) -> None:
        parcel = bounds.read_parcel(octets)
        if parcel.token:
            self._token_id = self._intake.admit(parcel.token, self._context.peer(), FORWARDERS)
            self._is_leaf = self._intake.is_leaf(self._token_id)
        self._check_again()
        hello = bounds.read_hello(parcel.frames[0] if parcel.frames else b"", self._intake.limits)
        report_id = hello.report_id
        budget, records = self._intake.budget, list(parcel.frames[1:])
        cost = cost_of(len(octets), len(records))
        try:
            self._check(records)
            await budget.take(cost, held=len(octets))
        except Refused as exc:
            self._say(report_id, None, exc)
            return

        def hear(answer: Stored | Opened | None, failure: BaseException | None) -> None:
            budget.give(cost)
            self._say(report_id, answer, failure)

        intake = self._intake
        redaction = ReportRedaction(intake.redaction_key)

        def file() -> tuple[Filed, ...]:
            return redaction.file(report_id.hex(), [records])

        intake.writer.bring(intake.desk.waiting(hear), file, self._arrived(hello, parcel, len(octets)))

    def _check(self, records: Sequence[bytes]) -> None:
        limits = self._intake.limits
        if self._intake.reserve.room() is not Room.ALL:
            # Unlike an agent a collector can wait until there is room for everything.
            raise Refused(Reason.DISK_RESERVE, "the collector's disk is nearly full; send again later")
        tally = bounds.Tally(limits)
        if len(records) > limits.frames:
            raise Refused(Reason.TOO_MUCH, f"{len(records)} frames in a parcel, at most {limits.frames}")
        for octets in records:
            frame = bounds.read_record(octets, limits)
            if frame.HasField("log"):
                tally.count(frame.log)

    def _check_again(self) -> None:
        """A stream that lasts for days ends when its token does."""
        now_s = self._intake.now_s()
        if abs(now_s - self._checked_at) >= CHECK_TOKEN_EVERY_S:
            self._checked_at = now_s
            self._intake.is_leaf(self._token_id)

    def _arrived(self, hello: pb.Hello, parcel: pb.Parcel, size: int) -> Arrived:
        """Where the report came from, and when: what a leaf says, if it can be."""
        hello.ClearField("token")
        hello.ClearField("session")
        now_s, peer = self._intake.now_s(), self._context.peer()
        most = self._intake.limits.octets
        if not self._is_leaf:
            return Arrived(hello, peer, self._token_id, now_s, octets=size, most_octets=most)
        plausible = now_s - MOST_CARRIED_S < parcel.received_at <= now_s
        at_s = parcel.received_at if plausible else now_s
        first = parcel.peer[:MOST_PEER] or peer
        return Arrived(hello, first, self._token_id, at_s, parcel.carried, size, most, Through(peer, now_s))

    def _say(self, report_id: bytes, answer: Stored | Opened | None, failure: BaseException | None) -> None:
        receipt = pb.ParcelReceipt(report_id=report_id)
        if answer is not None:
            receipt.receipt.protocol = PROTOCOL
            receipt.receipt.stored_through, receipt.receipt.complete = answer.stored_through, answer.complete
            receipt.receipt.code = receipt_code(report_id) if answer.complete else ""
        else:
            reason = failure.reason if isinstance(failure, Refused) else Reason.STORAGE
            self._intake.refusals.count(reason)
            receipt.refused, receipt.message = reason, str(failure)
        self._receipts.put_nowait(receipt)

    async def _answer_all(self) -> None:
        patience_s = self._intake.limits.slow_reader_s
        while True:
            receipt = await self._receipts.get()
            try:
                async with asyncio.timeout(patience_s):
                    await self._context.write(receipt)
            except TimeoutError as exc:
                raise Refused(Reason.SLOW_READER, f"no receipt was taken for {patience_s:g} s") from exc
            self._free.release()
