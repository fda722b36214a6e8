"""How is a log judged while it grows? Whenever it has grown, but not all the time; a half-written line waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pe_agent.scan import LogHit, Scan
from pe_agent.signatures import SignatureSet

# A log is read from its beginning each time: its secrets are taken out on the way, which cannot begin in the middle.
# So that a large one does not keep a small machine busy, this many times as long as a reading took lies between two.
PAUSE_FACTOR = 10


@dataclass(slots=True)
class Follower:
    """The reading of one log. `hits` is what it says so far, `half_written` that its last line was left out."""

    name: str
    clock_s: Callable[[], float] = field(default=time.monotonic)
    hits: tuple[LogHit, ...] = ()
    half_written: bool = False
    _not_before_s: float = 0.0

    def is_due(self) -> bool:
        """Whether the log may be read again already."""
        return self.clock_s() >= self._not_before_s

    def read(self, blocks: Iterable[bytes], signatures: SignatureSet, *, final: bool) -> None:
        """Judge all octets of the log; with `final` also a last line that has no end.

        Raises:
            OSError: from `blocks`; what was judged before then is kept.
        """
        began_s = self.clock_s()
        scan = Scan(self.name, signatures)
        hits: list[LogHit] = []
        try:
            hits.extend(scan.hits(blocks, final=final))
        finally:
            self.hits = tuple(hits) or self.hits
            self.half_written = scan.half_written
            now_s = self.clock_s()
            self._not_before_s = now_s + PAUSE_FACTOR * (now_s - began_s)
