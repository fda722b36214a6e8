"""How does the store fail, and how is that told?"""

from __future__ import annotations

import sqlite3

from pe_agent.errors import PeError


class StoreError(PeError):
    """The database cannot take or give rows: full disk, damaged file, lock held too long, server gone."""


def in_words(failure: sqlite3.Error) -> PeError:
    """The failure of a statement, for whoever asked; what has words of its own stays."""
    if isinstance(failure, PeError):
        return failure
    return StoreError(f"the database gives no answer: {failure}; `pe-collector doctor` looks at what is wrong")
