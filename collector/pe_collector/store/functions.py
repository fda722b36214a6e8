"""What engines say differently in a question."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles


class whole_part(sa.sql.functions.FunctionElement[int]):  # noqa: N801 - named as functions of SQL are
    """A number without what follows the point; for numbers that are not negative."""

    type = sa.Integer()
    inherit_cache = True


@compiles(whole_part)
def _cut(element: Any, compiler: Any, **words: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **words)} AS INTEGER)"


@compiles(whole_part, "duckdb")
@compiles(whole_part, "postgresql")
def _floored(element: Any, compiler: Any, **words: Any) -> str:
    # A cast rounds there.
    return f"CAST(floor({compiler.process(element.clauses, **words)}) AS BIGINT)"


class in_this_order(sa.sql.selectable.Join):  # noqa: N801 - as above
    """A join of two tables that SQLite goes through as they are written: it puts others in the order it thinks best."""

    inherit_cache = True


@compiles(in_this_order, "sqlite")
def _pinned(element: Any, compiler: Any, **words: Any) -> str:
    before, join, after = str(compiler.visit_join(element, **words)).rpartition(" JOIN ")
    return f"{before} CROSS{join}{after}"


@compiles(in_this_order)
def _joined(element: Any, compiler: Any, **words: Any) -> str:
    return str(compiler.visit_join(element, **words))
