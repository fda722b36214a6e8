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
    # Chosen by the button, not by the system: paper is white all the same.
    visitor.run("document.getElementById('theme').click()")
    assert visitor.run("return document.documentElement.dataset.theme") == "dark"
    for pixels in (1280, 375):
        visitor.width(pixels)
        assert visitor.run("return document.documentElement.scrollWidth") <= pixels
    visitor.width(1280)
    assert visitor.run("return document.querySelector('.top').offsetHeight") <= 50, (
        "the pages, search and theme in one row"
    )
    visitor.media("print")
    assert visitor.run("return getComputedStyle(document.querySelector('.top')).display") == "none"
    assert visitor.run("return document.querySelector('main').getBoundingClientRect().height") > 50
    assert visitor.run(CONTRAST, 4.5)["found"] == [], "printed"
    assert visitor.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    visitor.media("")
    assert visitor.complaints() == []
    assert visitor.asked_hosts() == {served.ops}


def test_the_newest_stretch_of_time_is_in_view_on_a_narrow_screen(visitor, places):
    visitor.width(375)
    visitor.open(places["subnets"])
    left, right = visitor.run(
        "const cells = document.querySelectorAll('.map tbody tr:first-child td');"
        "const place = cells[cells.length - 1].getBoundingClientRect(); return [place.left, place.right]"
    )
    assert 0 <= left < right <= 375


def test_ids_and_codes_stay_on_one_line_and_rows_are_no_taller_than_their_text(visitor, places):
    visitor.open(places["machines"])
    heights = visitor.run("return [...document.querySelectorAll('table.answer tbody tr')].map(row => row.offsetHeight)")
    assert len(heights) == 40
    assert max(heights) <= 50
    visitor.open("/q/patterns")
    assert all(text.count("`") == 0 for text in visitor.texts("main"))
    tall = visitor.run("return [...document.querySelectorAll('table.answer tbody tr')].map(row => row.offsetHeight)")
    assert max(tall) <= 110
    onsets = visitor.run("return [...document.querySelectorAll('td[data-name=onset] time')].length")
    assert onsets >= 1


def test_on_a_narrow_screen_outcome_and_title_come_first(visitor, places):
    visitor.width(375)
    for path, name in ((places["machines"], "outcome"), ("/q/patterns", "title")):
        visitor.open(path)
        placed = visitor.run(
            "return [...document.querySelectorAll('table.answer tbody tr:first-child td:not(:empty)')]"
            ".map(cell => [cell.getBoundingClientRect(), cell.dataset.name])"
            ".sort((a, b) => a[0].top - b[0].top || a[0].left - b[0].left).map(place => place[1])"
        )
        assert name in placed[:2], placed


def test_the_button_names_the_other_theme_also_after_the_system_changed(visitor):
    visitor.open("/q")
    for theme, other in (("light", "Dark"), ("dark", "Light"), ("light", "Dark")):
        visitor.theme(theme)
        # The browser tells the page of the change with its next frame.
        visitor.wait(lambda other=other: visitor.text("#theme") == other, f"the button to say {other}")


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
