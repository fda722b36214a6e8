"""Which kind of boot image is it, and which file starts programs there?"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

INI_PATH = r"Windows\System32\winpeshl.ini"
_COMMENT = re.compile(r"^[ \t]*;.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of kinds.toml. `ini` is a regular expression, empty when the image must have no winpeshl.ini.

    `files`: one of them must be there. `way` names a row of WAYS in hooks.py; `reads_unattend`: something reads
    Unattend.xml of the root; `refused` says why nothing is ever put into such an image.
    """

    id: str
    title: str
    ini: str
    hook: str
    way: str
    reads_unattend: bool
    refused: str = ""
    files: tuple[str, ...] = ()

    def fits(self, ini: str | None, paths: frozenset[str]) -> bool:
        """Whether an image with this winpeshl.ini (None: it has none) and these paths is of this kind."""
        if self.files and not any(file.lower() in paths for file in self.files):
            return False
        if self.ini:
            return ini is not None and re.search(self.ini, _COMMENT.sub("", ini), re.IGNORECASE) is not None
        return ini is None


def load_kinds() -> tuple[Kind, ...]:
    """The table of kinds, in the order in which it is asked."""
    text = resources.files("pe_image").joinpath("kinds.toml").read_text(encoding="utf-8")
    return tuple(Kind(**row | {"files": tuple(row.get("files", ()))}) for row in tomllib.loads(text)["kind"])


def kind_of(ini: str | None, paths: Iterable[str], kinds: Iterable[Kind]) -> Kind | None:
    """The kind of an image; `paths` use backslashes and no leading one, case does not matter."""
    lowered = frozenset(path.lower() for path in paths)
    return next((kind for kind in kinds if kind.fits(ini, lowered)), None)
