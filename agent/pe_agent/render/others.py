"""What do the smaller commands show? Explanations of logs and codes, the list of probes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from pe_agent.codes import CodeMeaning
from pe_agent.explain import Explanation
from pe_agent.render.as_json import finding_object, ruled_out_object
from pe_agent.render.as_text import finding_lines
from pe_agent.words import clean


def render_explanation(explanation: Explanation, form: str) -> str:
    """What `pe-agent explain` says of files: `text`, `json` (one object) or `jsonl` (a line a finding)."""
    if form == "jsonl":
        return "\n".join(json.dumps(finding_object(f)) for f in explanation.findings)
    if form == "json":
        document = {
            "findings": [finding_object(f) for f in explanation.findings],
            "ruled_out": [ruled_out_object(r) for r in explanation.ruled_out],
            "files": list(explanation.files),
            "notes": list(explanation.notes),
        }
        return json.dumps(document, indent=2)
    lines = [line for finding in explanation.findings for line in finding_lines(finding)]
    if not lines:
        lines.append(f"No known cause in {len(explanation.files)} file(s).")
    lines += [clean(f"ruled out: {r.title}: {r.because}") for r in explanation.ruled_out]
    lines += [clean(f"note: {note}") for note in explanation.notes]
    return "\n".join(lines)


def render_code(meaning: CodeMeaning, form: str) -> str:
    """What `pe-agent explain CODE` says; `json` and `jsonl` are one object."""
    if form != "text":
        return json.dumps({"code": meaning.hex, **{k: v for k, v in asdict(meaning).items() if k != "number"}})
    name = meaning.name or "not in the list"
    return "\n".join(
        (
            f"{meaning.hex} {name} ({meaning.kind})",
            f"  {meaning.text}",
            f"  do:  {meaning.advice}",
            f"  see: {meaning.source}",
        )
    )


def render_probe_list(rows: Sequence[tuple[str, str, float]], form: str) -> str:
    """(name, question, seconds at most) of each probe, as `text` or `json`."""
    if form == "json":
        keys = ("name", "question", "deadline_s")
        return json.dumps({"probes": [dict(zip(keys, row, strict=True)) for row in rows]}, indent=2)
    return "\n".join(f"{name:<16} {question} (at most {deadline_s:g} s)" for name, question, deadline_s in rows)
