"""`pe-agent`, also as `python -m pe_agent`."""

from __future__ import annotations

import sys

from pe_agent import hook, spared
from pe_agent.argv import translate


def main() -> None:
    """Run the command line; never returns."""
    spared.import_dataclasses()
    words = translate(sys.argv[1:], windows=sys.platform == "win32")
    if hook.is_plain(words):
        hook.run_plain(words)
        sys.exit(0)
    from pe_agent.cli import run  # noqa: PLC0415 - what is imported here is paid for before the first line shows

    sys.exit(run(words))


if __name__ == "__main__":
    main()
