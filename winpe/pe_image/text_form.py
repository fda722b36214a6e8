"""How is a script written down, and how is it written back in the same encoding?"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace

# The order matters: a UTF-8 mark is no prefix of the others.
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Every octet is a character in Latin-1, so text of any ANSI code page comes back as it was.
_ANSI = "latin-1"


@dataclass(frozen=True, slots=True)
class Script:
    """Text with the byte order mark and encoding it came in."""

    text: str
    encoding: str = _ANSI
    mark: bytes = b""

    @property
    def line_end(self) -> str:
        """What ends its lines; the Windows way where it has none."""
        return "\n" if "\n" in self.text and "\r\n" not in self.text else "\r\n"

    def with_text(self, text: str) -> Script:
        """The same form around other text."""
        return replace(self, text=text)

    def octets(self) -> bytes:
        """As a file holds it."""
        return self.mark + self.text.encode(self.encoding)


def read_script(octets: bytes) -> Script:
    """Octets as text: by their byte order mark, as UTF-16 without one where every other octet is 0, else ANSI."""
    for mark, encoding in _MARKS:
        if octets.startswith(mark):
            return _decoded(octets[len(mark) :], encoding, mark)
    if len(octets) >= 4 and len(octets) % 2 == 0 and not any(octets[1:64:2]):
        return _decoded(octets, "utf-16-le", b"")
    return Script(octets.decode(_ANSI))


def _decoded(octets: bytes, encoding: str, mark: bytes) -> Script:
    """A file that is damaged in its own encoding is kept octet by octet."""
    try:
        return Script(octets.decode(encoding), encoding, mark)
    except UnicodeDecodeError:
        return Script((mark + octets).decode(_ANSI))
