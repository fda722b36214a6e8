"""Fuzz one target, or all of them one after the other: `python -m tests.fuzz [CODEC.FUNCTION ...] [--seconds N]`.

Each target runs in a process of its own, because the fuzzer ends its process. Exits 1 when one of them broke; the
octets that broke it are printed and kept in the folder that is named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from .targets import TARGETS, Target

_LARGEST_OCTETS = 4096
_INSTRUMENTED = ["pe_agent.codec", "pe_agent.readers", "pe_agent.carried", "pe_agent.redact", "pe_agent.scan"]
_BY_NAME = {str(target): target for target in TARGETS}


def fuzz_here(target: Target, seconds: int, folder: Path) -> None:
    """Fuzz in this process, which does not return."""
    import atheris

    (folder / "seed").write_bytes(target.seed)
    with atheris.instrument_imports(include=_INSTRUMENTED):
        feed = target.load()
    limits = [f"-max_total_time={seconds}", f"-max_len={_LARGEST_OCTETS}", "-timeout=5", "-rss_limit_mb=1024"]
    kept = [f"-artifact_prefix={folder}/broke-", "-use_value_profile=1", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *kept, str(folder)], feed)
    atheris.Fuzz()


def fuzz(target: Target, seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Fuzz in a process of its own; exit code 0 when nothing broke."""
    command = [sys.executable, "-m", "tests.fuzz", str(target), "--seconds", str(seconds), "--in", str(folder)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False, cwd=root)


def executed(output: str) -> int:
    """How many inputs the fuzzer says it ran."""
    lines = [line for line in output.splitlines() if "number_of_executed_units" in line]
    return int(lines[-1].split()[-1]) if lines else 0


def main() -> int:
    """Fuzz what is named; everything without a name."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("names", nargs="*", metavar="CODEC.FUNCTION", help="; ".join(_BY_NAME))
    options.add_argument("--seconds", type=int, default=60, help="for each target [60]")
    options.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    told = options.parse_args()
    unknown = [name for name in told.names if name not in _BY_NAME]
    if unknown:
        options.error(f"no such target: {', '.join(unknown)}")
    if told.folder is not None:
        fuzz_here(_BY_NAME[told.names[0]], told.seconds, told.folder)
    return max(_report(_BY_NAME[name], told.seconds) for name in told.names or _BY_NAME)


def _report(target: Target, seconds: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    done = fuzz(target, seconds, folder)
    print(f"{target}: {executed(done.stderr)} inputs, {'ok' if done.returncode == 0 else 'BROKEN'}", flush=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], f"kept in {folder}", sep="\n", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
