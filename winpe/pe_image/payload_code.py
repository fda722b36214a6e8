"""Which files of a Python package does the payload carry, and compiled to what?"""

from __future__ import annotations

import importlib.util
import marshal
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from pe_image.payload_target import PayloadError

# PEP 552: hash-based, and the hash is never compared, so that nothing depends on clocks or on sources being there.
_UNCHECKED_HASH = (0b01).to_bytes(4, "little")
# Later forms of marshal mark what is referenced elsewhere in the compiling process too, which differs from run to run.
_MARSHAL_FORM = 2
_OWN_PACKAGES = ("pe_agent", "pe_protos")
_OWN_DATA = (".toml",)


def compile_module(path: str, source: bytes) -> bytes:
    """A .pyc; the same octets for the same path and source, whatever process compiles it.

    Raises:
        PayloadError: it is no Python that this Python understands.
    """
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError) as exc:
        raise PayloadError(f"{path}: cannot be compiled: {exc}") from exc
    magic = importlib.util.MAGIC_NUMBER
    return magic + _UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code, _MARSHAL_FORM)


def compiled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files with every .py as a .pyc beside where it would lie (modules without source, PEP 3147)."""
    answer = {}
    for path, octets in files.items():
        if path.endswith(".py"):
            answer[path + "c"] = compile_module(path, octets)
        else:
            answer[path] = octets
    return answer


def own_code() -> dict[str, bytes]:
    """Sources and tables of the agent as it is installed here, without importing it.

    Raises:
        PayloadError: it is not installed.
    """
    return {path: octets for name in _OWN_PACKAGES for path, octets in _package_files(name).items()}


def own_version(files: Mapping[str, bytes]) -> str:
    """The agent's version, read from its source."""
    text = files["pe_agent/__init__.py"].decode("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise PayloadError("pe_agent says no version")
    return found[1]


def own_licence() -> bytes:
    """The licence of the installed distribution.

    Raises:
        PayloadError: it is not there.
    """
    try:
        files = metadata.distribution("pe-agent").files or []
    except metadata.PackageNotFoundError as exc:
        raise PayloadError("pe-agent is not installed in this Python; install it") from exc
    for file in files:
        if file.name == "LICENSE":
            return Path(str(file.locate())).read_bytes()
    raise PayloadError("the installed pe-agent has no LICENSE file; install it again")


def _package_files(name: str) -> dict[str, bytes]:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise PayloadError(f"{name} is not installed in this Python; install pe-agent")
    root = Path(next(iter(spec.submodule_search_locations)))
    found = (path for path in sorted(root.rglob("*")) if path.suffix in (".py", *_OWN_DATA) and path.is_file())
    return {f"{name}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in found}
