"""Is this collector well? One row a check: how it stands, in words, and what to do about it."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from pe_agent.errors import PeError

from pe_collector import trust
from pe_collector.connection import Connection
from pe_collector.listen import Listen
from pe_collector.roles import Role
from pe_collector.settings import Settings
from pe_collector.store.catalog import applied_migrations
from pe_collector.store.database import FILE_NAME, open_reader
from pe_collector.store.migrations import MIGRATIONS
from pe_collector.upkeep.backup import last_backup_s

DAY_S = 86400.0
CERTIFICATE_WARNS_DAYS, TOKEN_WARNS_DAYS, BACKUP_WARNS_DAYS = 30, 14, 2
# Between commit and look no moment of the store may lie further ahead than clocks of one machine differ.
AHEAD_S = 5.0
_PATIENCE_S = 3.0
_MIB = 1024 * 1024


class Health(StrEnum):
    """How a check ended; `EXIT` has the exit code of each."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


EXIT: Mapping[Health, int] = {Health.OK: 0, Health.WARNING: 10, Health.FAULT: 20}


@dataclass(frozen=True, slots=True)
class Checked:
    """One result; `advice` is empty where nothing is to be done."""

    check: str
    health: Health
    said: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at."""

    folder: Path
    settings: Settings
    now_s: float
    connection: Connection


Check = Callable[[Case], Iterator[Checked]]


def examine(folder: Path, settings: Settings, now_s: float) -> list[Checked]:
    """Every check in order. Nothing is changed.

    Raises:
        UsageError: there is no collector in that folder.
    """
    found: list[Checked] = []
    with closing(open_reader(folder / FILE_NAME)) as connection:
        case = Case(folder, settings, now_s, connection)
        for name, check in CHECKS.items():
            try:
                found += check(case)
            except (OSError, sqlite3.Error, PeError) as exc:
                found.append(Checked(name, Health.FAULT, f"could not be looked at: {exc}"))
    return found


def worst(found: list[Checked]) -> Health:
    """The worst of them."""
    return max((row.health for row in found), key=lambda health: EXIT[health], default=Health.OK)


def _disk(case: Case) -> Iterator[Checked]:
    free, settings = shutil.disk_usage(case.folder).free, case.settings
    said = f"{free // _MIB} MiB free"
    if free < settings.reserve_octets:
        yield Checked("disk", Health.FAULT, f"{said}: nothing more is taken", "free the disk, or run prune")
    elif free < settings.reserve_for_verdicts_octets:
        yield Checked("disk", Health.WARNING, f"{said}: logs are left out", "free the disk, or run prune")
    else:
        yield Checked("disk", Health.OK, said)


def _clock(case: Case) -> Iterator[Checked]:
    newest = case.connection.execute("SELECT max(received_at), max(last_frame_at) FROM report").fetchone()
    ahead_s = max((at for at in newest if at is not None), default=case.now_s) - case.now_s
    if ahead_s > AHEAD_S:
        said = f"the newest report came {ahead_s:.0f} s in the future: this clock was set back"
        yield Checked("clock", Health.FAULT, said, "let NTP set the clock; onsets and expiry depend on it")
    else:
        yield Checked("clock", Health.OK, "no report lies in the future")


def _ports(case: Case) -> Iterator[Checked]:
    settings = case.settings
    listens = {"ingest": settings.ingest_listen(), "upload": settings.upload_listen(), "ops": settings.ops_listen()}
    for name, listen in listens.items():
        if listen is not None:
            yield _port(f"port {name}", listen, ours=_is_ours if name == "ops" else None)


def _port(name: str, listen: Listen, ours: Callable[[Listen], bool] | None) -> Checked:
    where = listen.at(listen.port)
    if not listen.port:
        return Checked(name, Health.WARNING, f"{where}: another port each time", "name a port in collector.toml")
    try:
        socket.create_connection((_reachable(listen.host), listen.port), _PATIENCE_S).close()
    except OSError as exc:
        return Checked(name, Health.WARNING, f"{where} does not answer: {exc}", "start pe-collector serve")
    if ours is not None and not ours(listen):
        return Checked(name, Health.FAULT, f"{where} is another program's", "stop it, or name another port")
    return Checked(name, Health.OK, f"{where} answers")


def _is_ours(listen: Listen) -> bool:
    if not listen.plain:
        # Its certificate may bear any name; that it answers must do.
        return True
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    try:
        with urllib.request.urlopen(f"http://{host}:{listen.port}/healthz", timeout=_PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _certificates(case: Case) -> Iterator[Checked]:
    settings = case.settings
    paths = [case.folder / trust.CA, Path(settings.certificate or case.folder / trust.CERTIFICATE)]
    if settings.ops_certificate:
        paths.append(Path(settings.ops_certificate))
    for path in paths:
        yield _certificate(path, case.now_s)


def _certificate(path: Path, now_s: float) -> Checked:
    name = f"certificate {path.name}"
    try:
        read = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as exc:
        return Checked(name, Health.FAULT, f"{path} is no certificate: {exc}", "put it back from a backup")
    until_s = read.not_valid_after_utc.timestamp()
    if read.not_valid_before_utc.timestamp() > now_s:
        said = f"is valid from {read.not_valid_before_utc:%Y-%m-%d} only"
        return Checked(name, Health.FAULT, said, "check this machine's clock")
    return _expires(name, (until_s - now_s) / DAY_S, CERTIFICATE_WARNS_DAYS, "pe-collector certificate renew")


def _expires(name: str, days: float, warns_days: int, advice: str) -> Checked:
    if days < 0:
        return Checked(name, Health.FAULT, f"expired {-days:.0f} days ago", advice)
    if days < warns_days:
        return Checked(name, Health.WARNING, f"expires in {days:.0f} days", advice)
    return Checked(name, Health.OK, f"good for {days:.0f} days")


def _schema(case: Case) -> Iterator[Checked]:
    applied = applied_migrations(case.connection)
    unknown, missing = sorted(applied - set(MIGRATIONS)), [name for name in MIGRATIONS if name not in applied]
    if unknown:
        said = f"was made by a newer version: {', '.join(unknown)}"
        yield Checked("schema", Health.FAULT, said, "install that version, or restore a backup")
    elif missing:
        said = f"lacks {', '.join(missing)}"
        yield Checked("schema", Health.WARNING, said, "back up; the next start of serve brings it up to date")
    else:
        yield Checked("schema", Health.OK, f"{MIGRATIONS[-1]}, the newest")


def _tokens(case: Case) -> Iterator[Checked]:
    advice = {
        Role.INGEST: "pe-collector tokens rotate, then renew the boot images",
        Role.ADMIN: "pe-collector tokens new --role admin",
    }
    for role, what in advice.items():
        until_s = case.connection.execute(
            "SELECT max(expires) FROM token WHERE role=? AND revoked IS NULL", (role,)
        ).fetchone()[0]
        name = f"token {role}"
        if until_s is None:
            yield Checked(name, Health.FAULT if role is Role.INGEST else Health.WARNING, "there is none", what)
        else:
            yield _expires(name, (until_s - case.now_s) / DAY_S, TOKEN_WARNS_DAYS, what)


def _backup(case: Case) -> Iterator[Checked]:
    at = last_backup_s(case.connection)
    advice = "pe-collector backup PATH; deploy/systemd has a timer"
    if at is None:
        yield Checked("backup", Health.WARNING, "there was none yet", advice)
        return
    days = (case.now_s - at) / DAY_S
    health = Health.OK if days <= BACKUP_WARNS_DAYS else Health.WARNING
    yield Checked("backup", health, f"{days:.1f} days old", "" if health is Health.OK else advice)


CHECKS: Mapping[str, Check] = {
    "disk": _disk,
    "clock": _clock,
    "port": _ports,
    "certificate": _certificates,
    "schema": _schema,
    "token": _tokens,
    "backup": _backup,
}
