"""A pattern as text: a line of the list, and the page of `why`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pe_collector.findings.silence import who_of

Document = Mapping[str, Any]
# A change that falls so near an onset by chance is worth a word in the list.
_UNLIKELY = 0.05


def line_of(document: Document) -> str:
    """One line: the sentence, a change that hardly fell so near by chance, the id, and what operations set."""
    marks = [name for name in ("acknowledged", "muted", "resolved") if document[name]]
    state = [] if document["state"] in ("opened", "lasting") else [document["state"]]
    label = f"{document['label']}: " if document["label"] else ""
    change = "".join(_change(row) for row in document["changes"][:1] if row["by_chance"] <= _UNLIKELY)
    return f"{label}{document['sentence']}{change}  [{', '.join([document['id'], *state, *marks])}]"


def page_of(document: Document) -> Iterator[str]:
    """All there is to say, line by line."""
    yield line_of(document)
    yield from _numbers(document)
    for name, section in _SECTIONS.items():
        lines = [*section(document)]
        if lines:
            yield ""
            yield f"{name}:"
            yield from (f"  {line}" for line in lines)


def _numbers(document: Document) -> Iterator[str]:
    inside, elsewhere = document["interval"]["inside"], document["interval"]["elsewhere"]
    yield f"  fails {_share(inside)} inside and {_share(elsewhere)} elsewhere (exact 95 % intervals)"
    if document["kind"] != "pair":
        yield "  boots; a machine that fails so again within half an hour counts once"
    if document.get("sampled_before"):
        yield f"  of boots before {document['sampled_before']} those of a sample of the machines are counted"
    looked_at = f"{document['looked_at']:,} conditions"
    yield f"  chance of so clear a table by chance, corrected for {looked_at} looked at: {document['p_value']:.2g}"
    waits = document["wait_s"]
    if waits and waits["inside"] is not None and waits["elsewhere"] is not None:
        yield f"  from link to address: median {waits['inside']:.1f} s, elsewhere {waits['elsewhere']:.1f} s"


def _considered(document: Document) -> Iterator[str]:
    for row in document["considered"]:
        counts = f"{row['failed']:,} of {row['boots']:,} boots{_period(row)}, score {row['score']:.1f}"
        yield f"{_words(row['conditions'])}: {counts}"


def _period(row: Document) -> str:
    """The stretch of time of a runner-up; empty where it is all the time."""
    ends = {"from": row.get("onset"), "to": row.get("ended")}
    return "".join(f" {word} {at}" for word, at in ends.items() if at)


def _alternatives(document: Document) -> Iterator[str]:
    for row in document["alternatives"]:
        yield f"{_words(row['conditions'])}: {row['decided_by']}"


def _ruled_out(document: Document) -> Iterator[str]:
    for row in document["ruled_out"]:
        yield f"{row['attribute']} {row['value']}: {row['because']}"


def _paired(document: Document) -> Iterator[str]:
    yield from document["paired"]


def _changes(document: Document) -> Iterator[str]:
    yield from (_change(row).removeprefix("; ") for row in document["changes"])


def _machines(document: Document) -> Iterator[str]:
    known: Sequence[Document] = document["machines_seen"]
    for row in known[:_MOST_MACHINES]:
        said = [row[name] for name in ("machine_id", "address", "manufacturer", "model", "serial")]
        yield " ".join(part for part in (*said, "never reported" if row["silent"] else "") if part)
    if len(document["machines"]) > _MOST_MACHINES:
        yield f"and {len(document['machines']) - _MOST_MACHINES} more"


def _evidence(document: Document) -> Iterator[str]:
    for row in document["evidence"]:
        who = who_of(row["report_id"])
        seen = f"no report; servers logged {who}" if who else f"report {row['report_id']}"
        yield f"{row['text']}: {row['at']} {row['address']} {seen}"
    for line in document["lines"]:
        place = f"{line['file']}:{line['line']}" if line["file"] else f"{line['probe']} {line['target']}".strip()
        yield f"{line['code']} {place} {line['text']}"


def _history(document: Document) -> Iterator[str]:
    for row in document["history"]:
        yield f"{row['at']} {row['state']}: {row['sentence']}"


_MOST_MACHINES = 20
_SECTIONS = {
    "compared with what (boots that fail so, of those that got that far)": _considered,
    "what the data cannot tell apart, and what would": _alternatives,
    "ruled out": _ruled_out,
    "the same machines": _paired,
    "changes near the onset": _changes,
    "machines": _machines,
    "evidence": _evidence,
    "history": _history,
}


def _change(row: Document) -> str:
    minutes = abs(row["before_onset_s"]) / 60.0
    side = "before" if row["before_onset_s"] >= 0.0 else "after"
    at = datetime.fromtimestamp(row["at_s"], UTC).strftime("%H:%M")
    who = f" by {row['who']}" if row["who"] else ""
    return f"; change {minutes:.0f} min {side} it at {at} UTC{who}: {row['text']} (by chance {row['by_chance']:.1%})"


def _words(conditions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in conditions.items())


def _share(interval: Sequence[float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
