"""Load on a collector, and what must hold afterwards."""

import contextlib
import sqlite3
import subprocess
import sys
import time

REPORT_FRAMES = 14


def loadgen(collector, acks, *arguments, wrapper=(), environment=None):
    command = [*wrapper, sys.executable, "-m", "pe_collector", "loadgen", "--data", str(collector.data)]
    command += ["--collector", collector.address, "--acks", str(acks), *map(str, arguments)]
    command += [] if collector.plain else ["--tls"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process, timeout_s=240):
    try:
        said, complained = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said, complained


def acknowledged(acks):
    """Every id that was acknowledged so far; the line being written does not count."""
    text = acks.read_text() if acks.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    assert len(lines) == len(set(lines))
    return set(lines)


def stored(collector):
    return {report_id for report_id, _, complete, _ in collector.reports() if complete}


def assert_whole(collector):
    """The file is sound; a complete report has each frame once; an incomplete one has what it says it has."""
    with contextlib.closing(sqlite3.connect(collector.data / "collector.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        wrong = connection.execute(
            "SELECT report.report_id, complete, stored_through, count(frame.sequence) AS frames, max(frame.sequence) "
            "FROM report LEFT JOIN frame ON frame.report_id=report.report_id AND sequence>0 GROUP BY report.report_id "
            "HAVING frames<>stored_through OR (complete AND frames<>?) OR (frames AND max(frame.sequence)<>frames)",
            (REPORT_FRAMES,),
        ).fetchall()
    assert wrong == []


def wait_for(condition, within_s=60.0):
    """Whether the condition came true in time."""
    until_s = time.monotonic() + within_s
    while not (found := condition()) and time.monotonic() < until_s:
        time.sleep(0.05)
    return found
