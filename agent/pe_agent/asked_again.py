"""Did Setup fail to reach the WDS server that answers now? The log's lines laid beside the answer of today."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pe_agent.model import Observation, Outcome, Reason
from pe_agent.scan import LogHit

PROBE = "asked-again"
# Signatures of lines that say that the way to the server, or its service, was not there; that it refused a name and
# password is another matter, which an answer of today does not touch.
_WAS_NOT_THERE = frozenset(
    f"wds-client-{name}"
    for name in (
        "call-cut",
        "no-path",
        "not-registered",
        "not-registered-said",
        "port-refused",
        "session-failed",
        "session-failed-said",
        "timed-out",
    )
)


def asked_again(hits: Iterable[LogHit], observations: Sequence[Observation]) -> Observation | None:
    """The first line of a failure beside the WDS port that answers now, as an answer that signatures can look at."""
    answer = next((o for o in observations if o.probe == "wds-rpc" and o.reason is Reason.ANSWERED), None)
    failed = next((hit for hit in hits if hit.row.id in _WAS_NOT_THERE), None)
    if answer is None or failed is None:
        return None
    facts = {
        "server": answer.target.rpartition(":")[0].strip("[]"),
        "port": answer.facts.get("port", 0),
        "failed_at": failed.time or f"line {failed.evidence.line} of {failed.evidence.file}",
        "code": failed.facts.get("code", "server unavailable"),
    }
    return Observation(PROBE, answer.target, Outcome.WARNING, Reason.ANSWERED, facts=facts)
