#!/usr/bin/env python3
"""Make the Python code beside each .proto, or with --check say whether it has drifted."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PROTOS = ("pe_protos/v1/report.proto",)
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def generate(out: Path) -> None:
    """Write the generated modules of every proto below `out`."""
    from grpc_tools import protoc  # noqa: PLC0415 - a build tool, absent where only --help is wanted

    flags = [f"--proto_path={ROOT}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *flags, *PROTOS]) != 0:
        raise SystemExit("protoc refused the .proto files; its message stands above")


def drifted() -> list[str]:
    """Names of committed generated files that differ from what protoc makes now."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        stems = [proto.removesuffix(".proto") for proto in PROTOS]
        names = [stem + suffix for stem in stems for suffix in SUFFIXES]
        return [n for n in names if _octets(ROOT / n) != _octets(Path(name) / n)]


def _octets(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def main() -> int:
    """Return 0 when the generated code is (now) right."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    names = drifted()
    for name in names:
        print(f"protos/{name} is not what protoc makes of its .proto: run python protos/generate.py")
    return 1 if names else 0


if __name__ == "__main__":
    raise SystemExit(main())
