"""Which database does a folder use? Its own file, or what its settings, PE_COLLECTOR_STORE or --store say."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pe_agent.errors import UsageError

FILE_NAME = "collector.sqlite"
VARIABLE = "PE_COLLECTOR_STORE"
_SETTINGS = "collector.toml"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
# Exports are asked through it.
DUCKDB = "duckdb"
# Both are said; libpq knows the two.
_SCHEMES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgres": POSTGRESQL}
_FILE = "sqlite:///"
_LOOKS = "it looks like sqlite:///PATH or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Place:
    """A row of ENGINES, and what it opens: a file's path, or a URL with a password perhaps."""

    engine: str
    name: str

    @property
    def shown(self) -> str:
        """To be said aloud: without a password."""
        head, at, tail = self.name.rpartition("@")
        return f"{head.rpartition(':')[0] if head.count(':') > 1 else head}{at}{tail}"


def place_of(database: Path) -> Place:
    """Where the rows of a folder are; `database` is the file that they are in when nothing else is said.

    Raises:
        UsageError: what is said is no store.
    """
    told = os.environ.get(VARIABLE) or _from_settings(database.parent)
    return parse_store(told) if told else Place(SQLITE, str(database))


def parse_store(text: str) -> Place:
    """`sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`.

    Raises:
        UsageError: it is neither.
    """
    scheme, separator, _ = text.partition("://")
    engine = _SCHEMES.get(scheme) if separator else None
    if engine == POSTGRESQL:
        return Place(engine, text)
    if engine == SQLITE and text.startswith(_FILE) and len(text) > len(_FILE):
        return Place(engine, text[len(_FILE) :])
    raise UsageError(f"{text!r} is no store; {_LOOKS}")


def _from_settings(folder: Path) -> str:
    try:
        told = tomllib.loads((folder / _SETTINGS).read_text(encoding="utf-8-sig")).get("store", "")
    except FileNotFoundError:
        return ""
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{folder / _SETTINGS}: {exc}") from exc
    if not isinstance(told, str):
        raise UsageError(f"{folder / _SETTINGS}: store = {told!r}: {_LOOKS}")
    return told
