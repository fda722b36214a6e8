"""A payload comes to the disk whole or not at all, and one that was changed is said to be, in one line."""

import random
import resource
import zipfile

import pytest
from pe_image.audit_image import read_payload
from pe_image.errors import ImageError
from pe_image.payload_zip import write_whole, zip_files

from tests.winpe.injecting import make_orders, make_wim, needs_wimlib, pe_image

STARTNET = {r"Windows\System32\startnet.cmd": b"wpeinit\r\n"}


@pytest.fixture
def little_room():
    """Files of this process may have 1,000 octets."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_there_stays_when_there_is_no_room(tmp_path, little_room):
    path = tmp_path / "payload.zip"
    write_whole(path, b"before")
    with pytest.raises(ImageError, match=r"payload\.zip: File too large; 0.0 MB are needed, nothing was changed"):
        write_whole(path, bytes(5000))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("payload.zip", b"before")]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone/payload\.zip: No such file or directory"):
        write_whole(tmp_path / "gone" / "payload.zip", b"")


@pytest.mark.parametrize("seed", range(40))
def test_a_zip_with_a_changed_octet_is_read_or_refused(tmp_path, seed):
    chance = random.Random(seed)
    octets = bytearray(zip_files({"python.exe": chance.randbytes(900) + bytes(900)}, compress=True))
    octets[chance.randrange(len(octets))] ^= chance.randrange(1, 256)
    path = tmp_path / "payload.zip"
    path.write_bytes(octets)
    try:
        assert isinstance(read_payload(path), dict)
    except ImageError as exc:
        assert str(exc).startswith(str(path))  # noqa: PT017 - either may come of it


@needs_wimlib
def test_a_damaged_payload_is_not_injected(tmp_path):
    orders, wim = make_orders(tmp_path), make_wim(tmp_path, STARTNET)
    path = tmp_path / "payload-1.zip"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    octets = bytearray(zip_files(files, compress=True))
    at = octets.index(b"lib/version.txt") + len(b"lib/version.txt")
    octets[at] ^= 0xFF
    path.write_bytes(octets)
    before = wim.read_bytes()
    assert pe_image("inject", wim, *orders, code=1).startswith(f"Error: {path}: ")
    assert wim.read_bytes() == before
