"""What do failing boots have in common, why is that said, and what was changed near it?"""

from __future__ import annotations

from collections.abc import Iterable

from pe_collector import findings
from pe_collector.findings.filters import parse_filters
from pe_collector.questions.contract import Asked, Column, Parameter, Question, Row, Unit
from pe_collector.questions.filters import keeps


def _patterns(asked: Asked) -> Iterable[Row]:
    """A pattern is kept where one of its failed boots meets the filters."""
    with asked.bare() as connection:
        return list(findings.open_patterns(connection, parse_filters(asked.filters.given), asked.now_s))


def _why(asked: Asked) -> Iterable[Row]:
    with asked.bare() as connection:
        return [findings.explain_pattern(connection, asked.words["pattern"], asked.now_s)]


def _changes(asked: Asked) -> Iterable[Row]:
    filters = asked.filters
    with asked.bare() as connection:
        entries = findings.list_changes(connection, filters.since_s or 0.0)
    for entry in entries:
        address = entry["subnet"].partition("/")[0]
        if (filters.until_s is None or entry["at_s"] < filters.until_s) and keeps(
            {**entry, "address": address}, filters
        ):
            yield {**entry, "at": entry["at_s"]}


_PATTERN = (
    Column("id", meaning="keeps while the pattern lasts"),
    Column("title", meaning="in words"),
    Column("sentence", meaning="with its numbers"),
    Column("state", meaning="opened, lasting, worsened, recovering or ended"),
    Column("kind"),
    Column("signature", meaning="findings that show it"),
    Column("conditions", meaning="what the failing boots have in common"),
    Column("onset", meaning="when it began, ISO 8601"),
    Column("ended", meaning="when it ended, ISO 8601"),
    Column("failed", Unit.COUNT, "failed boots inside"),
    Column("boots", Unit.COUNT, "boots inside"),
    Column("failed_elsewhere", Unit.COUNT),
    Column("boots_elsewhere", Unit.COUNT),
    Column("rate_low", Unit.SHARE, "lower end of the exact 95 % interval inside"),
    Column("rate_high", Unit.SHARE, "upper end of it"),
    Column("p_value", Unit.SHARE, "corrected for the number of candidates"),
    Column("score"),
    Column("machines", meaning="their ids"),
    Column("alternatives", meaning="what the data cannot tell apart, and what would"),
    Column("changes", meaning="entries of the ledger near the onset"),
    Column("evidence", meaning="boots that show it"),
    Column("acknowledged", Unit.FLAG),
    Column("resolved", Unit.FLAG),
    Column("muted", Unit.FLAG),
    Column("label"),
    Column("merged", meaning="patterns that were merged into it"),
)
PATTERNS = Question(
    name="patterns",
    title="Patterns",
    summary="What failing boots have in common that healthy ones have not.",
    columns=_PATTERN,
    rows=_patterns,
    of_its_own=True,
)
WHY = Question(
    name="why",
    title="Why a pattern",
    summary="What was compared with what, what else was looked at, and what the data cannot tell apart.",
    columns=(
        *_PATTERN,
        Column("considered", meaning="runners-up with their scores"),
        Column("ruled_out", meaning="what does not explain it, and why not"),
        Column("paired", meaning="the same machine with something else"),
        Column("machines_seen", meaning="who the machines are"),
        Column("lines", meaning="lines of logs and probes that show it"),
        Column("history", meaning="what became of it"),
    ),
    rows=_why,
    parameters=(Parameter("pattern", "Its id, or the beginning of it.", leading=True, needed=True),),
    of_its_own=True,
)
CHANGES = Question(
    name="changes",
    title="Changes",
    summary="The ledger of changes, the latest first.",
    columns=(
        Column("at", Unit.TIME, "when it was done"),
        Column("text"),
        Column("subnet", meaning="empty where it is about everything"),
        Column("server", meaning="empty where it is about everything"),
        Column("who"),
    ),
    rows=_changes,
    of_its_own=True,
)
