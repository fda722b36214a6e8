"""Which modules of the standard library need not be loaded before the first probe, though others import them?

`dataclasses` imports inspect for classes without a docstring and copy for `asdict`. With all that these import in
turn (ast, dis, tokenize, weakref), they are a sixth of what a run does up to its first probe.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

_SELDOM_NEEDED = ("inspect", "copy")


def import_dataclasses() -> None:
    """Load dataclasses, and what it seldom needs only when that is asked for; all others import the real modules."""
    spared = [name for name in _SELDOM_NEEDED if name not in sys.modules]
    sys.modules.update({name: _stand_in(name) for name in spared})
    try:
        import_module("dataclasses")
    finally:
        for name in spared:
            del sys.modules[name]


def _stand_in(name: str) -> ModuleType:
    """A module whose attributes are those of the real one, which is loaded with the first of them (PEP 562)."""
    module = ModuleType(name)
    module.__dict__["__getattr__"] = lambda attribute: getattr(import_module(name), attribute)
    return module
