"""Who is signed in with a browser? Kept in memory only: after a restart people sign in again."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from pe_collector.budget import Buckets, Rate

LASTS_S = 12 * 3600.0
MOST = 1_000
# Wrong tries from one address; more are neither looked at nor written down.
TRIES = Rate(0.2, 30.0)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser that showed an ops token; the token itself is asked again at every request."""

    token_id: str
    until_s: float


class SignIns:
    """Cookies that are good now. Of a cookie only its hash is kept; the oldest give way to new ones."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, SignIn] = OrderedDict()
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._tries = Buckets(TRIES)

    def begin(self, token_id: str, now_s: float) -> str:
        """A new cookie for the owner of this token."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._of[_hash(cookie)] = SignIn(token_id, now_s + LASTS_S)
            while len(self._of) > MOST:
                self._of.popitem(last=False)
        return cookie

    def find(self, cookie: str, now_s: float) -> SignIn | None:
        """Whose cookie this is; None when it is unknown or too old."""
        with self._lock:
            found = self._of.get(_hash(cookie))
            return found if found and found.until_s > now_s else None

    def end(self, cookie: str) -> None:
        """Forget a cookie."""
        with self._lock:
            self._of.pop(_hash(cookie), None)

    def too_many_tries(self, peer: str) -> bool:
        """Whether wrong tokens came from there too often."""
        with self._lock:
            return self._tries.is_empty(peer)

    def wrong(self, peer: str) -> None:
        """One more."""
        with self._lock:
            self._tries.take(peer)

    def csrf_word(self, who: str) -> str:
        """What a page of ours must send with every change; a page of somebody else cannot read it."""
        return hmac.new(self._key, who.encode(), hashlib.sha256).hexdigest()

    def is_csrf_word(self, who: str, word: str) -> bool:
        """Whether it is that word, compared in constant time."""
        return hmac.compare_digest(self.csrf_word(who).encode(), word.encode())


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
