"""Why does the collector refuse something, and how often did it?"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from pe_agent.errors import PeError


class Reason(StrEnum):
    """One word for each kind of refusal: what a counter is labelled with."""

    NO_TOKEN = "no-token"  # noqa: S105 - a word for the operator
    TOKEN_UNKNOWN = "token-unknown"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    TOKEN_REVOKED = "token-revoked"  # noqa: S105
    FOREIGN_REPORT = "foreign-report"
    MALFORMED = "malformed"
    GAP = "gap"
    TOO_MUCH = "too-much"
    IDLE = "idle"
    BUSY = "busy"
    STORAGE = "storage"


class Refused(PeError):
    """What the sender did, which the collector does not take; the message says what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Refusals:
    """How often each reason was given since the program started."""

    def __init__(self) -> None:
        self._counts: Counter[Reason] = Counter()

    def count(self, reason: Reason) -> None:
        """One more."""
        self._counts[reason] += 1

    def counts(self) -> dict[Reason, int]:
        """Every reason, also those never given."""
        return {reason: self._counts[reason] for reason in Reason}
