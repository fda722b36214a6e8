"""The page by keyboard alone."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


def press(visitor, *keys):
    for key in keys:
        visitor.driver.switch_to.active_element.send_keys(key)


def focused(visitor, what="textContent"):
    return visitor.run(f"return document.activeElement.{what}")


def test_the_first_stop_skips_to_the_content(visitor):
    visitor.open("/q")
    press(visitor, Keys.TAB)
    assert focused(visitor) == "Skip to the content"
    assert visitor.run("return document.activeElement.getBoundingClientRect().left") >= 0
    assert visitor.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(visitor, Keys.ENTER)
    assert focused(visitor, "id") == "main"


def test_a_slash_goes_to_the_search_and_enter_finds_the_machine(visitor):
    visitor.open("/q")
    press(visitor, "/")
    assert focused(visitor, "id") == "find"
    press(visitor, "DEMO000240", Keys.ENTER)
    visitor.wait(lambda: "/q/machines" in visitor.driver.current_url, "the answer")
    assert visitor.text("#count") == "1"


def test_a_slash_in_a_field_is_a_slash(visitor):
    visitor.open("/sql")
    visitor.run("document.getElementById('query').focus(); document.getElementById('query').value = ''")
    press(visitor, "1/2")
    assert focused(visitor, "value") == "1/2"


def test_arrows_go_from_row_to_row(visitor):
    visitor.open("/q/machines?limit=5")
    visitor.run("document.querySelector('tbody tr a').focus()")
    press(visitor, Keys.ARROW_DOWN)
    assert visitor.run("return document.activeElement.closest('tr').rowIndex") == 2
    press(visitor, Keys.ARROW_UP)
    assert visitor.run("return document.activeElement.closest('tr').rowIndex") == 1


def test_the_tab_key_reaches_every_link_and_field(visitor):
    visitor.open("/upload")
    visitor.run("window.seen = new Set(); addEventListener('focusin', e => seen.add(e.target))")
    wanted = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), textarea')]"
    for _ in range(visitor.run(f"return {wanted}.length") + 2):
        # Not to the element: a file field takes keys for the name of a file.
        ActionChains(visitor.driver).send_keys(Keys.TAB).perform()
    assert visitor.run(f"return {wanted}.filter(e => !seen.has(e)).map(e => e.outerHTML)") == []
