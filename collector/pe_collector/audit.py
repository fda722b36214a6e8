"""Who changed something on the ops side: when, what, on what, from where, and how it ended?"""

from __future__ import annotations

import getpass
import os
from dataclasses import astuple, dataclass
from typing import Any

from pe_collector.connection import Connection
from pe_collector.roles import Role

_MOST_LETTERS = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. `how`: cli, token, cookie, proxy, local; `outcome`: done, or why not."""

    at: float
    actor: str
    role: str
    how: str
    peer: str
    action: str
    target: str = ""
    detail: str = ""
    outcome: str = "done"


def record(connection: Connection, entry: Entry) -> None:
    """Add an entry, inside the caller's transaction. No secret may stand in it."""
    values = [value[:_MOST_LETTERS] if isinstance(value, str) else value for value in astuple(entry)]
    connection.execute("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?)", values)


def by_command(at: float, action: str, target: str = "", detail: str = "") -> Entry:
    """The entry for a command of this machine's user, who can read and write the folder and so may do everything."""
    return Entry(at, _user(), Role.ADMIN, "cli", "", action, target, detail)


def entries(connection: Connection, since_s: float = 0.0, most: int = 1_000) -> list[dict[str, Any]]:
    """The latest entries, the newest first."""
    rows = connection.execute("SELECT * FROM audit WHERE at>=? ORDER BY at DESC, rowid DESC LIMIT ?", (since_s, most))
    return [dict(row) for row in rows]


def _user() -> str:
    # Under sudo the person is the one who called it.
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
