"""What can be asked of a collector? Each row of the table is a command, a path of the HTTP API and part of the page."""

from pe_collector.questions.asking import LIMIT, ask, connected
from pe_collector.questions.contract import Answer, Asked, Column, Parameter, Question
from pe_collector.questions.deploying import DEPLOYING
from pe_collector.questions.filters import WORDS, Filters
from pe_collector.questions.found import CHANGES, PATTERNS, WHY
from pe_collector.questions.health import DELIVERY, PROBES
from pe_collector.questions.log_lines import LOGS
from pe_collector.questions.machines import MACHINE, MACHINES, TIMELINE
from pe_collector.questions.rates import RATES
from pe_collector.questions.rollups import ROLLUPS
from pe_collector.questions.silence import SILENCE
from pe_collector.questions.slow import SLOW

__all__ = [
    "LIMIT",
    "QUESTIONS",
    "WORDS",
    "Answer",
    "Asked",
    "Column",
    "Filters",
    "Parameter",
    "Question",
    "ask",
    "connected",
    "question_named",
]

QUESTIONS: tuple[Question, ...] = (
    DEPLOYING,
    MACHINES,
    MACHINE,
    TIMELINE,
    *RATES,
    *ROLLUPS,
    SLOW,
    SILENCE,
    LOGS,
    DELIVERY,
    PROBES,
    PATTERNS,
    WHY,
    CHANGES,
)


def question_named(name: str) -> Question | None:
    """The row with this name; None when there is none."""
    return next((question for question in QUESTIONS if question.name == name), None)
