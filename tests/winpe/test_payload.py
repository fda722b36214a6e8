"""The payload: the same from the same, small, complete, and never from a Python that somebody changed."""

import dis
import hashlib
import json
import marshal
import os
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest

from .payload_parts import (
    WINDOWS_PYTHON,
    WINDOWS_WHEELS,
    embeddable,
    needs_mingw,
    needs_python_of_payload,
    needs_windows_python,
    needs_windows_wheels,
    picture_by_payload,
)
from .tiny_pe import tiny_pe

TLS_PARTS = {"_ssl.pyd", "libcrypto-3.dll", "libssl-3.dll"}
pytestmark = [needs_windows_python, needs_windows_wheels]


def build(python_zip, output, *options, seed="0"):
    command = [sys.executable, "-m", "pe_image", "payload", "--python", str(python_zip)]
    command += ["--wheels", str(WINDOWS_WHEELS), "--output", str(output), *options]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def python_zip(tmp_path_factory):
    return embeddable(tmp_path_factory.mktemp("python") / "python.zip")


@pytest.fixture(scope="module")
def payload(python_zip):
    path = python_zip.with_name("payload.zip")
    done = build(python_zip, path, seed="1")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return path, files, json.loads(files["manifest.json"])


def test_the_same_ingredients_give_the_same_octets(python_zip, payload):
    again = python_zip.with_name("again.zip")
    assert build(python_zip, again, seed="2").returncode == 0
    assert again.read_bytes() == payload[0].read_bytes()


def test_the_outcome_can_be_read_by_a_program(python_zip, tmp_path):
    done = build(python_zip, tmp_path / "p.zip", "--format", "json")
    told = json.loads(done.stdout)
    assert (told["architecture"], told["packed_bytes"]) == ("x64", (tmp_path / "p.zip").stat().st_size)
    assert {part["name"] for part in told["parts"]} >= {"python", "grpcio"}


def test_the_payload_is_lean(payload):
    path, files, _ = payload
    assert path.stat().st_size < 15_000_000
    assert sum(map(len, files.values())) < 30_000_000


@needs_python_of_payload
def test_the_payload_draws_the_code_of_a_report_that_is_not_delivered(payload, tmp_path):
    assert len(picture_by_payload(payload[0], tmp_path)) > 10


def test_the_manifest_lists_every_file_with_its_hash(payload):
    _, files, manifest = payload
    told = {row["path"]: (row["size_bytes"], row["sha256"]) for row in manifest["files"]}
    held = {p: (len(o), hashlib.sha256(o).hexdigest()) for p, o in files.items() if p != "manifest.json"}
    assert told == held


def test_the_manifest_says_how_the_agent_sends(payload):
    assert (payload[2]["architecture"], payload[2]["transport"]) == ("x64", "grpc")


def test_the_manifest_says_what_was_not_checked(payload):
    assert payload[2]["signatures"]["not_checked"] == ["revocation", "timestamp", "validity periods"]


def test_every_part_brings_its_licence(payload):
    _, files, manifest = payload
    with_licence = {path.split("/")[1] for path in files if path.startswith("licences/")}
    assert {part["name"] for part in manifest["parts"]} == with_licence


def test_no_source_is_shipped(payload):
    assert [path for path in payload[1] if path.endswith(".py")] == []


def test_a_full_payload_has_everything_of_python_lying_ready(python_zip, tmp_path):
    assert build(python_zip, tmp_path / "full.zip", "--full").returncode == 0
    with zipfile.ZipFile(tmp_path / "full.zip") as archive:
        assert TLS_PARTS | {"_hashlib.pyd", "sqlite3.dll"} <= set(archive.namelist())
        assert "tls.zip" not in archive.namelist()
        assert json.loads(archive.read("manifest.json"))["packed"] == {}


def test_the_tls_of_python_lies_packed_as_it_was_signed(payload):
    _, files, manifest = payload
    with zipfile.ZipFile(BytesIO(files["tls.zip"])) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {name: (WINDOWS_PYTHON / name).read_bytes() for name in TLS_PARTS}
    told = {row["path"]: (row["size_bytes"], row["sha256"]) for row in manifest["packed"]["tls.zip"]}
    assert told == {name: (len(octets), hashlib.sha256(octets).hexdigest()) for name, octets in held.items()}
    assert not TLS_PARTS & set(files)


def test_a_changed_part_of_the_tls_is_refused(tmp_path):
    octets = bytearray((WINDOWS_PYTHON / "libssl-3.dll").read_bytes())
    octets[100_000] ^= 1
    done = build(embeddable(tmp_path / "python.zip", **{"libssl-3.dll": bytes(octets)}), tmp_path / "p.zip")
    assert done.returncode == 1
    assert "libssl-3.dll: the file is not the one that was signed" in done.stderr


def test_a_python_without_tls_is_refused(tmp_path):
    done = build(embeddable(tmp_path / "python.zip", **{"_ssl.pyd": None}), tmp_path / "p.zip")
    assert done.returncode == 1
    assert "has no _ssl.pyd, which an upload by HTTPS needs" in done.stderr


def test_openssl_is_named_with_its_version(payload):
    (row,) = (part for part in payload[2]["parts"] if part["name"] == "openssl")
    assert (row["version"], row["licence"]) == ("3.0.13", "Apache-2.0")
    assert b"Apache License" in payload[1]["licences/openssl/LICENSE"]


def test_no_module_imports_at_once_what_was_left_out_of_the_standard_library(payload):
    """What is imported later, in a function, is for systems and uses that are not the agent's."""
    library = modules_of(payload[1]["python311.zip"])
    left_out = set(modules_of((WINDOWS_PYTHON / "python311.zip").read_bytes())) - set(library)
    own = modules_of(payload[1]["app.zip"])
    wheels = {path: octets for path, octets in payload[1].items() if path.startswith("lib/") and path.endswith(".pyc")}
    asked = {name for code in (library | own | wheels).values() for name in imported_at_once(code)}
    # heapq imports doctest only when it is the program itself, xml.sax names a module for packagers and never loads it.
    files = {f"{name.replace('.', '/')}{end}": name for name in asked for end in (".pyc", "/__init__.pyc")}
    assert {files[path] for path in left_out & files.keys()} == {"doctest", "xml.sax.expatreader"}
    assert "unittest/__init__.pyc" in left_out


def modules_of(zipped):
    with zipfile.ZipFile(BytesIO(zipped)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".pyc")}


def imported_at_once(compiled):
    """What the module's own code imports; a .pyc has a header of 16 octets (PEP 552)."""
    return [row.argval for row in dis.get_instructions(marshal.loads(compiled[16:])) if row.opname == "IMPORT_NAME"]


def test_the_libraries_search_path_is_closed(payload):
    assert payload[1]["python311._pth"].split() == [b"python311.zip", b"app.zip", b"lib", b"."]


def test_the_pin_is_compared(python_zip, tmp_path):
    done = build(python_zip, tmp_path / "p.zip", "--python-sha256", "0" * 64)
    assert done.returncode == 1
    assert "not the pinned" in done.stderr
    assert not (tmp_path / "p.zip").exists()


def test_a_changed_program_is_refused(tmp_path):
    octets = bytearray((WINDOWS_PYTHON / "python311.dll").read_bytes())
    octets[200_000] ^= 1
    changed = embeddable(tmp_path / "python.zip", **{"python311.dll": bytes(octets)})
    done = build(changed, tmp_path / "p.zip")
    assert done.returncode == 1
    assert "python311.dll: the file is not the one that was signed" in done.stderr


def test_a_program_without_signature_is_refused(tmp_path):
    changed = embeddable(tmp_path / "python.zip", **{"_extra.pyd": tiny_pe()})
    assert "_extra.pyd: not signed" in build(changed, tmp_path / "p.zip").stderr


def test_a_program_that_is_none_is_named(tmp_path):
    changed = embeddable(tmp_path / "python.zip", **{"_asyncio.pyd": b"MZ" + bytes(200)})
    assert "python.zip: _asyncio.pyd has no PE header" in build(changed, tmp_path / "p.zip").stderr


def test_a_changed_standard_library_is_named(tmp_path):
    zipped = tmp_path / "python311.zip"
    zipped.write_bytes((WINDOWS_PYTHON / "python311.zip").read_bytes())
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("more.pyc", b"")
    changed = embeddable(tmp_path / "python.zip", **{"python311.zip": zipped.read_bytes()})
    done = build(changed, tmp_path / "p.zip")
    assert "python311.zip" in next(line for line in done.stdout.splitlines() if line.startswith("without signature"))


def test_a_known_standard_library_is_not_named(python_zip, tmp_path):
    done = build(python_zip, tmp_path / "p.zip")
    line = next(line for line in done.stdout.splitlines() if line.startswith("without signature"))
    assert "python311.zip" not in line


@needs_mingw
def test_the_stub_lies_where_only_psutil_finds_it(python_zip, tmp_path):
    done = build(python_zip, tmp_path / "p.zip", "--stub-pdh")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert [name for name in archive.namelist() if name.endswith("pdh.dll")] == ["lib/psutil/pdh.dll"]


@needs_mingw
def test_the_stub_is_reproducible(python_zip, tmp_path):
    for name in ("a.zip", "b.zip"):
        build(python_zip, tmp_path / name, "--stub-pdh")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
