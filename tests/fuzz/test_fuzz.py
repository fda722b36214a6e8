"""Is every codec fuzzed, and does the fuzzer find what it is there to find?"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pe_agent.codec
import pytest
from pe_agent.errors import DecodeError
from pe_agent.readers.formats import FORMATS

from . import __main__ as driver
from .targets import TARGETS, Target

FOLDER = Path(pe_agent.codec.__file__).parent
CODECS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")


def decoders(codec: str) -> set[str]:
    """Public functions of a codec that take octets from outside, by their names in the source."""
    tree = ast.parse((FOLDER / f"{codec}.py").read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if name.startswith("decode")}


@pytest.mark.parametrize("codec", CODECS)
def test_every_decoder_of_every_codec_is_fuzzed(codec: str) -> None:
    fuzzed = {target.function for target in TARGETS if target.codec == codec}
    assert fuzzed, f"no row for {codec}"
    assert decoders(codec) <= fuzzed


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_row_names_a_function_and_takes_its_seed(target: Target) -> None:
    feed = target.load()
    feed(target.seed)
    feed(b"")


@needs_atheris
@pytest.mark.parametrize("codec", CODECS)
def test_a_moment_of_fuzzing_breaks_no_codec(codec: str, tmp_path: Path) -> None:
    target = next(target for target in TARGETS if target.codec == codec)
    done = driver.fuzz(target, 1, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert driver.executed(done.stderr) > 100


@needs_atheris
@pytest.mark.parametrize("target", [t for t in TARGETS if t.package == "tests.fuzz"], ids=str)
def test_a_moment_of_fuzzing_breaks_neither_redaction_nor_judging(target: Target, tmp_path: Path) -> None:
    done = driver.fuzz(target, 1, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_refusal_is_quiet_and_a_crash_is_loud() -> None:
    with pytest.raises(TypeError):
        Target("rpc", "decode", beside=("an argument too many",)).load()(b"")
    assert issubclass(DecodeError, Exception)
    Target("rpc", "decode").load()(b"\xff")


def test_every_format_of_logs_is_fuzzed() -> None:
    assert {target.beside[0] for target in TARGETS if target.package == "readers"} == {row.name for row in FORMATS}
