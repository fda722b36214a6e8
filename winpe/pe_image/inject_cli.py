"""The commands that change boot images and look at what was changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from pe_image import inject as work
from pe_image.cargo import Orders
from pe_image.diff import Difference
from pe_image.diff import diff as compare
from pe_image.errors import ImageError
from pe_image.imaging import this_imaging
from pe_image.verify import Check
from pe_image.verify import verify as check
from pe_image.wim import Image

T = TypeVar("T")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_WIM = click.argument("wim", type=_FILE)
_FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
_INDEX = click.option("--index", "indexes", type=click.IntRange(1), multiple=True, metavar="N", help="Image (repeat).")
_ALL = click.option("--all", "every", is_flag=True, help="Every image of the WIM.")
_OUT = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here, leave the WIM alone.")


@click.command()
@_WIM
@click.option("--payload", type=_FILE, required=True, help="Zip that `pe-image payload` wrote.")
@click.option("--collector", "collectors", multiple=True, metavar="HOST:PORT", help="By gRPC (repeat).")
@click.option("--upload", "uploads", multiple=True, metavar="HOST:PORT", help="By HTTPS (repeat).")
@click.option("--token-file", type=_FILE, required=True, help="Ingest token; everybody who boots can read it.")
@click.option("--ca", type=_FILE, required=True, help="Certificate (PEM) that the collector must have.")
@click.option(
    "--hook",
    "way",
    type=click.Choice(["kind", "unattend"]),
    default="kind",
    help="How the agent is started: as the kind of image needs it, or by Unattend.xml.",
)
@_INDEX
@_ALL
@_OUT
@_FORMAT
def inject(wim: Path, form: str, out: Path | None, **options: Any) -> None:
    """Make a boot image report its boots; what was in it is kept. Without --index: the image that boots."""
    every, indexes = options.pop("every"), options.pop("indexes")
    if every and indexes:
        raise click.UsageError("--index and --all: choose one of them")
    imaging = this_imaging()

    def run() -> tuple[work.Change, ...]:
        wanted = tuple(image.index for image in imaging.images(wim)) if every else indexes
        return work.inject(imaging, work.Work(wim, out or wim, wanted), Orders(**options), datetime.now(UTC))

    _show_changes(_answer(run), form, {True: "injected", False: "already injected"})


@click.command()
@_WIM
@_INDEX
@_OUT
@_FORMAT
def remove(wim: Path, indexes: tuple[int, ...], out: Path | None, form: str) -> None:
    """Take the agent out and give every file back as it was."""
    changes = _answer(lambda: work.remove(this_imaging(), work.Work(wim, out or wim, indexes)))
    _show_changes(changes, form, {True: "removed", False: "had no agent"})


@click.command()
@_WIM
@_INDEX
@_FORMAT
@click.pass_context
def verify(context: click.Context, wim: Path, indexes: tuple[int, ...], form: str) -> None:
    """Is the agent in it, which payload, and whole? Ends with 1 when an image lacks it or is damaged."""
    imaging = this_imaging()

    def run() -> tuple[Check, ...]:
        images = imaging.images(wim)
        return check(imaging, wim, work.chosen(images, indexes) if indexes else images)

    checks = _answer(run)
    # An image beside the one that boots needs no agent; a damaged one is always a problem.
    wanted = [c for c in checks if indexes or c.stamp or c.image.bootable or c.problems or len(checks) == 1]
    if form == "json":
        click.echo(json.dumps({"images": [_check_row(c) for c in checks]}))
    for row in checks if form == "text" else ():
        click.echo(_check_text(row))
    if not all(c.whole for c in wanted):
        context.exit(1)


@click.command()
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@_FORMAT
def diff(before: Path, after: Path, form: str) -> None:
    """Which files were added, changed or removed, image by image."""
    differences = _answer(lambda: compare(this_imaging(), before, after))
    if form == "json":
        click.echo(json.dumps({"images": [asdict(d) for d in differences]}))
        return
    for one in differences:
        click.echo("\n".join(_difference_lines(one)))


COMMANDS = (inject, verify, diff, remove)


def _answer(run: Callable[[], T]) -> T:
    try:
        return run()
    except ImageError as exc:
        raise click.ClickException(str(exc)) from exc


def _show_changes(changes: Iterable[work.Change], form: str, words: dict[bool, str]) -> None:
    if form == "json":
        rows = [_image_row(c.image) | {"changed": c.changed, "stamp": _stamp_row(c)} for c in changes]
        click.echo(json.dumps({"images": rows}))
        return
    for change in changes:
        build = f", image build {change.stamp.image_build}" if change.stamp else ""
        click.echo(f"{change.image.index:2} {change.image.name}: {words[change.changed]}{build}")


def _check_text(row: Check) -> str:
    title = f"{row.image.index:2} {row.image.name}: "
    if row.problems:
        return title + "DAMAGED\n" + "\n".join(f"     {problem}" for problem in row.problems)
    if row.stamp is None:
        return title + "no agent"
    stamp = row.stamp
    return f"{title}whole, image build {stamp.image_build} of {stamp.injected_at}, payload {stamp.payload_sha256[:16]}"


def _check_row(row: Check) -> dict[str, object]:
    return _image_row(row.image) | {"whole": row.whole, "problems": row.problems, "stamp": _stamp_row(row)}


def _stamp_row(row: Check | work.Change) -> dict[str, object] | None:
    if row.stamp is None:
        return None
    return {name: value for name, value in asdict(row.stamp).items() if name not in ("files", "originals")}


def _image_row(image: Image) -> dict[str, object]:
    return {"index": image.index, "name": image.name}


def _difference_lines(one: Difference) -> Iterable[str]:
    counts = f"{len(one.added)} added, {len(one.changed)} changed, {len(one.removed)} removed"
    yield f"image {one.index}: {counts}"
    for sign, paths in (("+", one.added), ("~", one.changed), ("-", one.removed)):
        yield from (f"{sign} \\{path}" for path in paths)
