"""Can what documents and messages tell to install be installed? Its name and extras are those of the distribution."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from tests.docs.test_commands import PAGES, ROOT

_PLACES = [*PAGES, *sorted(ROOT.glob("agent/**/*.py")), *sorted(ROOT.glob("collector/**/*.py"))]
_EXTRA = re.compile(r"pip install [^\n]*?['\"`]?\b([\w.-]+)\[([\w, -]+)\]")
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def told() -> Iterator[tuple[str, str, str]]:
    """Place, distribution and extra of every `pip install X[extra]`."""
    for place in _PLACES:
        for name, extras in _EXTRA.findall(place.read_text(encoding="utf-8")):
            for extra in extras.split(","):
                yield place.name, name, extra.strip()


def test_what_is_told_to_be_installed_is_ours_and_has_that_extra():
    found = list(told())
    assert {place for place, _, _ in found} >= {"scale.md", "engine.py"}
    assert [row for row in found if row[1] != _PROJECT["name"] or row[2] not in _PROJECT["optional-dependencies"]] == []
