"""What goes into an image: the payload, the hook, and what the agent must know to report."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pe_image.errors import ImageError
from pe_image.hooks import FOLDER, HOOK_SCRIPT
from pe_image.payload_zip import UNREADABLE

_INTERPRETER, _MANIFEST = "python.exe", "manifest.json"
_BLOCK_OCTETS = 1 << 20
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
# IMAGE_FILE_MACHINE_* (PE format specification).
_MACHINES = {0x014C: "x86", 0x8664: "x64", 0x01C4: "arm", 0xAA64: "arm64"}


@dataclass(frozen=True, slots=True)
class Orders:
    """What the operator wants in the image. `collectors` and `uploads` (HTTPS) are HOST:PORT, tried in order."""

    payload: Path
    collectors: tuple[str, ...]
    token_file: Path
    ca: Path
    uploads: tuple[str, ...] = ()
    way: str = "kind"


@dataclass(frozen=True, slots=True)
class Cargo:
    """Everything that is the same for each image, unpacked: `folder` becomes \\pe-agent."""

    folder: Path
    files: Mapping[str, str]
    payload_sha256: str
    architecture: str
    collectors: tuple[str, ...]
    uploads: tuple[str, ...]

    def settings(self, image_build: str, image_name: str) -> bytes:
        """agent.toml for one image."""
        rows: dict[str, str | list[str]] = {
            "collector": list(self.collectors),
            "upload": list(self.uploads),
            "ca": "ca.pem",
            "token_file": "token",
            "image_build": image_build,
            "image_name": image_name,
        }
        return "".join(f"{name} = {_toml(value)}\n" for name, value in rows.items()).encode()


def payload_octets(payload: Path) -> int:
    """How much room the payload needs when it is unpacked.

    Raises:
        ImageError: it is no zip archive.
    """
    with _opened(payload) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def load_cargo(orders: Orders, folder: Path) -> Cargo:
    """Unpack the payload and lay the hook, token and certificate beside it.

    Raises:
        ImageError: one of them is not what it should be.
    """
    token, certificate = _token(orders.token_file), _certificate(orders.ca)
    collectors, uploads = _addresses("--collector", orders.collectors), _addresses("--upload", orders.uploads)
    with _opened(orders.payload) as archive:
        _unpack(archive, folder)
    _check_way(_manifest(folder, orders.payload), orders)
    own = {"hook.cmd": HOOK_SCRIPT.encode("ascii"), "token": token, "ca.pem": certificate}
    for name, octets in own.items():
        (folder / name).write_bytes(octets)
    files = {
        rf"{FOLDER}\{path.relative_to(folder).as_posix()}".replace("/", "\\"): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    machine = _machine(folder / _INTERPRETER)
    return Cargo(folder, files, sha256_of(orders.payload), machine, collectors, uploads)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(payload: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(payload)
    except UNREADABLE as exc:
        raise ImageError(f"{payload}: {exc}; name the zip that `pe-image payload` wrote") from exc


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Names that point outside the folder are refused, also by the rules of Windows."""
    folder.mkdir(parents=True)
    names = [entry.filename for entry in archive.infolist()]
    if _INTERPRETER not in names:
        raise ImageError(f"{archive.filename}: no {_INTERPRETER} at its top; this is no payload")
    for entry in archive.infolist():
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename or name.parts[:1] == ("original",):
            raise ImageError(f"{archive.filename}: refuses to unpack {entry.filename!r}")
        target = folder.joinpath(*name.parts)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(entry) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, _BLOCK_OCTETS)
        except UNREADABLE as exc:
            raise ImageError(f"{archive.filename}: {exc}; copy it again, or build it again") from exc


def _manifest(folder: Path, payload: Path) -> dict[str, object]:
    """What an unpacked payload says of itself, every file of it compared with its hash there."""
    try:
        told = dict(json.loads((folder / _MANIFEST).read_bytes()))
        digests = {str(row["path"]): row["sha256"] for row in told["files"]}
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise ImageError(
            f"{payload}: no {_MANIFEST} that can be read, so no agent; name the zip that `pe-image payload` wrote"
        ) from exc
    for path, digest in digests.items():
        file = folder / path
        if not file.is_file() or sha256_of(file) != digest:
            raise ImageError(
                f"{payload}: {path} is not what its {_MANIFEST} says; build it again with `pe-image payload`"
            )
    return told


def _check_way(manifest: Mapping[str, object], orders: Orders) -> None:
    """An agent that can reach nobody is refused, and so is an address that it could never use."""
    transport, has_tls = manifest.get("transport", "grpc"), manifest.get("tls", True)
    if transport == "https" and not orders.uploads:
        raise ImageError(f"{orders.payload} has no gRPC: name the collector's address for uploads with --upload")
    if transport == "grpc" and not orders.collectors:
        raise ImageError("nobody to report to: name the collector with --collector")
    if orders.uploads and not has_tls:
        raise ImageError(
            f"{orders.payload} cannot upload, it has no TLS for HTTPS: build it again with `pe-image payload`, "
            "or leave out --upload"
        )


def _token(path: Path) -> bytes:
    octets = _read(path).strip()
    if not octets or not octets.isascii() or len(octets.split()) != 1:
        raise ImageError(f"{path}: a token is one word; name the file that `pe-collector init` wrote")
    return octets + b"\n"


def _certificate(path: Path) -> bytes:
    octets = _read(path)
    if b"PRIVATE KEY" in octets:
        raise ImageError(
            f"{path} holds a private key, which everybody who boots could read; name the certificate alone"
        )
    if b"-----BEGIN CERTIFICATE-----" not in octets:
        raise ImageError(f"{path} holds no certificate (PEM); name the ca.pem that `pe-collector init` wrote")
    return octets


def _addresses(option: str, told: Sequence[str]) -> tuple[str, ...]:
    for text in told:
        found = _ADDRESS.fullmatch(text)
        if found is None or not 0 < int(found.group(2)) < 65536:
            raise ImageError(f"{option} {text!r}: HOST:PORT is needed")
    return tuple(told)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ImageError(f"{path}: {exc.strerror}") from exc


def _machine(program: Path) -> str:
    """The architecture a Windows program is built for (PE format: e_lfanew, then Machine)."""
    octets = program.read_bytes()[:4096]
    try:
        (at,) = struct.unpack_from("<I", octets, 0x3C)
        signature, machine = struct.unpack_from("<4sH", octets, at)
    except struct.error as exc:
        raise ImageError(f"{program.name} in the payload is no Windows program") from exc
    if octets[:2] != b"MZ" or signature != b"PE\0\0" or machine not in _MACHINES:
        raise ImageError(f"{program.name} in the payload is no Windows program")
    return _MACHINES[machine]


def _toml(value: str | list[str]) -> str:
    """A JSON string is a basic string of TOML, but for what stands outside the first plane and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
