"""Which site is an address at? Prefixes from a spreadsheet or TOML; the longest that holds the address decides."""

from __future__ import annotations

import csv
import io
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.connection import Connection
from pe_collector.store.addresses import KeyRange, address_key, key_range
from pe_collector.store.common_facts import SITE_OF_KEY
from pe_collector.store.database import StoreError
from pe_collector.store.rates import mark_all

MOST_OCTETS = 16 * 1024 * 1024
_DELIMITERS = ",;\t|"
# What people write on top of such columns, lower case.
_NAMES = {
    "prefix": ("prefix", "subnet", "network", "cidr", "range", "ip range", "netz", "subnetz", "netzwerk", "réseau"),
    "site": ("site", "location", "site name", "standort", "office", "branch", "building", "lieu", "ort"),
    "vlan": ("vlan", "vlan id", "vlan-id", "vlanid", "vlan name"),
    "owner": ("owner", "contact", "team", "responsible", "verantwortlich", "besitzer", "ansprechpartner"),
}
_MASKS = ("mask", "netmask", "subnet mask", "prefix length", "maske", "subnetzmaske", "length")


@dataclass(frozen=True, slots=True)
class SitePrefix:
    """One prefix and what is there; `vlan` and `owner` are empty where not known."""

    keys: KeyRange
    site: str
    vlan: str = ""
    owner: str = ""


def read_sites(path: Path) -> list[SitePrefix]:
    """Prefixes from a file: `.toml` with `[[prefix]]` tables, anything else as columns with a header.

    Raises:
        UsageError: it cannot be read, a row is wrong (all wrong rows are named), or a prefix stands twice.
    """
    try:
        octets = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    if len(octets) > MOST_OCTETS:
        raise UsageError(f"{path}: more than {MOST_OCTETS} octets is no list of sites")
    rows = _toml_rows(path, octets) if path.suffix.lower() == ".toml" else _columns_rows(path, _text(octets))
    return _checked(path, rows)


def store_sites(connection: Connection, sites: Iterable[SitePrefix]) -> int:
    """Make these the only prefixes, and give every stored report its site anew; how many reports have one now.

    Raises:
        StoreError: the database does not take it.
    """
    rows = [(s.keys.prefix, s.site, s.vlan, s.owner, s.keys.length, s.keys.first, s.keys.last) for s in sites]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("DELETE FROM site_prefix")
        connection.executemany("INSERT INTO site_prefix VALUES (?,?,?,?,?,?,?)", rows)
        keys = [row[0] for row in connection.execute("SELECT DISTINCT address_key FROM report")]
        connection.executemany(
            f"UPDATE report SET site={SITE_OF_KEY} WHERE address_key=:address_key",  # noqa: S608 - ours
            [{"address_key": key} for key in keys if key],
        )
        mark_all(connection)
        (placed,) = connection.execute("SELECT count(*) FROM report WHERE site IS NOT NULL").fetchone()
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        connection.execute("ROLLBACK")
        raise StoreError(f"not stored: {exc}; check the collector's disk") from exc
    return int(placed)


def list_sites(connection: Connection) -> list[dict[str, Any]]:
    """All prefixes in the order of their addresses, the shorter before those that lie in it."""
    rows = connection.execute("SELECT prefix, site, vlan, owner FROM site_prefix ORDER BY first_key, length")
    return [dict(row) for row in rows]


def site_of(connection: Connection, address: str | None) -> str | None:
    """The site of one address; None where no prefix holds it."""
    row = connection.execute(f"SELECT {SITE_OF_KEY}", {"address_key": address_key(address)}).fetchone()
    return row[0] if row else None


def _text(octets: bytes) -> str:
    """As spreadsheets write it: UTF-8 or UTF-16 with a mark, else UTF-8 or the Windows code page of the west."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return octets.decode("utf-16", "replace")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def _toml_rows(path: Path, octets: bytes) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        document = tomllib.loads(_text(octets))
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"{path}: {exc}") from exc
    unknown = sorted(set(document) - {"prefix"})
    rows = document.get("prefix", [])
    if unknown or not isinstance(rows, list):
        raise UsageError(f"{path}: only [[prefix]] tables are known here, not {(unknown or ['prefix'])[0]!r}")
    for number, row in enumerate(rows, start=1):
        odd = sorted(set(row) - set(_NAMES))
        if odd:
            raise UsageError(f"{path}: prefix {number}: unknown key {odd[0]!r}")
        yield f"prefix {number}", {name: str(value) for name, value in row.items()}


def _columns_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    lines = text.splitlines()
    if lines and lines[0].lower().startswith("sep="):
        lines = lines[1:]
    head = next((line for line in lines if line.strip()), "")
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row))
    _, header = next(rows, (0, []))
    places = _places(path, [cell.lower() for cell in header])
    for number, row in rows:
        cells = {name: row[place] if place < len(row) else "" for name, place in places.items()}
        mask = cells.pop("mask", "")
        if mask and "/" not in cells["prefix"]:
            cells["prefix"] += f"/{mask.removeprefix('/')}"
        yield f"line {number}", cells


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Which column holds what."""
    places = {}
    for name, words in {**_NAMES, "mask": _MASKS}.items():
        found = next((header.index(word) for word in words if word in header), None)
        if found is not None:
            places[name] = found
    missing = [name for name in ("prefix", "site") if name not in places]
    if missing:
        raise UsageError(f"{path}: no column {' and no column '.join(missing)}; it has: {', '.join(header) or 'none'}")
    return places


def _checked(path: Path, rows: Iterable[tuple[str, Mapping[str, str]]]) -> list[SitePrefix]:
    known: dict[str, SitePrefix] = {}
    wrong = []
    for where, row in rows:
        try:
            read = _site_prefix(row)
        except UsageError as exc:
            wrong.append(f"{where}: {exc}")
            continue
        if known.setdefault(read.keys.prefix, read) != read:
            wrong.append(f"{where}: {read.keys.prefix} stands twice and not alike")
    if wrong:
        more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise UsageError(f"{path}: nothing was imported: {'; '.join(wrong[:10])}{more}")
    if not known:
        raise UsageError(f"{path}: no prefix in it")
    return list(known.values())


def _site_prefix(row: Mapping[str, str]) -> SitePrefix:
    if not row.get("site", "").strip():
        raise UsageError(f"{row.get('prefix', '')!r} has no site")
    words = {name: row.get(name, "").strip() for name in ("site", "vlan", "owner")}
    return SitePrefix(key_range(row.get("prefix", "")), **words)
