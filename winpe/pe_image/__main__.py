"""`pe-image`, also as `python -m pe_image`."""

from __future__ import annotations

from pe_image.cli import main

if __name__ == "__main__":
    main(prog_name="pe-image")
