"""Boot images and orders for the tests of `pe-image inject`: WIMs made by wimlib, a payload of a few octets."""

import hashlib
import json
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from pe_image.cli import main

needs_wimlib = pytest.mark.skipif(shutil.which("wimlib-imagex") is None, reason="wimlib-imagex is not installed")

INI = r"Windows\System32\winpeshl.ini"
STARTNET = r"Windows\System32\startnet.cmd"
UNATTEND = "Unattend.xml"
TOKEN = "t1.0123456789abcdef-a-token-that-nobody-else-has"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
MACHINES = {"x64": 0x8664, "x86": 0x014C, "arm64": 0xAA64}


def program(machine="x64"):
    """The least that is a Windows program by its header."""
    octets = bytearray(256)
    octets[:2] = b"MZ"
    struct.pack_into("<I", octets, 0x3C, 128)
    struct.pack_into("<4sH", octets, 128, b"PE\0\0", MACHINES[machine])
    return bytes(octets)


def make_wim(folder, *trees, architecture="9", boot=1):
    """A WIM with one image for each mapping of path to octets."""
    wim = folder / "boot.wim"
    for number, files in enumerate(trees, start=1):
        tree = folder / f"tree{number}"
        tree.mkdir()
        for name, octets in files.items():
            path = tree.joinpath(*name.split("\\"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
        verb = "capture" if number == 1 else "append"
        words = [verb, str(tree), str(wim), f"image {number}", "--image-property", f"WINDOWS/ARCH={architecture}"]
        wimlib(*words)
    if boot:
        wimlib("info", str(wim), str(boot), "--boot")
    return wim


def make_payload(path, files, **abilities):
    """A zip of path -> octets with the manifest that says so; `abilities` stand in it, too."""
    rows = [{"path": name, "sha256": hashlib.sha256(octets).hexdigest()} for name, octets in files.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
        archive.writestr("manifest.json", json.dumps({"files": rows, **abilities}))
    return path


def make_orders(folder, version=b"1", machine="x64", **abilities):
    """The options that name payload, collector, token and certificate."""
    files = {"python.exe": program(machine), "lib/version.txt": version}
    files |= {"only-in-the-first.txt": b"1"} if version == b"1" else {}
    payload = make_payload(folder / f"payload-{version.decode()}.zip", files, **abilities)
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "ca.pem").write_text(CERTIFICATE)
    words = ["--payload", payload, "--token-file", folder / "token", "--ca", folder / "ca.pem"]
    return [str(word) for word in (*words, "--collector", "10.0.0.5:7443", "--collector", "pe.example:7443")]


def wimlib(*words):
    return subprocess.run(["wimlib-imagex", *words], check=True, capture_output=True).stdout


def pe_image(*words, code=0):
    """Run the command line; JSON where it was asked for."""
    answer = CliRunner().invoke(main, [str(word) for word in words])
    assert answer.exit_code == code, answer.output
    return json.loads(answer.stdout) if "json" in words else answer.output


def files_of(wim, index=1):
    """Path below the image's root -> octets, as wimlib takes them out."""
    folder = Path(wim).parent / f"out-{index}-{len(list(Path(wim).parent.iterdir()))}"
    wimlib("apply", str(wim), str(index), str(folder))
    return {str(p.relative_to(folder)).replace("/", "\\"): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
