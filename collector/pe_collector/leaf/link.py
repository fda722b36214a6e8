"""One stream to a hub: parcels there, receipts back, and what it means when the hub says something else."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
from pe_protos.v1 import report_pb2 as pb

from pe_collector.leaf.outbox import REFUSED, Due, Noted
from pe_collector.refusal import Reason

LATER_WAIT_S, WRONG_TOKEN_WAIT_S, LONGEST_ASKED_S = 15.0, 60.0, 600.0
# The hub takes these later; whatever else it refuses it would refuse again.
_LATER = frozenset({Reason.BUSY, Reason.FLOOD, Reason.DISK_RESERVE, Reason.STORAGE, Reason.REPLAYED})
_POISON = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED)


class Away(Exception):
    """The hub cannot be spoken to now.

    `wait_s`: so long it asks to be left alone; `poison`: a parcel broke its rules.
    """

    def __init__(self, said: str, wait_s: float = 0.0, *, poison: bool = False) -> None:
        super().__init__(said)
        self.wait_s = wait_s
        self.poison = poison


class Link:
    """Parcels on their way, and what the hub said of them. A report's next part waits for the answer to its last."""

    def __init__(
        self, parcels: queue.SimpleQueue[bytes | None], receipts: Iterator[pb.ParcelReceipt], token: str
    ) -> None:
        self._parcels = parcels
        self._receipts = receipts
        self._token = token
        self._under_way: dict[bytes, tuple[Due, int]] = {}
        self._answers: list[Noted] = []

    def send(self, report: Due, parcels: Iterator[tuple[pb.Parcel, int]]) -> None:
        """Send what the hub lacks of a report."""
        key = bytes.fromhex(report.report_id)
        for parcel, last in parcels:
            while key in self._under_way:
                self._hear()
            if any(one.report_id == report.report_id and one.state == REFUSED for one in self._answers):
                break
            parcel.token, self._token = self._token, ""
            self._under_way[key] = (report, last)
            self._parcels.put(parcel.SerializeToString())

    def rest(self) -> None:
        """Wait for every answer that is due."""
        while self._under_way:
            self._hear()

    def answered(self) -> list[Noted]:
        """What was answered and not given yet."""
        answers, self._answers = self._answers, []
        return answers

    def _hear(self) -> None:
        try:
            receipt = next(self._receipts)
        except StopIteration as exc:
            raise Away("it ended the stream") from exc
        report, last = self._under_way.pop(receipt.report_id, (None, 0))
        if report is None:
            return
        if not receipt.refused:
            self._answers.append(Noted(report.report_id, min(last, report.stored_through)))
        elif receipt.refused in _LATER:
            raise Away(f"{receipt.refused}: {receipt.message}", LATER_WAIT_S)
        else:
            why = f"{receipt.refused}: {receipt.message}"
            self._answers.append(Noted(report.report_id, report.through, REFUSED, why))


def away(error: grpc.RpcError) -> Away:
    """What a stream that broke says of the hub."""
    if not isinstance(error, grpc.Call):
        return Away(str(error))
    code, details = error.code(), " ".join((error.details() or "").split())
    said: Mapping[str, Any] = dict(error.trailing_metadata() or ())
    word = str(said.get("retry-after-s", ""))
    wait_s = min(float(word), LONGEST_ASKED_S) if word.isdigit() else 0.0
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Away(f"{details} (forward_token_file)", WRONG_TOKEN_WAIT_S)
    return Away(f"{code.name}: {details}", wait_s, poison=code in _POISON and not wait_s)
