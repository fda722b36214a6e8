"""How does a line of letters become a picture on a console? A QR code of half blocks, else of # signs."""

from __future__ import annotations

from collections.abc import Sequence

_BORDER = 2
# A console is black: what is light in the code must be drawn. (upper half light, lower half light) -> sign.
_BLOCKS = {(True, True): "\u2588", (True, False): "\u2580", (False, True): "\u2584", (False, False): " "}


def qr_lines(text: str, encoding: str) -> list[str]:
    """Lines for a console of this encoding; none where no QR library loads or the text is too long for a code."""
    try:
        import segno  # noqa: PLC0415 - needed on few screens, and may be left out of an image
    except ImportError:
        return []
    try:
        code = segno.make_qr(text, error="l")
    except segno.DataOverflowError:
        return []
    light = [[not dark for dark in row] for row in code.matrix_iter(border=_BORDER)]
    return (
        _half_blocks(light) if _knows_blocks(encoding) else ["".join("##" if on else "  " for on in r) for r in light]
    )


def _half_blocks(light: Sequence[Sequence[bool]]) -> list[str]:
    rows = [*light, *([[False] * len(light[0])] * (len(light) % 2))]
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_BLOCKS[both] for both in zip(upper, lower, strict=True)) for upper, lower in pairs]


def _knows_blocks(encoding: str) -> bool:
    try:
        "".join(_BLOCKS.values()).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
