"""Which command lines DISM gets. A script that keeps them stands in for DISM: what DISM does with them is not shown."""

from pathlib import Path

import pytest
from pe_image.dism import Dism, run_dism
from pe_image.imaging import Add, Delete, Rename
from pe_image.wim import Image, WimError

LISTED = (
    "Index : 1\r\nName : Microsoft Windows PE (amd64)\r\n\r\nIndex : 2\r\nName : Microsoft Windows Setup (amd64)\r\n"
)
DETAILS = (
    "Index : {index}\r\nName : Microsoft Windows Setup (amd64)\r\nWIM Bootable : {boots}\r\nArchitecture : x64\r\n"
    "Version : 10.0.19041\r\nServicePack Build : 1\r\n"
)


class Recorder:
    """Answers as DISM does; a mounted folder gets the files of `tree`."""

    def __init__(self, tree=()):
        self.calls, self.tree = [], dict(tree)

    def __call__(self, arguments):
        self.calls.append([a.split(":", 1)[0] if a.startswith("/MountDir") else a for a in arguments])
        if arguments[0] == "/Mount-Image":
            self.folder = Path(arguments[3].removeprefix("/MountDir:"))
            for name, octets in self.tree.items():
                self.folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                self.folder.joinpath(name).write_bytes(octets)
        if arguments[0] == "/Unmount-Image":
            self.left = {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}
        index = arguments[-1].removeprefix("/Index:")
        if arguments[0] == "/Get-ImageInfo" and index.isdigit():
            return DETAILS.format(index=index, boots="Yes" if index == "2" else "No")
        return LISTED


def test_images_are_read_from_the_english_information():
    images = Dism(Recorder()).images(Path("b.wim"))
    assert images[1] == Image(2, "Microsoft Windows Setup (amd64)", "x64", "10.0.19041.1", bootable=True)
    assert not images[0].bootable


def test_an_image_is_mounted_to_be_written_only_when_it_is_edited(tmp_path):
    (tmp_path / "new").write_bytes(b"new")
    dism = Recorder({"a/one.txt": b"1", "a/two.txt": b"2", "a/kept/.keep": b""})
    steps = (Delete(r"a\one.txt"), Rename(r"a\two.txt", r"a\kept\two.txt"), Add(tmp_path / "new", r"a\two.txt"))
    Dism(dism).edit((Path("b.wim"), 2), steps, anew=False)
    assert dism.calls == [
        ["/Mount-Image", "/ImageFile:b.wim", "/Index:2", "/MountDir"],
        ["/Unmount-Image", "/MountDir", "/Commit"],
    ]
    assert dism.left == {"a/two.txt": b"new", "a/kept/two.txt": b"2", "a/kept/.keep": b""}


def test_an_image_that_is_only_read_is_mounted_so_that_nothing_can_change_it():
    dism = Recorder({"a.txt": b"1"})
    with Dism(dism).tree(Path("b.wim"), 1) as tree:
        assert (tree.read("a.txt"), tree.paths()) == (b"1", frozenset({"a.txt"}))
    assert dism.calls == [
        ["/Mount-Image", "/ImageFile:b.wim", "/Index:1", "/MountDir", "/ReadOnly"],
        ["/Unmount-Image", "/MountDir", "/Discard"],
    ]


def test_an_error_in_between_discards_what_was_edited():
    dism = Recorder({"a.txt": b"1"})
    with pytest.raises(WimError):
        Dism(dism).edit((Path("b.wim"), 1), [Delete("a.txt"), Delete("b.txt")], anew=False)
    assert dism.calls[-1][-1] == "/Discard"


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(WimError, match=r"dism\.exe"):
        run_dism(["/Get-ImageInfo"])
