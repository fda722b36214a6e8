"""Read and change WIM files with DISM, which is part of Windows. Only its command lines were tried."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pe_image.imaging import Add, Delete, Edit, Rename
from pe_image.wim import Image, WimError

PROGRAM = "dism.exe"
Run = Callable[[Sequence[str]], str]
_INDEX = re.compile(r"^Index : (\d+)\s*$", re.MULTILINE)


def run_dism(arguments: Sequence[str]) -> str:
    """What DISM says on stdout, in English.

    Raises:
        WimError: it failed, or the shell has no administrator's rights.
    """
    command = [PROGRAM, "/English", *arguments]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as exc:
        raise WimError(f"{PROGRAM}: {exc.strerror}") from exc
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        lines = [line for line in text.splitlines() if line.strip()]
        raise WimError(f"{' '.join(command)}: {lines[-1] if lines else f'exit {done.returncode}'}")
    return text


@dataclass(frozen=True, slots=True)
class Mounted:
    """One image of a WIM as a folder."""

    folder: Path

    def paths(self) -> frozenset[str]:
        """Every path of the image."""
        return frozenset(self._named(path) for path in self.folder.rglob("*"))

    def hashes(self) -> dict[str, str]:
        """SHA-1, as the WIM itself would record it."""
        files = {self._named(path): path for path in self.folder.rglob("*")}
        return {name: _sha1(path) if path.is_file() else "" for name, path in files.items()}

    def read(self, path: str) -> bytes:
        """The octets of one file."""
        return self._path(path).read_bytes()

    def extract(self, paths: Sequence[str], folder: Path) -> None:
        """Copy out of the mounted folder."""
        for path in paths:
            _copy(self._path(path), folder.joinpath(*path.split("\\")))

    def apply(self, edits: Sequence[Edit]) -> None:
        """Change the mounted folder.

        Raises:
            WimError: it cannot be changed so.
        """
        try:
            for edit in edits:
                self._apply(edit)
        except OSError as exc:
            raise WimError(f"{exc.filename}: {exc.strerror}") from exc

    def _apply(self, edit: Edit) -> None:
        match edit:
            case Delete(path):
                target = self._path(path)
                shutil.rmtree(target) if target.is_dir() else target.unlink()
            case Rename(path, to):
                self._path(path).rename(self._path(to))
            case Add(source, path):
                _copy(source, self._path(path))

    def _path(self, path: str) -> Path:
        return self.folder.joinpath(*path.split("\\"))

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.folder)).replace("/", "\\")


@dataclass(frozen=True, slots=True)
class Dism:
    """dism.exe; `run` takes its arguments and returns what it says."""

    run: Run = run_dism
    name: str = field(default=PROGRAM)

    def images(self, wim: Path) -> tuple[Image, ...]:
        """Every image, in order."""
        text = self.run(["/Get-ImageInfo", f"/ImageFile:{wim}"])
        return tuple(self._image(wim, int(index)) for index in _INDEX.findall(text))

    @contextmanager
    def tree(self, wim: Path, index: int) -> Iterator[Mounted]:
        """Mounted so that nothing can change it."""
        with self._mounted((wim, index), "/ReadOnly") as (mounted, _):
            yield mounted

    def edit(self, image: tuple[Path, int], edits: Sequence[Edit], *, anew: bool) -> None:  # noqa: ARG002 - DISM cannot
        """Mount, change and commit; an error discards what was changed."""
        with self._mounted(image) as (mounted, ending):
            mounted.apply(edits)
            ending[:] = ["/Commit"]

    @contextmanager
    def _mounted(self, image: tuple[Path, int], *how: str) -> Iterator[tuple[Mounted, list[str]]]:
        """The image as a folder, and how it will be unmounted."""
        wim, index = image
        ending = ["/Discard"]
        with tempfile.TemporaryDirectory(prefix="pe-image-") as name:
            self.run(["/Mount-Image", f"/ImageFile:{wim}", f"/Index:{index}", f"/MountDir:{name}", *how])
            try:
                yield Mounted(Path(name)), ending
            finally:
                self.run(["/Unmount-Image", f"/MountDir:{name}", *ending])

    def verify(self, wim: Path) -> None:
        """DISM has no command that reads a whole WIM: its information is read, and each file is hashed by `verify`."""
        self.run(["/Get-ImageInfo", f"/ImageFile:{wim}"])

    def _image(self, wim: Path, index: int) -> Image:
        text = self.run(["/Get-ImageInfo", f"/ImageFile:{wim}", f"/Index:{index}"])
        rows = dict(re.findall(r"^([\w ]+?) : ([^\r\n]*)", text, re.MULTILINE))
        build = ".".join(part for part in (rows.get("Version", ""), rows.get("ServicePack Build", "")) if part)
        return Image(
            index=index,
            name=rows.get("Name", "").strip(),
            architecture=rows.get("Architecture", "").strip(),
            build=build,
            bootable=rows.get("WIM Bootable", "").strip() == "Yes",
        )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
