"""DuckDB, where it is installed."""

from __future__ import annotations

from typing import Any

from pe_agent.errors import UsageError

_LACKS = "Parquet needs DuckDB: pip install 'pe-agent[analytics]'"


def duckdb() -> Any:
    """The module.

    Raises:
        UsageError: it is not installed; it says how to.
    """
    try:
        import duckdb as module  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise UsageError(_LACKS) from exc
    return module


def quoted(text: object) -> str:
    """A text as SQL writes it: names of files cannot be parameters everywhere."""
    return "'" + str(text).replace("'", "''") + "'"
