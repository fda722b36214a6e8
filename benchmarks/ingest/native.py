"""The programs in cpp/, built when the benchmark runs, with what Debian has for gRPC, protobuf and SQLite in C++."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PROTOS = _HERE.parents[1] / "protos"
_PROTO = "pe_protos/v1/report.proto"


def build(folder: Path) -> Path | None:
    """Where `load` and `server` are now; None when they cannot be built here, and why is said."""
    plugin = shutil.which("grpc_cpp_plugin")
    if plugin is None or shutil.which("protoc") is None or shutil.which("g++") is None:
        print("not built: apt-get install g++ pkg-config libgrpc++-dev protobuf-compiler-grpc libsqlite3-dev")
        return None
    outs = [f"--cpp_out={folder}", f"--grpc_out={folder}", f"--plugin=protoc-gen-grpc={plugin}"]
    subprocess.run(["protoc", f"-I{_PROTOS}", *outs, _PROTO], check=True)
    flags, libraries = (_flags(kind) for kind in ("--cflags", "--libs"))
    compiler = ["g++", "-O2", "-std=c++17", f"-I{folder}", *flags]
    stem = folder / _PROTO.removesuffix(".proto")
    made = [stem.with_name(f"report{kind}.pb.cc") for kind in ("", ".grpc")]
    for source in made:
        subprocess.run([*compiler, "-c", source, "-o", source.with_suffix(".o")], check=True)
    objects = [source.with_suffix(".o") for source in made]
    for name in ("load", "server"):
        subprocess.run([*compiler, _HERE / "cpp" / f"{name}.cc", *objects, *libraries, "-o", folder / name], check=True)
    return folder


def _flags(kind: str) -> list[str]:
    done = subprocess.run(["pkg-config", kind, "grpc++", "protobuf", "sqlite3"], capture_output=True, check=True)
    return [*done.stdout.decode().split(), *(["-lpthread", "-lz"] if kind == "--libs" else [])]
