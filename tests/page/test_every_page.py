"""What holds for each page: it draws without a complaint, asks nobody else, fits, and can be read and printed."""

from pathlib import Path

import pytest

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
KINDS = (
    *(
        "board",
        "patterns",
        "pattern",
        "slow-pattern",
        "silence-pattern",
        "silent",
        "subnets",
        "machines-of-subnet",
        "switches",
    ),
    *("boot", "log", "machines", "questions", "sql", "upload"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_draws_fits_and_can_be_read_in_both_themes(visitor, served, places, kind):
    visitor.open(places[kind])
    assert visitor.texts("h1")[0]
    for theme in ("dark", "light"):
        visitor.theme(theme)
        seen = visitor.run(CONTRAST, 4.5)
        assert seen["looked"] > 10
        assert seen["found"] == [], theme
    for pixels in (1280, 375):
        visitor.width(pixels)
        assert visitor.run("return document.documentElement.scrollWidth") <= pixels
    visitor.media("print")
    assert visitor.run("return getComputedStyle(document.querySelector('.top')).display") == "none"
    assert visitor.run("return document.querySelector('main').getBoundingClientRect().height") > 50
    visitor.media("")
    assert visitor.complaints() == []
    assert visitor.asked_hosts() == {served.ops}


def test_what_is_not_there_is_said_on_a_page(visitor):
    visitor.open("/machine/nobody-has-this")
    assert "is no machine here" in visitor.text(".problem")
    visitor.complaints()


def test_the_contrast_check_finds_grey_on_grey(visitor):
    visitor.open("/q")
    visitor.run("const p = document.querySelector('p'); p.style.color = '#888888'; p.style.background = '#999999'")
    assert any("P." in line for line in visitor.run(CONTRAST, 4.5)["found"])


def test_the_theme_chosen_by_hand_lasts(visitor):
    visitor.open("/q")
    before = visitor.run("return getComputedStyle(document.documentElement).backgroundColor")
    visitor.run("document.getElementById('theme').click()")
    visitor.open("/sql")
    after = visitor.run("return getComputedStyle(document.documentElement).backgroundColor")
    assert before == "rgb(255, 255, 255)"
    assert after == "rgb(20, 24, 29)"
