"""The stub pdh.dll has the names that psutil asks for and needs nothing itself, whichever compiler built it."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from pe_image.pe_headers import parse
from pe_image.pe_imports import exports_of, imports_of

from .payload_parts import needs_mingw

NAMES = {
    "PdhAddEnglishCounterW",
    "PdhCloseQuery",
    "PdhCollectQueryData",
    "PdhCollectQueryDataEx",
    "PdhGetFormattedCounterValue",
    "PdhOpenQueryW",
    "PdhRemoveCounter",
}
BUILD = "import sys; from pe_image.payload_stub import build_stub; sys.stdout.buffer.write(build_stub(sys.argv[1]))"
# The compilers that are here: without a search path only the one that is a Python package is found.
MINGW = [("x64", os.environ.get("PATH", ""))]
MINGW += [("x86", os.environ.get("PATH", ""))] if shutil.which("i686-w64-mingw32-gcc") else []
ZIG = [("x64", ""), ("arm64", "")] if importlib.util.find_spec("ziglang") else []


@needs_mingw
@pytest.mark.parametrize(("machine", "path"), [*MINGW, *ZIG])
def test_a_stub_exports_what_psutil_imports_and_imports_nothing(machine, path):
    command = [sys.executable, "-c", BUILD, machine]
    octets = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, check=True).stdout
    stub = parse(octets)
    assert stub.machine == machine
    assert {name for name in exports_of(stub) if not name.startswith("#")} == NAMES
    assert list(imports_of(stub)) == []


def test_without_a_compiler_it_says_what_to_install():
    command = [sys.executable, "-c", BUILD, "x86"]
    done = subprocess.run(command, env=os.environ | {"PATH": ""}, capture_output=True, text=True, check=False)
    assert "apt-get install gcc-mingw-w64" in done.stderr
