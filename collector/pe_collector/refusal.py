"""Why does the collector refuse something, and how often did it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from pe_agent.errors import PeError

from pe_collector.connection import Connection

HOUR_S = 3600


class Reason(StrEnum):
    """One word for each kind of refusal: what a counter is labelled with."""

    NO_TOKEN = "no-token"  # noqa: S105 - a word for the operator
    TOKEN_UNKNOWN = "token-unknown"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    TOKEN_REVOKED = "token-revoked"  # noqa: S105
    TOKEN_ROLE = "token-role"  # noqa: S105
    QUARANTINED = "quarantined"
    FOREIGN_REPORT = "foreign-report"
    REPLAYED = "replayed"
    MALFORMED = "malformed"
    GAP = "gap"
    TOO_MUCH = "too-much"
    IDLE = "idle"
    SLOW_READER = "slow-reader"
    BUSY = "busy"
    FLOOD = "flood"
    DISK_RESERVE = "disk-reserve"
    STORAGE = "storage"


class Refused(PeError):
    """What the sender did, which the collector does not take; the message says what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Refusals:
    """How often each reason was given since the program started, and since it was last asked what is new."""

    def __init__(self) -> None:
        self._counts: Counter[Reason] = Counter()
        self._noted: Counter[Reason] = Counter()

    def count(self, reason: Reason) -> None:
        """One more."""
        self._counts[reason] += 1

    def counts(self) -> dict[Reason, int]:
        """Every reason, also those never given."""
        return {reason: self._counts[reason] for reason in Reason}

    def fresh(self) -> dict[Reason, int]:
        """What came since the last call; what a failed note should count again goes back by `again`."""
        counts = Counter(self._counts)
        fresh = counts - self._noted
        self._noted = counts
        return dict(fresh)

    def again(self, fresh: Mapping[Reason, int]) -> None:
        """These were not noted after all."""
        self._noted.subtract(fresh)


def note_refusals(connection: Connection, fresh: Mapping[Reason, int], now_s: float) -> None:
    """Add to the counts of this hour, inside the caller's transaction."""
    hour_at = int(now_s // HOUR_S * HOUR_S)
    connection.executemany(
        "INSERT INTO refusal VALUES (?,?,?) ON CONFLICT (hour_at, reason) DO UPDATE SET "
        "times=refusal.times+excluded.times",
        [(hour_at, reason, times) for reason, times in fresh.items()],
    )


def refusal_counts(connection: Connection, since_s: float = 0.0) -> dict[str, int]:
    """How often each reason was given in the hours since then, by what is stored: a minute behind at most.

    Every reason is there, also those never given; so are words of another version.
    """
    rows = connection.execute(
        "SELECT reason, sum(times) FROM refusal WHERE hour_at>=? GROUP BY reason", (since_s - HOUR_S,)
    )
    return dict.fromkeys(map(str, Reason), 0) | {row[0]: row[1] for row in rows}
