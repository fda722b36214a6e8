"""A headless browser that keeps to this machine, and what is asked of every page in it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=1280,900",
)
WITHIN_S = 60.0
_POLICY = (
    "window.violations = []; addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective));"
)


def programs() -> tuple[str | None, str | None]:
    """The browser and its driver, where they are installed."""
    return shutil.which("chromium"), shutil.which("chromedriver")


@contextmanager
def browser(profile: Path) -> Iterator[webdriver.Chrome]:
    chromium, driver = programs()
    options = Options()
    options.binary_location = chromium or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as made:
        made.set_page_load_timeout(WITHIN_S)
        made.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _POLICY})
        yield made


class Visitor:
    """One browser at one collector."""

    def __init__(self, driver: webdriver.Chrome, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> "Visitor":
        self.driver.get(self.base + path)
        return self

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str = "main") -> str:
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def texts(self, selector: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())", selector)

    def wait(self, holds: Callable[[], Any], what: str) -> Any:
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until:
            if found := holds():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {WITHIN_S:g} s")

    def complaints(self) -> list[str]:
        """What the console said since it was asked last, and breaches of the page's policy."""
        said = [line["message"] for line in self.driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
        return said + self.run("return window.violations || []")

    def asked_hosts(self) -> set[str]:
        """Addresses that requests went to since it was asked last."""
        events = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return {url.split("/")[2] if "://" in url else url.split(":")[0] for url in urls}

    def width(self, pixels: int, height: int = 900) -> None:
        told = {"width": pixels, "height": height, "deviceScaleFactor": 1, "mobile": pixels < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)

    def theme(self, name: str) -> None:
        told = {"media": "", "features": [{"name": "prefers-color-scheme", "value": name}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", told)

    def media(self, name: str) -> None:
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": name, "features": []})

    def picture(self, path: Path) -> None:
        path.write_bytes(self.driver.get_screenshot_as_png())
