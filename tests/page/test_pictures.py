"""The pictures of the page in docs/; they stay only where PE_PICTURES names a folder."""

import os
from pathlib import Path

import pytest

MOST_OCTETS = 150_000
# Name -> kind of page, width and height in pixels, theme.
PICTURES = {
    "page-deploying": ("board", 1280, 560, "light"),
    "page-pattern": ("pattern", 1280, 760, "dark"),
    "page-subnets": ("subnets", 1280, 320, "light"),
    "page-boot": ("boot", 1280, 800, "light"),
    "page-narrow": ("patterns", 375, 720, "light"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_for_the_docs(visitor, places, tmp_path, name):
    kind, width, height, theme = PICTURES[name]
    visitor.theme(theme)
    visitor.width(width, height)
    visitor.open(places[kind])
    if kind == "board":
        visitor.wait(lambda: visitor.text("#live") == "live", "the stream")
    path = Path(os.environ.get("PE_PICTURES") or tmp_path) / f"{name}.png"
    visitor.picture(path)
    assert path.stat().st_size <= MOST_OCTETS
