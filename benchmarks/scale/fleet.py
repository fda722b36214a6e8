"""A fleet that is always the same: 2,000 subnets at 200 sites, 50,000 machines, 30 days of boots, one fault.

DuckDB makes it from the numbers 0..N and their hashes, once for all engines: `raw/` has the store's tables,
`history/` the same as `pe-collector export --parquet` lays it out.
"""

# ruff: noqa: S608, E501 - statements are made of our own names, and read best a clause a line
from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from pe_collector.analytics.parquet import FILE, MANIFEST
from pe_collector.analytics.parts import PARTS, Part, kind_of
from pe_collector.store.tables import TABLES

_UNITS = {"k": 1000, "M": 1_000_000}
NOW_S = 1_763_000_000.0
DAYS, MACHINES, SUBNETS, SITES = 30, 50_000, 2000, 200
PROBES = (
    *("adapters", "address", "dhcp", "architecture", "pxe", "tftp"),
    *("dns", "sntp", "endpoint-mapper", "wds-rpc", "smb", "path-mtu"),
)
# All sites of one server lose a port of it for the last six hours.
SERVERS, FAULT_SERVER, FAULT_S = 20, 7, 6 * 3600.0
# Of so many digits that no average of few ends between two: its last digit depends on the order of adding up.
LONGEST_S = 0.0517183920471653
_WELL = '{"link":["ok",""],"address":["ok",""],"pxe":["ok",""],"rpc":["ok",""],"verdict":["ok",""]}'
_ILL = '{"link":["ok",""],"address":["ok",""],"pxe":["ok",""],"rpc":["failed","filtered"],"verdict":["failed",""]}'
# A share of the hash of a number; the salt makes one number many.
_MACROS = """
CREATE MACRO share(i, salt) AS (hash(i * 64 + salt) % 1000000) / 1e6;
CREATE MACRO id(i, at_s) AS printf('%012x', CAST(at_s * 1000 AS BIGINT)) || printf('%04x', 28672 + hash(i) % 4096)
    || printf('%016x', hash(i * 3 + 1) // 2);
CREATE MACRO octets(n) AS '10.' || n // 256 || '.' || n % 256;
"""
_BOOTS = f"""
CREATE TABLE boot AS SELECT i, m, m % {SUBNETS} AS n, m % {SUBNETS} // {SUBNETS // SITES} AS s, at_s, 10 + m // {SUBNETS} AS host,
    CASE WHEN share(i, 2) < 0.03 OR (m % {SUBNETS} // {SUBNETS // SITES} % {SERVERS} = {FAULT_SERVER}
              AND at_s >= {NOW_S - FAULT_S} AND share(i, 3) < 0.7) THEN 'fault'
         WHEN share(i, 2) < 0.05 THEN 'warning' WHEN share(i, 2) < 0.06 THEN 'incomplete' ELSE 'healthy' END AS outcome
FROM (SELECT range AS i, CAST(hash(range * 5 + 3) % {MACHINES} AS BIGINT) AS m,
             {NOW_S - DAYS * 86400} + (range + share(range, 1)) * {DAYS * 86400.0} / {{count}} AS at_s FROM range({{count}}))
"""
# Columns of `report` that differ, as expressions over `boot`; the others are the same in every row.
_DIFFERENT = {
    "report_id": "id(i, at_s)",
    "code": "upper(printf('%04x-%04x', i // 65536 % 65536, i % 65536))",
    "machine_id": "'m-' || m",
    "boot_key": "'m-' || m || '-' || CAST(at_s AS BIGINT)",
    "received_at": "at_s",
    "last_frame_at": "at_s + 15 + 20 * share(i, 4)",
    "booted_at": "at_s - 20",
    "clock_skew_s": "share(i, 5) * 4 - 2",
    "attributes": '\'{"subnet": "\' || octets(n) || \'.0/24", "server": "WDS\' || 1 + s % 20 || \'", "image": "boot-\' '
    '|| m % 2 || \'", "model": "Model \' || m % 12 || \'", "adapter_driver": "e1d \' || m % 5 || \'"}\'',
    "address": "octets(n) || '.' || host",
    "prefix": "octets(n) || '.0/24'",
    "server": "'WDS' || 1 + s % 20",
    "image": "'boot-' || m % 2",
    "outcome": "outcome",
    "verdict": "CASE outcome WHEN 'fault' THEN 'wds-rpc-filtered' ELSE '' END",
    "title": "CASE outcome WHEN 'fault' THEN 'TCP 5040 is filtered' WHEN 'incomplete' THEN '' ELSE 'The path is healthy' END",
    "summary_sequence": "CASE WHEN outcome='incomplete' THEN NULL ELSE 14 END",
    "stored_octets": "CAST(800 + 400 * share(i, 6) AS BIGINT)",
    "complete": "CASE WHEN outcome='incomplete' THEN 0 ELSE 1 END",
    "address_key": "printf('40a%02x%02x%02x', n // 256, n % 256, host)",
    "site": "'site-' || s",
    "model": "'Model ' || m % 12",
    "nic": "'PCI VEN_8086 DEV_' || m % 9",
    "nic_driver": "'e1d ' || m % 5",
    "switch": "'sw-' || n",
    "switch_port": "'Gi1/0/' || host",
    "link_to_address_s": "CASE WHEN share(i, 7) < 0.02 THEN 30 + 10 * share(i, 8) ELSE 1 + 6 * share(i, 8) END",
    "phase": "CASE outcome WHEN 'fault' THEN 'rpc' ELSE '' END",
    "phases": f"CASE outcome WHEN 'fault' THEN '{_ILL}' WHEN 'incomplete' THEN '' ELSE '{_WELL}' END",
}
_SAME = {
    "peer": "ipv4:192.0.2.1:5000",
    "token_id": "t1",
    "trigger": "auto",
    "agent_version": "0.1.0",
    "carried": 0,
    "protocol": 1,
    "boot_id": "",
    "image_build": "b1",
    "image_name": "boot",
    "os_version": "10.0.26100",
    "owner": "",
    "advice": "",
    "confidence": 0.9,
    "stored_through": 14,
    "speaks": 1,
    "agent_wall_ms": None,
    "agent_uptime_s": 20.0,
    "utc_offset_min": -480,
}
_PROBE = "list_value({})[1 + k]".format(", ".join(f"'{name}'" for name in PROBES))
_OF_BOOT = {
    "observation": f"""SELECT id(i, at_s) AS report_id, 1 + k AS sequence, {_PROBE} AS probe,
        '10.0.' || s || '.20:' || list_value(0, 0, 67, 0, 4011, 69, 53, 123, 135, 5040, 445, 0)[1 + k] AS target,
        CASE WHEN k = 9 AND outcome = 'fault' THEN 'failed' ELSE 'ok' END AS outcome,
        CASE WHEN k = 9 AND outcome = 'fault' THEN 'filtered' ELSE 'answered' END AS reason,
        8.0 + k AS started_at_s, share(i, 20 + k) * {LONGEST_S} AS elapsed_s,
        '{{"rtt_s": ' || round(share(i, 40 + k) / 100, 4) || '}}' AS facts
        FROM boot, (SELECT range AS k FROM range({len(PROBES)}))""",
    "finding": """SELECT id(i, at_s) AS report_id, 13 AS sequence, 'wds-rpc-filtered' AS finding, 'TCP 5040 is filtered' AS title,
        'network' AS owner, 'Let it pass.' AS advice, 0.9 AS confidence,
        '[{"target": "10.0.' || s || '.20:5040", "text": "filtered"}]' AS evidence
        FROM boot WHERE outcome = 'fault'""",
    "log_line": r"""SELECT id(i, at_s) AS report_id, 'X:\Windows\Panther\setupact.log' AS path, 40 + i % 9 AS line,
        'Error' AS level, 'Failed to create client session. Error code [0x800706BA] try ' || i % 50 AS text,
        row_number() OVER (ORDER BY i) AS search_key FROM boot WHERE outcome = 'fault'""",
    "machine": f"""SELECT 'm-' || m AS machine_id, printf('%08x-0000-0000-0000-000000000000', m) AS smbios_uuid,
        printf('SN%06d', m) AS serial, 'Maker' AS manufacturer, 'Model ' || m % 12 AS model,
        {NOW_S - DAYS * 86400} AS first_seen, max(at_s) AS last_seen FROM boot GROUP BY m ORDER BY 1""",
    "machine_mark": """SELECT * FROM (SELECT DISTINCT 'serial' AS kind, printf('sn%06d', m) AS value, 'm-' || m AS machine_id
        FROM boot UNION ALL SELECT DISTINCT 'mac', printf('02:00:00:%02x:%02x:%02x', m // 65536, m // 256 % 256, m % 256),
        'm-' || m FROM boot) ORDER BY ALL""",
    "site_prefix": f"""SELECT octets(range) || '.0/24' AS prefix, 'site-' || range // {SUBNETS // SITES} AS site, '' AS vlan,
        '' AS owner, 24 AS length, printf('40a%02x%02x00', range // 256, range % 256) AS first_key,
        printf('40a%02x%02xff', range // 256, range % 256) AS last_key FROM range({SUBNETS}) ORDER BY 1""",
    "refusal": f"""SELECT {int(NOW_S - DAYS * 86400) // 3600 * 3600} + 3600 * range AS hour_at, 'rate' AS reason,
        range % 7 AS times FROM range({DAYS * 24}) WHERE range % 7 > 0""",
}


def count_of(text: str) -> int:
    """`10k` and `10M` as numbers."""
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


def report_columns() -> tuple[str, ...]:
    """In the order of the table."""
    return tuple(TABLES.tables["report"].columns.keys())


def same_in_all(column: str) -> bool:
    """Whether a column of `report` holds one value in the whole fleet."""
    return column not in _DIFFERENT


def value_of(column: str) -> Any:
    """The one value of such a column."""
    return _SAME.get(column)


def make(folder: Path, count: int, *, observations: bool) -> None:
    """Write the fleet of `count` reports into `raw/`; of the greatest without observations."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    with closing(_bounded(folder)) as made:
        made.execute(_MACROS)
        made.execute(_BOOTS.format(count=count))
        columns = ", ".join(f"{_DIFFERENT.get(name) or literal(value_of(name))} AS {name}" for name in report_columns())
        queries = {"report": f"SELECT {columns} FROM boot", **_OF_BOOT}
        for name, query in queries.items():
            empty = " LIMIT 0" if name == "observation" and not observations else ""
            kinds = ", ".join(f"CAST({c.name} AS {kind_of(c)}) AS {c.name}" for c in TABLES.tables[name].columns)
            made.execute(
                f"COPY (SELECT {kinds} FROM ({query}{empty})) TO '{raw / name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )


_JOINED = "JOIN report r USING (report_id)"
_VIEWS = {
    "reports": "SELECT {} FROM (SELECT * FROM report)",
    "boots": "SELECT {} FROM (SELECT *, 1 AS reports FROM report)",
    "observations": f"SELECT {{}} FROM (SELECT o.*, machine_id, received_at, prefix, site, server FROM observation o {_JOINED})",
    "findings": f"SELECT {{}} FROM (SELECT f.*, machine_id, received_at, prefix, site, server FROM finding f {_JOINED})",
    "log_lines": f"SELECT {{}} FROM (SELECT l.*, machine_id, received_at, prefix, site, server FROM log_line l {_JOINED})",
    "refusal": "SELECT {} FROM refusal",
    "machine": "SELECT {} FROM machine",
    "machine_mark": "SELECT {} FROM machine_mark",
    "sites": "SELECT {} FROM site_prefix",
}


def lay_out(folder: Path) -> None:
    """Write `history/` from `raw/`, as an export has it."""
    history = folder / "history"
    history.mkdir()
    with closing(_bounded(folder)) as made:
        for name in TABLE_NAMES:
            made.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder}/raw/{name}.parquet'")
        for part in PARTS:
            if part.name in _VIEWS:
                (history / part.name).mkdir()
                _write(made, history / part.name, part)
    (history / MANIFEST).write_text(json.dumps({"tables": {}}))


def _write(made: Any, place: Path, part: Part) -> None:
    query, told = _VIEWS[part.name].format(", ".join(part.columns)), "(FORMAT parquet, COMPRESSION zstd)"
    if not part.moment:
        made.execute(f"COPY ({query}) TO '{place / FILE}' {told}")
        return
    for number in range(DAYS + 1):
        begin_s = (NOW_S // 86400 - DAYS + number) * 86400
        of_day = f"{query} WHERE {part.moment} >= {begin_s} AND {part.moment} < {begin_s + 86400}"
        day = place / f"day={datetime.datetime.fromtimestamp(begin_s, datetime.UTC):%Y-%m-%d}"
        day.mkdir()
        made.execute(f"COPY ({of_day}) TO '{day / FILE}' {told}")


def _bounded(folder: Path) -> Any:
    return duckdb.connect(config={"threads": 2, "memory_limit": "6GB", "temp_directory": str(folder)})


def literal(value: Any) -> str:
    """As SQL writes it."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def rows(folder: Path, table: str, columns: str, at_once: int = 20_000) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of a raw table, many at once."""
    with closing(duckdb.connect(config={"threads": 2})) as reader:
        cursor = reader.execute(f"SELECT {columns} FROM '{folder}/raw/{table}.parquet'")
        while part := cursor.fetchmany(at_once):
            yield part


def in_csv(folder: Path, table: str, at_once: int = 1_000_000) -> Iterator[Path]:
    """A raw table as PostgreSQL's COPY takes it, in files that are there one after the other."""
    out = folder / f"{table}.csv"
    with closing(duckdb.connect(config={"threads": 2})) as reader:
        told = "(FORMAT csv, HEADER false, NULLSTR '\\N')"
        kept = f"read_parquet('{folder}/raw/{table}.parquet', file_row_number=true)"
        (count,) = reader.execute(f"SELECT count(*) FROM {kept}").fetchone()  # type: ignore[misc]
        for first in range(0, count, at_once):
            part = f"file_row_number >= {first} AND file_row_number < {first + at_once}"
            rows = f"SELECT * EXCLUDE (file_row_number) FROM {kept} WHERE {part}"
            reader.execute(f"COPY ({rows}) TO '{out}' {told}")
            yield out
            out.unlink()


TABLE_NAMES = ("report", *_OF_BOOT)


def columns_of(folder: Path, table: str) -> list[str]:
    """Of a raw table, in order."""
    with closing(duckdb.connect()) as reader:
        return [row[0] for row in reader.execute(f"DESCRIBE SELECT * FROM '{folder}/raw/{table}.parquet'").fetchall()]
