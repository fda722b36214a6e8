"""What do failing boots have in common, and how does operations follow it up? Rows in, documents out.

Connections are those of the store; who only reads passes one that cannot write.
"""

from pe_collector.findings.changes import add_change, list_changes
from pe_collector.findings.filters import Filters
from pe_collector.findings.live import correlate
from pe_collector.findings.marks import set_state
from pe_collector.findings.shown import explain_pattern, open_patterns

__all__ = [
    "Filters",
    "add_change",
    "correlate",
    "explain_pattern",
    "list_changes",
    "open_patterns",
    "set_state",
]
