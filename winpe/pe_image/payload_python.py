"""Is this the embeddable Python of python.org, and which of its files does the agent need?"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tomllib
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from io import BytesIO
from pathlib import Path

from cryptography import x509

from pe_image.authenticode import Signature, Standing, check
from pe_image.payload_target import PayloadError, is_left_out, load_known_files
from pe_image.payload_zip import UNREADABLE, zip_files
from pe_image.pe_headers import PeFile, PeFormatError, file_version, parse

# Debian's, from the package ca-certificates.
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
_MOST_OCTETS = 200 << 20


@dataclass(frozen=True, slots=True)
class Embeddable:
    """The files of an embeddable Python by name. `version` like `3.11.9`, `architecture` as its python.exe has it."""

    sha256: str
    files: Mapping[str, bytes]
    signatures: Mapping[str, Signature]
    architecture: str
    version: str

    def unsigned_files(self) -> tuple[str, ...]:
        """Files that no signature and no known hash vouches for."""
        known = {row.sha256 for row in load_known_files()}
        plain = sorted(set(self.files) - set(self.signatures))
        return tuple(name for name in plain if hashlib.sha256(self.files[name]).hexdigest() not in known)


def load_roots(bundle: Path) -> tuple[x509.Certificate, ...]:
    """The trusted certificates of a PEM file.

    Raises:
        PayloadError: it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Some public roots have serial numbers that are older than the rule for them.
            warnings.simplefilter("ignore")
            return tuple(x509.load_pem_x509_certificates(bundle.read_bytes()))
    except (OSError, ValueError) as exc:
        raise PayloadError(f"{bundle}: no certificates: {exc}; name a PEM file with --roots") from exc


def load_signers() -> frozenset[tuple[str, str]]:
    """Who may have signed an embeddable Python: name, and hash of the certificate that vouches for it."""
    text = resources.files("pe_image").joinpath("signers.toml").read_text(encoding="utf-8")
    return frozenset((row["name"], row["anchor_sha256"]) for row in tomllib.loads(text)["signer"])


def read_embeddable(
    path: Path,
    roots: Iterable[x509.Certificate],
    sha256: str = "",
    signers: frozenset[tuple[str, str]] | None = None,
) -> Embeddable:
    """Read the zip and check every program in it; `signers` as `load_signers` has them.

    Raises:
        PayloadError: another hash than the pinned one, no embeddable Python, a signature missing or wrong, or, where
            no hash is pinned, one by somebody else.
    """
    octets = _read(path)
    found = hashlib.sha256(octets).hexdigest()
    if sha256 and found != sha256.lower():
        raise PayloadError(f"{path}: SHA-256 is {found}, not the pinned {sha256}; it is another file or was changed")
    files = _unzip(path, octets)
    if files.get("python.exe", b"")[:2] != b"MZ":
        raise PayloadError(f"{path}: no python.exe at its top; take the 'Windows embeddable package' of python.org")
    trusted = tuple(roots)
    programs = {name: _program(path, name, data) for name, data in sorted(files.items()) if data[:2] == b"MZ"}
    known = load_signers() if signers is None else signers
    signatures = {name: _with_known_signer(check(program, trusted), known) for name, program in programs.items()}
    for name, signature in signatures.items():
        if signature.standing in (Standing.BROKEN, Standing.UNSIGNED):
            raise PayloadError(f"{path}: {name}: {signature.problem or 'not signed'}; do not use this file")
        if not sha256 and (signature.signer, signature.anchor_sha256) not in known:
            raise PayloadError(
                f"{path}: {name} is signed by {signature.signer} (root {signature.root}), who is not known here; "
                f"compare the zip's hash with that of python.org and name it: --python-sha256 {found}"
            )
    version = _version(path, files)
    _refuse_other_bytecode(path, files, version)
    return Embeddable(found, files, signatures, programs["python.exe"].machine, version)


def _program(path: Path, name: str, octets: bytes) -> PeFile:
    try:
        return parse(octets)
    except PeFormatError as exc:
        raise PayloadError(f"{path}: {name} {exc}; do not use this file") from exc


def lean_library(octets: bytes) -> bytes:
    """The zip of the standard library without what the agent never imports; the same for the same zip."""
    members = _unzip(Path("the standard library"), octets, folders=True)
    return zip_files({name: data for name, data in members.items() if not is_left_out(name, "library")}, compress=True)


def _with_known_signer(signature: Signature, known: frozenset[tuple[str, str]]) -> Signature:
    """A signature whose root is not at hand holds all the same where the hash of its certificates is known."""
    if signature.standing is Standing.UNKNOWN_ROOT and (signature.signer, signature.anchor_sha256) in known:
        return replace(signature, standing=Standing.KNOWN_SIGNER)
    return signature


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise PayloadError(f"{path}: {exc.strerror}") from exc


def _unzip(path: Path, octets: bytes, *, folders: bool = False) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(BytesIO(octets)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _MOST_OCTETS:
                raise PayloadError(f"{path}: unpacks to more than {_MOST_OCTETS >> 20} MB")
            return {entry.filename: archive.read(entry) for entry in entries if folders or "/" not in entry.filename}
    except UNREADABLE as exc:
        raise PayloadError(f"{path}: not a zip file that can be read: {exc}; fetch it again") from exc


def _version(path: Path, files: Mapping[str, bytes]) -> str:
    """The version as pythonXY.dll has it in its VS_FIXEDFILEINFO; patch level and build share one number there."""
    name = next((name for name in sorted(files) if re.fullmatch(r"python3\d+\.dll", name)), "")
    found = file_version(files.get(name, b""))
    if found is None:
        raise PayloadError(f"{path}: no pythonXY.dll with a version in it; take the zip of python.org")
    major, minor, patch, _ = found
    return f"{major}.{minor}.{patch // 1000}"


def _refuse_other_bytecode(path: Path, files: Mapping[str, bytes], version: str) -> None:
    """Compiled modules run only on the minor version that compiled them; this Python is the one that will."""
    short = version.rpartition(".")[0].replace(".", "")
    library = files.get(f"python{short}.zip")
    if library is None:
        raise PayloadError(f"{path}: no python{short}.zip, the standard library")
    members = _unzip(path, library)
    if members.get("abc.pyc", b"")[:4] != importlib.util.MAGIC_NUMBER:
        raise PayloadError(f"{path} is Python {version}: run pe-image with the same minor version of Python")
