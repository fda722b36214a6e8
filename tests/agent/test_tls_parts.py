"""Python's TLS is unpacked only whole, only as the manifest says, and only where it leaves room for the report."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import pytest
from pe_agent.tls_parts import unpack

PARTS = {"_ssl.pyd": b"MZ ssl" * 900, "libcrypto-3.dll": b"MZ crypto" * 9000}


@pytest.fixture
def home(tmp_path):
    """The agent's folder in an image, as far as this concerns it."""
    folder = tmp_path / "pe-agent"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tls.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in PARTS.items():
            archive.writestr(name, octets)
    rows = [{"path": name, "sha256": hashlib.sha256(octets).hexdigest()} for name, octets in PARTS.items()]
    (folder / "manifest.json").write_text(json.dumps({"packed": {"tls.zip": rows}}))
    return folder


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_the_parts_are_laid_down_and_nothing_else(home, tmp_path):
    assert unpack(home, [tmp_path / "a" / "tls"]) == tmp_path / "a" / "tls"
    assert held(tmp_path / "a" / "tls") == PARTS


def test_what_lies_there_already_stays_and_what_differs_is_laid_anew(home, tmp_path):
    place = tmp_path / "tls"
    unpack(home, [place])
    kept = (place / "_ssl.pyd").stat().st_ino
    (place / "libcrypto-3.dll").write_bytes(b"of somebody else")
    # Nothing but what differs needs room.
    unpack(home, [place])
    assert held(place) == PARTS
    assert (place / "_ssl.pyd").stat().st_ino == kept


def test_a_folder_that_takes_nothing_is_passed_over(home, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert unpack(home, [tmp_path / "file" / "tls", tmp_path / "tls"]) == tmp_path / "tls"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_disk_without_room_is_told_passed_over_and_left_as_it_was(home, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=True)
    try:
        with pytest.raises(ImportError, match=r"small/tls: 0\.1 MB are free, 0\.1 MB are needed"):
            unpack(home, [small / "tls"])
        assert list(small.iterdir()) == []
        assert unpack(home, [small / "tls", tmp_path / "tls"]) == tmp_path / "tls"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_disk_that_fills_up_meanwhile_is_left_as_it_was(home, tmp_path):
    """No file of that process grows beyond a bound: the first part fits, the second does not."""
    code = "import resource, sys; from pathlib import Path; from pe_agent.tls_parts import unpack\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    code += "try: unpack(Path(sys.argv[1]), [Path(sys.argv[2])])\nexcept ImportError as exc: print(exc)"
    command = [sys.executable, "-c", code, str(home), str(tmp_path / "tls")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "tls: File too large" in told
    assert not (tmp_path / "tls").exists()


def cut(home):
    (home / "tls.zip").write_bytes((home / "tls.zip").read_bytes()[:-40])


def flip(home):
    octets = bytearray((home / "tls.zip").read_bytes())
    octets[60] ^= 0xFF
    (home / "tls.zip").write_bytes(octets)


def without_a_part(home):
    with zipfile.ZipFile(home / "tls.zip", "w") as archive:
        archive.writestr("_ssl.pyd", PARTS["_ssl.pyd"])


def with_another_part(home):
    with zipfile.ZipFile(home / "tls.zip", "w") as archive:
        for name in PARTS:
            archive.writestr(name, b"MZ of somebody else")


def without_rows(home):
    (home / "manifest.json").write_text("{}")


DAMAGES = {
    "cut": (cut, r"tls\.zip is damaged"),
    "flipped": (flip, r"tls\.zip is damaged"),
    "a part is missing": (without_a_part, r"tls\.zip is damaged"),
    "another part": (with_another_part, r"_ssl\.pyd in .*tls\.zip is not what manifest\.json says"),
    "not in the manifest": (without_rows, r"manifest\.json does not say what tls\.zip holds"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_archive_is_told_and_nothing_of_it_is_laid_down(home, tmp_path, what):
    damage, told = DAMAGES[what]
    damage(home)
    with pytest.raises(ImportError, match=rf"{told}.*inject the payload again"):
        unpack(home, [tmp_path / "tls"])
    assert not (tmp_path / "tls").exists()
