"""The page docs/signatures.md, made from the rows that the agent judges by."""

from __future__ import annotations

import sys

from pe_agent.signatures import Signature, load

_HEAD = """# Every signature

Made by `python -m tests.docs.signatures` from `agent/pe_agent/signatures/*.toml`; how a row is written stands in
`agent/pe_agent/signatures/README.md`. In the order of the way to a Windows: an earlier cause leads. *Verified*: the
source shows this very wording or answer. *Inferred*: the parts are published, their meeting is not. *From memory*: no
source was found. `$name` is filled in from what was seen.
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = sorted(load().signatures, key=lambda row: (row.stage, row.id))
    lines = [_HEAD]
    stage = None
    for row in rows:
        if row.stage is not stage:
            stage = row.stage
            lines.append(f"## {stage.name.capitalize()}\n")
        lines.append(_section(row))
    return "\n".join(lines)


def _section(row: Signature) -> str:
    return (
        f"### {row.id}\n\n{row.title.template}\n\n{row.advice.template}\n\n"
        f"Who must act: {row.owner.value} | makes the boot a {row.status.value} | "
        f"confidence {row.confidence:g} | {row.mark.value}: {row.source}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
