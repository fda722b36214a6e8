"""How large is the payload, and how long after a boot image's hook does the agent ask its first question?

Usage: python benchmarks/start.py [RUNS]

Under Wine, which is not Windows PE: the seconds say what the agent adds to a bare start of Python, not what a machine
will show. The commands take turns, so that what else the machine does meets all of them; processor seconds (of the
program alone, up to the first question) hold on a busy machine too. The hook is timed from the command interpreter that
winpeshl.exe would start to the moment that the report itself names for its first question.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

from pe_agent import wire
from pe_agent.bundle import MAGIC, read_bundle
from pe_agent.model import Observation, Verdict
from pe_image.hooks import HOOK_SCRIPT

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON, WHEELS = (REPOSITORY / ".venv" / name for name in ("windows-python", "windows-wheels"))
WINE = next((p for p in ("/usr/lib/wine/wine64", shutil.which("wine64")) if p and Path(p).exists()), None)
FIRST_PROBE_S, PACKED_BYTES, UNPACKED_BYTES = 0.5, 15_000_000, 30_000_000
# Says so on stdout when the first probe is asked (its module is loaded, and its function is called), and when the first
# answer of any has come, so that nothing can be put off from before the question until after it.
WATCHED = """
import queue, sys, threading
said = set()
def say(word):
    if word not in said:
        said.add(word)
        sys.__stdout__.write(word + "\\n")
        sys.__stdout__.flush()
def see(frame, event, _):
    if not threading.current_thread().name.startswith("probe-"):
        sys.setprofile(None)
    elif event == "call" and frame.f_code.co_name == "run" and "probes" in frame.f_code.co_filename:
        threading.setprofile(None)
        sys.setprofile(None)
        say("asked")
class Answers(queue.SimpleQueue):
    def put(self, answer):
        super().put(answer)
        say("answered")
queue.SimpleQueue = Answers
threading.setprofile(see)
sys.argv = ["pe_agent", *sys.argv[1:]]
import runpy
runpy.run_module("pe_agent", run_name="__main__", alter_sys=True)
"""
_NOWHERE = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
# What a command prints, and what it means.
_LINES = {"started": "first line", "asked": "first probe", "answered": "first answer"}
# What a boot asks first; of this machine only, and of nobody on its network.
_FIRST_PHASE = "address,architecture,wpeinit,adapters,boot-record"
_QUIET = {"PE_AGENT_WATCH_S": "0", "PE_AGENT_WAIT_FOR_ADDRESS_S": "0.1", "PE_AGENT_TIMEOUT_S": "0.1"}
_TOLD = r"C:\pe-agent\told.toml"
_SETTINGS = """
collector = ["127.0.0.1:1"]
plain = true
image_build = "0123456789abcdef"
image_name = "Microsoft Windows Setup (amd64)"
"""
_AUTO = (r".\python.exe", "-c", WATCHED, "auto", "--foreground")
_REPORT = (r".\python.exe", "-c", WATCHED, "report")
COMMANDS = {
    "python -c print": ((r".\python.exe", "-c", "print('started', flush=True)"), {}),
    "auto": ((*_AUTO, "--no-send"), {}),
    "auto with an agent.toml": (_AUTO, {"PE_AGENT_CONFIG": _TOLD}),
    "report": ((*_REPORT, "--no-send"), {}),
}


def main() -> None:
    """Print sizes and times; what is over its bound is marked."""
    if WINE is None or not (PYTHON / "python.exe").exists() or not list(WHEELS.glob("grpcio-*win_amd64.whl")):
        sys.exit("needs wine64, .ci/windows-python and .ci/windows-wheels")
    with tempfile.TemporaryDirectory() as name:
        payload, *_ = (_built(Path(name), *options) for options in ((), ("--full",)))
        with _machine(Path(name), payload) as (folder, environment):
            runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
            _time_hook(runs, folder, environment)
            _time_all(runs, folder, environment)


def _built(folder: Path, *options: str) -> Path:
    with zipfile.ZipFile(folder / "python.zip", "w") as archive:
        for file in sorted(PYTHON.iterdir()):
            archive.write(file, file.name)
    command = [sys.executable, "-m", "pe_image", "payload", "--python", str(folder / "python.zip"), *options]
    began = time.monotonic()
    payload = folder / f"payload{''.join(options)}.zip"
    subprocess.run([*command, "--wheels", str(WHEELS), "--output", str(payload)], check=True, stdout=DEVNULL)
    took_s = time.monotonic() - began
    with zipfile.ZipFile(payload) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    packed = payload.stat().st_size
    over = " OVER" if packed > PACKED_BYTES or unpacked > UNPACKED_BYTES else ""
    title = f"payload {' '.join(options)}"
    print(f"{title:16} {packed / 1e6:5.1f} MB zipped, {unpacked / 1e6:5.1f} MB unpacked, built in {took_s:.1f} s{over}")
    return payload


@contextmanager
def _machine(place: Path, payload: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    prefix = place / "wine"
    prefix.mkdir()
    environment = (
        os.environ
        | {
            "WINEPREFIX": str(prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "XDG_RUNTIME_DIR": str(prefix),
            # Nothing here may speak to the network of the machine that runs this.
            "PE_AGENT_ONLY": _FIRST_PHASE,
        }
        | _QUIET
    )
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver64"
    subprocess.run([server, "-p"], env=environment, check=True, **_NOWHERE)
    subprocess.run([WINE, "wineboot", "-i"], env=environment, check=True, **_NOWHERE)
    folder = prefix / "drive_c" / "pe-agent"
    with zipfile.ZipFile(payload) as archive:
        archive.extractall(folder)
    (folder / "told.toml").write_text(_SETTINGS)
    try:
        yield folder, environment
    finally:
        subprocess.run([server, "-k"], env=environment, check=False)


def _time_hook(runs: int, folder: Path, environment: dict[str, str]) -> None:
    """From the start of what winpeshl.exe starts until it ends, and until the first probe is asked.

    For comparison: a command interpreter that does nothing, and the hook with a program of one line for the agent.
    """
    _lay_hooks(folder)
    # Windows' clock since boot less ours: the pipe only ever delays, so the largest is the nearest.
    apart_s = max(_clocks_apart_s(folder, environment) for _ in range(5))
    taken: dict[str, list[float]] = {}

    def add(title: str, script: str, answer: Callable[[], float]) -> None:
        began_s = time.monotonic()
        subprocess.run([WINE, "cmd", "/c", script], env=environment, check=True, **_NOWHERE)
        taken.setdefault(f"{title}: to its end", []).append(time.monotonic() - began_s)
        taken.setdefault(f"{title}: {'first probe' if 'hook' in title else 'first line'}", []).append(
            answer() - apart_s - began_s
        )

    for _ in range(runs):
        began_s = time.monotonic()
        subprocess.run([WINE, "cmd", "/c", "exit"], env=environment, check=True, **_NOWHERE)
        taken.setdefault("cmd /c exit", []).append(time.monotonic() - began_s)
        add("one line of Python so started", r"C:\pe-agent\bare.cmd", lambda: _line_s(folder / "bare.txt"))
        add("hook.cmd", r"C:\pe-agent\hook.cmd", lambda: _first_question_s(folder / "spool"))
        (folder / "pythonw.exe").rename(folder / "pythonw.hidden")
        add("hook.cmd, no pythonw.exe", r"C:\pe-agent\hook.cmd", lambda: _first_question_s(folder / "spool"))
        (folder / "pythonw.hidden").rename(folder / "pythonw.exe")
    for title, rows in taken.items():
        over = " OVER" if "first probe" in title and statistics.median(rows) > FIRST_PROBE_S else ""
        print(f"{title:37} {statistics.median(rows):5.2f} s median of {runs}, {min(rows):.2f} s best{over}")


def _lay_hooks(folder: Path) -> None:
    (folder / "hook.cmd").write_text(HOOK_SCRIPT, newline="")
    bare = HOOK_SCRIPT.replace("-m pe_agent auto --foreground", r'"%~dp0bare.py"')
    (folder / "bare.cmd").write_text(bare, newline="")
    (folder / "bare.py").write_text("import time\nopen(__file__[:-2] + 'txt', 'w').write(f'{time.monotonic()}\\n')")


def _line_s(path: Path) -> float:
    """When the one line was written, by Windows' clock since boot; it is removed."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        time.sleep(0.2)
        if path.exists() and (text := path.read_text()).endswith("\n"):
            path.unlink()
            return float(text)
    sys.exit("the program that the hook started left no line")


def _clocks_apart_s(folder: Path, environment: dict[str, str]) -> float:
    command = [WINE, r".\python.exe", "-c", "import time; print(time.monotonic(), flush=True)"]
    with subprocess.Popen(command, env=environment, cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL) as process:
        told, now_s = process.stdout.readline(), time.monotonic()
        process.communicate()
    return float(told) - now_s


def _first_question_s(spool: Path) -> float:
    """When the first probe of the kept report began, by Windows' clock since boot; the report is removed."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        time.sleep(0.2)
        state = spool / "pe-agent.state.json"
        for path in spool.glob("*.pespool"):
            octets = path.read_bytes()
            if not octets.startswith(MAGIC):
                # Only just made.
                continue
            frames = [wire.parse_frame(r) for r in read_bundle(octets) if isinstance(r, bytes)]
            records = [wire.decode_record(frame) for frame in frames[1:]]
            if any(isinstance(record, Verdict) for record in records):
                path.unlink()
                state.unlink(missing_ok=True)
                return min(record.started_at_s for record in records if isinstance(record, Observation))
    sys.exit("the agent that the hook started left no report")


def _time_all(runs: int, folder: Path, environment: dict[str, str]) -> None:
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(runs):
        for title, (command, told) in COMMANDS.items():
            for line, times in _time(command, folder, environment | told).items():
                taken.setdefault(f"{title}: {_LINES[line]}", []).append(times)
    for title, rows in taken.items():
        wall, processor = zip(*rows, strict=True)
        median_s = statistics.median(wall)
        over = " OVER" if "first probe" in title and median_s > FIRST_PROBE_S else ""
        print(
            f"{title:37} {median_s:5.2f} s median of {runs}, {min(wall):.2f} s best,"
            f" {statistics.median(processor):.2f} s of processor{over}"
        )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _time(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds from the start of the program to each of its lines that the table knows."""
    times = {}
    began = time.monotonic()
    with subprocess.Popen(
        [WINE, *command], env=environment, cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, text=True
    ) as process:
        for line in process.stdout:
            if (word := line.strip()) in _LINES:
                times[word] = time.monotonic() - began, processor_s(process.pid)
    return times


def processor_s(pid: int) -> float:
    """User and system time (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
