"""What one would write first: the same stream, and each row, or each report, a transaction through sqlite-utils.

    python -m benchmarks.ingest.naive DATABASE KEY CERTIFICATE row|report

Nothing is checked, redacted or unpacked; a batch is taken as the collector takes it. synchronous=FULL as there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

import grpc
from pe_agent import wire
from pe_protos.v1 import report_pb2 as pb
from sqlite_utils import Database


class Naive:
    """Takes reports as streams of frames."""

    def __init__(self, path: Path, *, whole: bool) -> None:
        self._database = Database(path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._whole = whole

    async def deliver(self, messages: Any, _context: Any) -> Any:
        """One report: a receipt for the hello and one at the end."""
        report_id = ""
        async for octets in messages:
            message = pb.Frame.FromString(octets)
            if message.HasField("hello"):
                report_id = message.hello.report_id.hex()
                self._database.table("report").upsert(_report(report_id, message.hello), pk="id")
                yield pb.Receipt(protocol=1, batch_bytes=1 << 20)
                continue
            frames = [pb.Frame.FromString(each) for each in message.batch.frames] or [message]
            with self._database.atomic() if self._whole else contextlib.nullcontext():
                for frame in frames:
                    self._keep(report_id, frame)
            yield pb.Receipt(protocol=1, stored_through=frames[-1].sequence, complete=frames[-1].HasField("summary"))

    def _keep(self, report_id: str, frame: pb.Frame) -> None:
        key = {"report": report_id, "sequence": frame.sequence}
        if frame.HasField("observation"):
            body = frame.observation
            row = {"probe": body.probe, "target": body.target, "outcome": body.outcome, "reason": body.reason}
            facts = wire.facts_from_pb(body.facts)
            self._database.table("observation").upsert(key | row | {"facts": facts}, pk=("report", "sequence"))
        elif frame.HasField("log"):
            log: dict[str, object] = {"path": frame.log.path, "codec": frame.log.codec, "data": frame.log.data}
            self._database.table("log").upsert(key | log, pk=("report", "sequence"))
        elif frame.HasField("summary"):
            self._database.table("report").update(report_id, {"outcome": frame.summary.status}, alter=True)


def _report(report_id: str, hello: pb.Hello) -> dict[str, object]:
    return {"id": report_id, "serial": hello.identity.serial, "image": hello.boot.image_build, "outcome": ""}


async def serve(path: Path, key: bytes, certificate: bytes, *, whole: bool) -> None:
    """Print the port, then serve until killed."""
    server = grpc.aio.server()
    handler: Any = grpc.stream_stream_rpc_method_handler(
        Naive(path, whole=whole).deliver, response_serializer=pb.Receipt.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pe.v1.Ingest", {"Deliver": handler}),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()
    print(f"naive on 127.0.0.1:{port} ", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    _, database, key_file, certificate_file, unit = sys.argv
    asyncio.run(
        serve(Path(database), Path(key_file).read_bytes(), Path(certificate_file).read_bytes(), whole=unit == "report")
    )
