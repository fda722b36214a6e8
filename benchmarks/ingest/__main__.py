"""Durable reports a second, each way after the other in one run, all with TLS (P-256), every acknowledged id looked up.

    python -m benchmarks.ingest [--scale F] [--out docs/benchmarks-ingest.md]

A report is a hello, 12 observations, a setupact.log of 200 KB and a verdict. Compare rows of one run only. As root it
runs in a network namespace of its own, so that what is counted on the wire is its own. Not part of the tests.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc

from benchmarks.ingest import native
from benchmarks.ingest.table import page
from benchmarks.ingest.ways import Job, Result, idle_octets, measure

_MARK = "PE_INGEST_APART"
# Way, mode, agents, reports.
JOBS = (
    Job("collector", "stream", 1, 200),
    Job("naive, a transaction a row", "stream", 1, 100),
    Job("JSON, PostgreSQL", "stream", 1, 300),
    Job("collector", "stream", 10, 800),
    Job("naive, a transaction a row", "stream", 10, 200),
    Job("JSON, PostgreSQL", "stream", 10, 600),
    Job("collector", "stream", 100, 1500),
    Job("C++", "stream", 100, 4000),
    Job("naive, a transaction a row", "stream", 100, 300),
    Job("naive, a transaction a report", "stream", 100, 800),
    Job("JSON, PostgreSQL", "stream", 100, 1000),
    Job("collector", "forward", 2, 2000),
    Job("collector", "fresh", 100, 1000),
    Job("C++", "fresh", 100, 1000),
    Job("collector", "stream", 1000, 3000),
    Job("C++", "stream", 1000, 6000),
    Job("naive, a transaction a row", "stream", 1000, 1000),
    Job("JSON, PostgreSQL", "stream", 1000, 2000),
    Job("collector", "fresh", 1000, 1000),
    Job("C++", "fresh", 1000, 1000),
)
IDLE = 1000


def main() -> None:
    """Measure everything, print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="So many times the reports of each way.")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    if os.getuid() == 0 and _MARK not in os.environ:
        apart = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        again = [*apart, sys.executable, "-m", "benchmarks.ingest", *sys.argv[1:]]
        raise SystemExit(subprocess.run(again, env=os.environ | {_MARK: "1"}, check=False).returncode)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    with tempfile.TemporaryDirectory(prefix="pe-ingest-cpp-") as name:
        programs = native.build(Path(name))
        if programs is None:
            raise SystemExit(1)
        results = [_measured(job, programs, told.scale) for job in JOBS]
        idle = idle_octets(programs, IDLE)
    text = page(results, idle, _machine())
    print(text)
    if told.out:
        told.out.write_text(text, encoding="utf-8")


def _measured(job: Job, programs: Path, scale: float) -> Result:
    most = job.agents if job.agents == 1000 and job.mode == "fresh" else max(job.agents, round(job.reports * scale))
    split_s = 5.0 if job.way == "collector" and job.mode == "stream" and job.agents == 100 else 0.0
    result = measure(Job(job.way, job.mode, job.agents, most), programs, split_s=split_s)
    print(
        f"{job.way} {job.mode} {job.agents}: {result.per_s:.0f}/s, {result.cpu_ms:.2f} ms", file=sys.stderr, flush=True
    )
    return result


def _machine() -> str:
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} processors, Python {platform.python_version()}, grpcio {grpc.__version__}, load {load}"


if __name__ == "__main__":
    main()
