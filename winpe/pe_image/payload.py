"""What is in the folder pe-agent of a boot image? Python, its wheels, the agent, a launcher, and a list of it all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pe_image import payload_code, payload_python, payload_tls
from pe_image.authenticode import NOT_CHECKED
from pe_image.payload_python import Embeddable
from pe_image.payload_target import PayloadError, Target, is_left_out
from pe_image.payload_wheels import Wheel
from pe_image.payload_zip import zip_files

FORMAT = 1
MANIFEST, LAUNCHER, OWN_ZIP, NATIVE_FOLDER = "manifest.json", "pe-agent.cmd", "app.zip", "lib"
# %~dp0 is the folder of the launcher, wherever the image is mounted; %SystemDrive% is not set everywhere.
_LAUNCHER = '@"%~dp0python.exe" -m pe_agent %*\r\n'


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Everything a payload is made of.

    Attributes:
        extra: files by path that lie there as they are.
        full: leave nothing of Python out, and pack nothing.
    """

    target: Target
    python: Embeddable
    wheels: Sequence[Wheel]
    extra: Mapping[str, bytes]
    full: bool = False

    @property
    def packs_tls(self) -> bool:
        """Whether Python's own TLS lies in an archive, because most boots do without it."""
        return not self.full and self.target.transport != "https"


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that was built: the zip, and its manifest."""

    octets: bytes
    manifest: Mapping[str, object]
    unpacked_bytes: int
    app_bytes: int
    native_bytes: int

    def shares(self) -> dict[str, int]:
        """Octets unpacked of what it is made of; `app` is the agent with the wheels that hold no machine code."""
        python = self.unpacked_bytes - self.app_bytes - self.native_bytes
        return {
            "wheels with machine code": self.native_bytes,
            "agent and other wheels": self.app_bytes,
            "Python": python,
        }


def build(ingredients: Ingredients) -> Payload:
    """Put a payload together; the same ingredients give the same octets.

    Raises:
        PayloadError: the agent is not installed here, or a file cannot be compiled.
    """
    own = payload_code.own_code()
    tls = payload_tls.tls_parts(ingredients.python.files)
    files = _python_files(ingredients)
    if ingredients.packs_tls:
        files = {name: octets for name, octets in files.items() if name not in tls}
        files[payload_tls.ARCHIVE] = zip_files(tls, compress=True)
    in_zip = payload_code.compiled(own)
    for wheel in ingredients.wheels:
        if wheel.is_native():
            compiled = payload_code.compiled(wheel.files)
            files |= {f"{NATIVE_FOLDER}/{path}": octets for path, octets in compiled.items()}
        else:
            in_zip |= payload_code.compiled(wheel.files)
    # X: is memory. To inflate all of it takes 12 ms of a processor, what the first probe needs a quarter of that.
    files[OWN_ZIP] = zip_files(in_zip, compress=True)
    files[LAUNCHER] = _LAUNCHER.encode("ascii")
    files |= _licences(ingredients) | dict(ingredients.extra)
    manifest = _manifest(ingredients, payload_code.own_version(own), files, tls)
    files[MANIFEST] = _manifest_octets(manifest)
    native_bytes = sum(len(octets) for path, octets in files.items() if path.startswith(f"{NATIVE_FOLDER}/"))
    unpacked_bytes = sum(map(len, files.values()))
    return Payload(zip_files(files, compress=True), manifest, unpacked_bytes, len(files[OWN_ZIP]), native_bytes)


def with_files(payload: Mapping[str, bytes], files: Mapping[str, bytes]) -> bytes:
    """The zip of a payload (path -> octets) with more files beside python.exe, its manifest saying so.

    Raises:
        PayloadError: the payload has no manifest.
    """
    try:
        manifest = json.loads(payload[MANIFEST])
    except (KeyError, ValueError) as exc:
        raise PayloadError(f"the payload has no {MANIFEST} that can be read; build it again") from exc
    together = {path: octets for path, octets in payload.items() if path != MANIFEST} | dict(files)
    taken = sorted({*manifest.get("taken_from_windows", ()), *files})
    manifest |= {"files": _file_rows(together), "taken_from_windows": taken}
    return zip_files(together | {MANIFEST: _manifest_octets(manifest)}, compress=True)


def stub_path(wheels: Iterable[Wheel]) -> str:
    """Where the stub pdh.dll lies: beside psutil's module, where only that module finds it.

    Raises:
        PayloadError: psutil is not in the payload, and nothing else needs pdh.dll.
    """
    if not any(wheel.name.project == "psutil" for wheel in wheels):
        raise PayloadError("the payload has no psutil, so nothing in it needs pdh.dll")
    return f"{NATIVE_FOLDER}/psutil/pdh.dll"


def _python_files(ingredients: Ingredients) -> dict[str, bytes]:
    groups = () if ingredients.full else ("python",)
    python = ingredients.python
    kept = {name: octets for name, octets in python.files.items() if not is_left_out(name, *groups)}
    short = "python" + python.version.rpartition(".")[0].replace(".", "")
    if not ingredients.full:
        kept[f"{short}.zip"] = payload_python.lean_library(kept[f"{short}.zip"])
    # With this file Python looks nowhere else, whatever the environment says.
    kept[f"{short}._pth"] = f"{short}.zip\r\n{OWN_ZIP}\r\n{NATIVE_FOLDER}\r\n.\r\n".encode("ascii")
    kept.pop("LICENSE.txt", None)
    return kept


def _licences(ingredients: Ingredients) -> dict[str, bytes]:
    apache = payload_code.own_licence()
    found = {
        "licences/pe-agent/LICENSE": apache,
        "licences/openssl/LICENSE": apache,
        "licences/python/LICENSE.txt": ingredients.python.files.get("LICENSE.txt", b""),
    }
    for wheel in ingredients.wheels:
        found |= {f"licences/{wheel.name.project}/{name}": octets for name, octets in wheel.licences.items()}
    return {path: octets for path, octets in found.items() if octets}


def _manifest(
    ingredients: Ingredients, version: str, files: Mapping[str, bytes], tls: Mapping[str, bytes]
) -> dict[str, object]:
    python = ingredients.python
    parts = [
        {"name": "pe-agent", "version": version, "licence": "Apache-2.0"},
        {"name": "python", "version": python.version, "licence": "PSF-2.0", "sha256": python.sha256},
        payload_tls.openssl_row(tls),
        *(
            {"name": w.name.project, "version": w.name.version, "licence": w.licence, "sha256": w.sha256}
            for w in ingredients.wheels
        ),
    ]
    return {
        "format": FORMAT,
        "architecture": ingredients.target.architecture,
        "transport": ingredients.target.transport,
        "tls": True,
        "packed": {payload_tls.ARCHIVE: _file_rows(tls)} if ingredients.packs_tls else {},
        "agent_version": version,
        "parts": parts,
        "signatures": _signatures(python),
        "files": _file_rows(files),
    }


def _file_rows(files: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [
        {"path": path, "size_bytes": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}
        for path, octets in sorted(files.items())
    ]


def _manifest_octets(manifest: Mapping[str, object]) -> bytes:
    return (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()


def _signatures(python: payload_python.Embeddable) -> dict[str, object]:
    rows: dict[str, list[str]] = {}
    for name, signature in sorted(python.signatures.items()):
        rows.setdefault(f"{signature.standing}: {signature.signer}, root {signature.root}", []).append(name)
    return {"checked": rows, "unsigned": list(python.unsigned_files()), "not_checked": list(NOT_CHECKED)}
