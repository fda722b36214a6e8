"""`pe-collector`, also as `python -m pe_collector`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; never returns."""
    from pe_collector.cli import run  # noqa: PLC0415 - so that `import pe_collector.__main__` stays free of click

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
