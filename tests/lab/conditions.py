"""Can the laboratory be built on this machine?"""

from __future__ import annotations

import importlib.util
import os

from .daemons import missing_programs


def why_not() -> str:
    """The reason in one line; empty when nothing stands in the way."""
    if os.geteuid() != 0:
        return "needs root: network namespaces and ports below 1024"
    missing = missing_programs()
    if missing:
        return f"needs {', '.join(missing)}"
    if importlib.util.find_spec("impacket") is None:
        return "needs the Python package impacket"
    return ""
