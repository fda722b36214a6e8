"""Do the documents name only commands, options, files and pictures that exist?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"`(pe-(?:agent|collector|image) [^`]+)`")
_LINE = re.compile(r"^\s*(?:\$ |C:\\> |X:\\> )?(pe-(?:agent|collector|image) .*)$")
# What stands for a value, a rest or a choice in a document.
_NO_WORD = re.compile(r"^(\.\.\.|\[.*|.*\]|[A-Z/\-.]+|#.*)$")


def programs() -> dict[str, click.Command]:
    """The three command lines by their names."""
    from pe_agent.cli import main as agent
    from pe_collector.cli import main as collector
    from pe_image.cli import main as image

    return {"pe-agent": agent, "pe-collector": collector, "pe-image": image}


def commands_in(page: Path) -> Iterator[tuple[int, str]]:
    """Number of the line and the command, from fenced or indented blocks and from code in a sentence."""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        whole = _LINE.match(line)
        for text in [whole[1]] if whole and line[:1] in " $XC" else _CODE.findall(line):
            yield number, text


def problem_of(text: str) -> str | None:
    """What is wrong with a command as a document shows it; None when it exists with all its options."""
    try:
        words = shlex.split(text.replace("\\", "\\\\"), comments=True)
    except ValueError:
        words = text.split()
    command, names = programs()[words[0]], words[1:]
    while isinstance(command, click.Group) and names and not names[0].startswith("-"):
        name = names.pop(0)
        if _NO_WORD.match(name):
            return None
        for one in name.split("|"):
            if command.get_command(click.Context(command), one.rstrip(",;")) is None:
                return f"no command {one!r}"
        command = command.get_command(click.Context(command), name.split("|")[0].rstrip(",;")) or command
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    given = {word.strip("[],;").split("=")[0] for word in names if word.strip("[").startswith("--")}
    wanting = sorted(option for word in given for option in word.split("|") if option not in known)
    return f"no option {', '.join(wanting)}" if wanting else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_that_a_page_shows_exists(page: Path) -> None:
    wrong = [
        f"{page.name}:{number}: {text}: {what}" for number, text in commands_in(page) if (what := problem_of(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert problem_of("pe-collector nonsense") == "no command 'nonsense'"
    assert problem_of("pe-collector patterns --nonsense") == "no option --nonsense"
    assert problem_of("pe-collector patterns --since 2h") is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_exists(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {Path(link).name for link in _LINK.findall(index)}
    assert {page.name for page in PAGES if page.parent.name == "docs"} - {"README.md"} <= linked
    assert "docs/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_signatures_is_made_from_their_rows() -> None:
    from .signatures import page

    made = "Make it again: .venv/bin/python -m tests.docs.signatures > docs/signatures.md"
    assert (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8") == page(), made
