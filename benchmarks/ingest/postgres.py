"""What a user would write instead: JSON over HTTPS to PostgreSQL, a transaction for each report.

python -m benchmarks.ingest.postgres SOCKETS KEY CERTIFICATE     the server: starlette, uvicorn, psycopg
python -m benchmarks.ingest.postgres load PORT ACKS AGENTS REPORTS LOG_BYTES     the agents
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pe_agent import wire
from pe_collector.loadgen import Load, make_frames
from pe_protos.v1 import report_pb2 as pb

_CONNECTIONS = 8
_TABLES = """
CREATE TABLE report (id text PRIMARY KEY, serial text, image text, outcome text, received timestamptz DEFAULT now());
CREATE TABLE observation (report text REFERENCES report, sequence int, probe text, target text, outcome text,
    reason text, facts jsonb, PRIMARY KEY (report, sequence));
CREATE TABLE log (report text REFERENCES report, path text, data bytea, PRIMARY KEY (report, path));
"""
_INSERT = (
    "INSERT INTO report (id, serial, image, outcome) VALUES (%s,%s,%s,%s) ON CONFLICT DO NOTHING",
    "INSERT INTO observation VALUES (%s,%s,%s,%s,%s,%s,%s) ON CONFLICT DO NOTHING",
    "INSERT INTO log VALUES (%s,%s,%s) ON CONFLICT DO NOTHING",
)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[int]:
    """A cluster of its own, its sockets in that folder; gives the postmaster's process id."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    who = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.getuid() == 0 else []
    folder.mkdir()
    if who:
        shutil.chown(folder, "postgres", "postgres")
    base = folder / "base"
    _run([*who, programs / "initdb", "-D", base, "-A", "trust", "-U", "postgres"])
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections=30"
    _run([*who, programs / "pg_ctl", "-D", base, "-w", "-o", options, "start"])
    try:
        yield int((base / "postmaster.pid").read_text().split()[0])
    finally:
        _run([*who, programs / "pg_ctl", "-D", base, "-m", "fast", "stop"])


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


def reports(sockets: Path) -> set[str]:
    """The ids that are stored."""
    import psycopg  # noqa: PLC0415 - a benchmark's own dependency

    with psycopg.connect(_where(sockets)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM report JOIN log ON log.report=report.id")}


def _where(sockets: Path) -> str:
    return f"host={sockets} user=postgres dbname=postgres"


async def serve(sockets: Path, key: str, certificate: str) -> None:
    """Print the port, then serve until killed."""
    import psycopg  # noqa: PLC0415 - as above
    import uvicorn  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import JSONResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await psycopg.AsyncConnection.connect(_where(sockets)))
    first = free.get_nowait()
    await first.execute(_TABLES)
    await first.commit()
    free.put_nowait(first)

    async def post(request: Request) -> JSONResponse:
        report = json.loads(await request.body())
        connection = await free.get()
        try:
            await _insert(connection, report)
        finally:
            free.put_nowait(connection)
        return JSONResponse({"id": report["id"]})

    app = Starlette(routes=[Route("/reports", post, methods=["POST"])])
    config = uvicorn.Config(
        app, port=0, log_level="error", access_log=False, ssl_keyfile=key, ssl_certfile=certificate, backlog=2048
    )
    # Of a thousand agents most wait for their turn.
    config.timeout_keep_alive = 3600
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    print(f"postgres on 127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]} ", flush=True)
    await serving


async def _insert(connection: Any, report: dict[str, Any]) -> None:
    async with connection.transaction(), connection.cursor() as cursor:
        identity = (report["id"], report["serial"], report["image"], report["outcome"])
        await cursor.execute(_INSERT[0], identity)
        rows = [(report["id"], *row[:-1], json.dumps(row[-1])) for row in report["observations"]]
        await cursor.executemany(_INSERT[1], rows)
        await cursor.execute(_INSERT[2], (report["id"], report["path"], base64.b64decode(report["log"])))


def as_json(frames: list[bytes]) -> bytes:
    """The same report as a document, its log compressed and in base64."""
    hello, *rest = map(pb.Frame.FromString, frames)
    observations = [
        [f.sequence, o.probe, o.target, o.outcome, o.reason, wire.facts_from_pb(o.facts)]
        for f in rest
        if f.HasField("observation")
        for o in (f.observation,)
    ]
    log = next(f.log for f in rest if f.HasField("log"))
    document = {"id": hello.hello.report_id.hex(), "serial": hello.hello.identity.serial, "outcome": "healthy"}
    document |= {"image": hello.hello.boot.image_build, "path": log.path}
    return json.dumps(document | {"observations": observations, "log": base64.b64encode(log.data).decode()}).encode()


async def load(port: int, acks: Path, told: Load) -> dict[str, float]:
    """Agents that keep their connections; what is sent was made before the clock starts."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    chance = random.Random(1)  # noqa: S311 - not a secret
    bodies = [as_json(make_frames(chance, told, "")) for _ in range(told.reports)]
    took: list[float] = []
    ids: list[str] = []
    began = time.monotonic()

    async def agent() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, ssl_handshake_timeout=300)
        while bodies:
            body, since = bodies.pop(), time.monotonic()
            head = f"POST /reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            writer.write(head.encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length:")[1].split()[0])
            ids.append(json.loads(await reader.readexactly(length))["id"])
            took.append(time.monotonic() - since)
        writer.close()

    await asyncio.gather(*(agent() for _ in range(told.agents)))
    elapsed_s = time.monotonic() - began
    acks.write_text("".join(f"{each}\n" for each in ids))
    took.sort()
    quantiles = {"p50_ms": took[len(took) // 2] * 1000, "p99_ms": took[len(took) * 99 // 100] * 1000}
    return {"reports": len(took), "elapsed_s": elapsed_s, **quantiles, "last_ms": took[-1] * 1000}


if __name__ == "__main__":
    if sys.argv[1] == "load":
        _, _, at, file, agents, count, log_bytes = sys.argv
        what = Load(int(agents), int(count), log_bytes=int(log_bytes))
        print(json.dumps(asyncio.run(load(int(at), Path(file), what))))
    else:
        asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
