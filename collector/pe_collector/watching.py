"""An answer that redraws itself on a terminal until Ctrl-C."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

EVERY_S = 2.0


def watch(draw: Callable[[int], str], every_s: float = EVERY_S) -> None:
    """Show what `draw` gives for the width of the terminal, anew every `every_s` seconds; nothing in it is markup."""
    from rich.console import Console  # noqa: PLC0415 - only who watches pays for it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()

    def screen() -> Text:
        lines = [*draw(console.width).splitlines(), time.strftime("%H:%M:%SZ  Ctrl-C ends", time.gmtime())]
        return Text("\n".join(lines), no_wrap=True, overflow="crop")

    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(screen(), console=console, screen=console.is_terminal, auto_refresh=False) as live,
    ):
        while True:
            time.sleep(every_s)
            live.update(screen(), refresh=True)
