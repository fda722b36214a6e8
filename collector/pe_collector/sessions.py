"""Whose stream is this? Session ids and secrets in memory only, bound to token, peer and report.

A report is taken by one session at a time. A sender whose stream broke shows the secret of its last receipt once and
goes on; what is shown twice, or by somebody else, is refused.
"""

from __future__ import annotations

import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pe_collector.gate import host_of
from pe_collector.refusal import Reason, Refused

ID_OCTETS, SECRET_OCTETS = 16, 32
_MOST_KNOWN = 20_000
# A sender that got a new address comes back from there, and its old stream has not noticed yet.
SILENT_S = 10.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants to send a report; `shown` is what came as Hello.session, empty for the first time."""

    report_id: bytes
    token_id: str
    peer: str
    shown: bytes = b""


@dataclass(slots=True)
class Session:
    """One stream of one report. `live` until it ends or another one of the same sender goes on with its report."""

    id: bytes
    secret: bytes
    owner: tuple[bytes, str, str]
    heard_s: float
    live: bool = True
    resumed: bool = False

    @property
    def word(self) -> bytes:
        """What the sender gets, to go on after a break."""
        return self.id + self.secret

    def heard(self, now_s: float) -> None:
        """A frame came.

        Raises:
            Refused: another session has taken over.
        """
        if self.resumed:
            raise Refused(Reason.REPLAYED, "this session was resumed elsewhere; open the report again")
        self.heard_s = now_s


class Sessions:
    """All sessions of one collector since it started; the oldest that ended are forgotten first."""

    def __init__(self, most: int = _MOST_KNOWN, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now_s = now_s
        self._known: OrderedDict[bytes, Session] = OrderedDict()
        self._of_report: dict[bytes, Session] = {}

    def begin(self, claim: Claim) -> Session:
        """A new session for this report.

        Raises:
            Refused: what was shown is not theirs or was used before; or somebody else is sending this report.
        """
        owner = (claim.report_id, claim.token_id, host_of(claim.peer))
        before = self._shown(claim.shown, owner) or self._of_report.get(claim.report_id)
        if before is not None and before.owner[1] != claim.token_id:
            raise Refused(Reason.FOREIGN_REPORT, "this report was begun under another token; start a new report")
        if before is not None and before.owner != owner and self._is_sending(before):
            raise Refused(Reason.BUSY, "this report is being sent from another machine; try again later")
        if before is not None:
            before.resumed = True
            before.live = False
        word = os.urandom(ID_OCTETS + SECRET_OCTETS)
        session = Session(word[:ID_OCTETS], word[ID_OCTETS:], owner, self._now_s())
        self._known[session.id] = self._of_report[claim.report_id] = session
        self._forget()
        return session

    def end(self, session: Session) -> None:
        """The stream is over; its sender may come back."""
        session.live = False
        if self._of_report.get(session.owner[0]) is session:
            del self._of_report[session.owner[0]]

    def sending(self) -> int:
        """How many reports are being sent now."""
        return len(self._of_report)

    def _is_sending(self, session: Session) -> bool:
        return session.live and self._now_s() - session.heard_s < SILENT_S

    def __len__(self) -> int:
        return len(self._known)

    def _shown(self, shown: bytes, owner: tuple[bytes, str, str]) -> Session | None:
        """The session behind what was shown; None when nothing was, or nobody knows it any more (a restart)."""
        known = self._known.get(shown[:ID_OCTETS])
        if known is None:
            return None
        right = hmac.compare_digest(known.secret, shown[ID_OCTETS : ID_OCTETS + SECRET_OCTETS])
        if not right or known.owner != owner or known.resumed:
            raise Refused(Reason.REPLAYED, "this session belongs to another stream or was used before; start anew")
        return known

    def _forget(self) -> None:
        while len(self._known) > self._most:
            oldest = next((s for s in self._known.values() if not s.live), None)
            if oldest is None:
                return
            del self._known[oldest.id]
