"""Draw what the story shows as pictures for the README: `python -m tests.lab.pictures FOLDER`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from .story import Outcome, play, stage

WIDTH = 112
CLIENTS = 6


def draw(folder: Path, outcome: Outcome) -> None:
    """Write verdict.svg (a technician's screen) and patterns.svg (what operations see)."""
    picture(folder / "verdict.svg", "$ pe-agent report", "pe-agent report", outcome.screen)
    picture(folder / "patterns.svg", "$ pe-collector patterns", "pe-collector patterns", outcome.patterns_text)


def picture(path: Path, prompt: str, title: str, text: str) -> None:
    """One terminal window as SVG; `text` may hold ANSI colours."""
    with path.with_suffix(".txt").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, force_terminal=True, file=nowhere)
        console.print(Text(prompt, style="dim"))
        console.print(Text.from_ansi(text.rstrip()))
    path.with_suffix(".txt").unlink()
    # The picture must not fetch a font from anywhere.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    path.write_text(svg, encoding="utf-8")


def main() -> None:
    """Play the story and draw it."""
    folder = Path(sys.argv[1])
    with stage(CLIENTS, print) as (lab, collector):
        draw(folder, play(lab, collector, print))


if __name__ == "__main__":
    main()
