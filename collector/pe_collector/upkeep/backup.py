"""How is a copy made of a collector that goes on working, and how does a copy become a collector again?

A backup is a folder: the database as one file, on demand keys and settings, and SHA256SUMS as `sha256sum -c` reads it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pe_agent.errors import UsageError

from pe_collector import audit, redaction, trust
from pe_collector.connection import Connection
from pe_collector.settings import FILE_NAME as SETTINGS
from pe_collector.store import FILE_NAME, StoreError, create, open_reader, open_writer

SUMS = "SHA256SUMS"
ACTION = "backup"
# What makes another folder the same collector to the boot images in the field.
KEYS = (trust.CA, trust.CA_KEY, trust.CERTIFICATE, trust.KEY, redaction.KEY_FILE, SETTINGS)
_READ_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """A backup as it lies there; `octets` of the database, `sha256` its hash in hexadecimal."""

    path: Path
    octets: int
    sha256: str
    reports: int
    with_keys: bool


def backup(folder: Path, path: Path, now_s: float, *, with_keys: bool) -> Copied:
    """Copy what is stored at this moment into a new folder `path`, and prove the copy whole. Reports still come in.

    Raises:
        UsageError: there is no collector in `folder`, or `path` cannot be made or holds something.
        StoreError: the copy is damaged, or the disk does not take it.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is there already; name a new folder for the backup")
    source = folder / FILE_NAME
    with closing(open_reader(source)) as connection:
        if not isinstance(connection, sqlite3.Connection):
            raise UsageError("the rows are on PostgreSQL: back them up there, with pg_basebackup or pg_dump")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".pe-backup-", dir=path.parent) as made:
                copied = _fill(connection, folder, Path(made), with_keys=with_keys)
                _put_in_place(Path(made), path)
        except OSError as exc:
            raise UsageError(f"{path}: {exc.strerror or exc}; name another folder for the backup") from exc
    with closing(open_writer(source)) as connection:
        audit.record(connection, audit.by_command(now_s, ACTION, str(path), copied.sha256))
    return Copied(path, copied.octets, copied.sha256, copied.reports, with_keys)


def restore(path: Path, folder: Path, now_s: float, *, replace: bool) -> Copied:
    """Make `folder` the collector that `path` was copied from, at the newest schema. What it replaces is kept beside.

    Raises:
        UsageError: `path` is no whole backup, a collector is in `folder` (without `replace`), or runs there.
    """
    sums = verify(path)
    target = folder / FILE_NAME
    if target.exists():
        if not replace:
            raise UsageError(f"{folder} holds a collector; name another folder, or say --replace")
        _set_aside(target, now_s)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in sums:
            _copy(path / name, folder / name)
    except OSError as exc:
        raise UsageError(f"{folder}: {exc.strerror or exc}; check that it is writable and has room") from exc
    with closing(open_writer(create(folder))) as connection:
        reports = int(connection.execute("SELECT count(*) FROM report").fetchone()[0])
        audit.record(connection, audit.by_command(now_s, "restore", str(path), sums[FILE_NAME]))
    return Copied(folder, target.stat().st_size, sums[FILE_NAME], reports, trust.CA in sums)


def verify(path: Path) -> dict[str, str]:
    """The files of a backup with their hashes, each of which agrees, and a database without damage.

    Raises:
        UsageError: something is missing or differs; it says what.
    """
    try:
        lines = (path / SUMS).read_text(encoding="ascii").splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        if FILE_NAME not in sums or not set(sums) <= {FILE_NAME, *KEYS}:
            raise UsageError(f"{path / SUMS} does not list a collector's files")
        for name, digest in sums.items():
            if sha256_of(path / name) != digest:
                raise UsageError(f"{path / name} is not what was backed up: its SHA-256 differs")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is no whole backup: {exc}") from exc
    try:
        check_whole(path / FILE_NAME)
    except StoreError as exc:
        raise UsageError(str(exc)) from exc
    return sums


def check_whole(database: Path) -> None:
    """Let SQLite look at every page and index of a file nobody else writes.

    Raises:
        StoreError: something is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as exc:
        raise StoreError(f"{database}: {exc}") from exc
    if said != ["ok"]:
        raise StoreError(f"{database} is damaged: {'; '.join(said)}")


def last_backup_s(connection: Connection) -> float | None:
    """When this collector was last backed up, Unix seconds."""
    at: float | None = connection.execute("SELECT max(at) FROM audit WHERE action=?", (ACTION,)).fetchone()[0]
    return at


def sha256_of(path: Path) -> str:
    """In hexadecimal, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while octets := file.read(_READ_OCTETS):
            digest.update(octets)
    return digest.hexdigest()


def _fill(connection: sqlite3.Connection, folder: Path, made: Path, *, with_keys: bool) -> Copied:
    copy = made / FILE_NAME
    os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
    reports = _copy_database(connection, copy)
    check_whole(copy)
    for name in KEYS if with_keys else ():
        if (folder / name).exists():
            _copy(folder / name, made / name)
    sums = {file.name: sha256_of(file) for file in sorted(made.iterdir())}
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (made / SUMS).write_text(text, encoding="ascii", newline="\n")
    for file in made.iterdir():
        _to_disk(file)
    return Copied(made, copy.stat().st_size, sums[FILE_NAME], reports, with_keys)


def _copy_database(connection: sqlite3.Connection, copy: Path) -> int:
    """All pages in one step: a copy in several begins anew whenever a report comes in. Writers do not wait for it."""
    try:
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target, pages=-1)
            target.execute("PRAGMA journal_mode=DELETE")
            return int(target.execute("SELECT count(*) FROM report").fetchone()[0])
    except sqlite3.Error as exc:
        raise StoreError(f"{copy}: {exc}; check that the disk has room") from exc


def _put_in_place(made: Path, path: Path) -> None:
    """Under its name there is a whole backup or none."""
    if path.exists():
        path.rmdir()
    made.rename(path)


def _set_aside(database: Path, now_s: float) -> None:
    """The database under another name; it must belong to nobody."""
    try:
        with closing(sqlite3.connect(database, timeout=1.0)) as connection:
            # Leaves WAL only for whoever is alone with the file.
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as exc:
        raise UsageError(f"{database} is in use ({exc}); stop the collector first") from exc
    except sqlite3.DatabaseError:
        # A damaged file is a good reason to restore.
        pass
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    database.rename(database.with_name(f"{database.name}.before-{now_s:.0f}"))


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    with source.open("rb") as file, os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
        shutil.copyfileobj(file, out)
        out.flush()
        os.fsync(out.fileno())
    part.replace(target)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
