"""`pe-collector`, also as `python -m pe_collector`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; never returns."""
    # gRPC writes a line for each handshake that fails: whoever speaks nonsense must not fill the journal.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from pe_collector.cli import run  # noqa: PLC0415 - so that `import pe_collector.__main__` stays free of click

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
