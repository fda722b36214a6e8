"""What a database looked like after each migration, with rows in it: `python -m tests.collector.upkeep.released`.

Run once when a migration is released; the dumps are never made anew.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from pe_collector.store import sqlite
from pe_collector.store.migrations import MIGRATIONS
from pe_protos.v1 import report_pb2 as pb
from sqlite_utils import Database, Migrations

DUMPS = Path(__file__).parent.parent / "schemas"
REPORT_ID, MACHINE_ID = "0190a0b0c0d07000800000000000ab01", "m1"
_KINDS = ("table", "view", "index", "trigger")
_ROWS = {
    "report": {
        "report_id": REPORT_ID, "code": "7F3K-Q2", "machine_id": MACHINE_ID, "boot_key": "m1-1000", "received_at": 1e9,
        "last_frame_at": 1e9, "peer": "ipv4:10.1.2.3:50000", "token_id": "t1", "carried": 0, "protocol": 1,
        "agent_version": "0.1.0", "trigger": "report", "boot_id": "", "image_build": "b1", "image_name": "WinPE-x64",
        "os_version": "", "booted_at": 1e9, "outcome": "fault", "verdict": "wds-rpc-filtered", "address": "10.1.2.3",
        "prefix": "10.1.2.0/24", "stored_through": 2, "complete": 1,
    },
    "machine": {
        "machine_id": MACHINE_ID, "smbios_uuid": "u", "serial": "S1", "manufacturer": "", "model": "X1",
        "first_seen": 1e9, "last_seen": 1e9,
    },
    "observation": {
        "report_id": REPORT_ID, "sequence": 1, "probe": "address", "target": "eth0", "outcome": "ok",
        "reason": "answered", "facts": '{"address": "10.1.2.3", "prefix_length": 24, "link_up": true}',
    },
    "log_chunk": {
        "report_id": REPORT_ID, "sequence": 2, "path": "setupact.log", "offset_bytes": 0, "codec": "",
        "expanded_bytes": 6, "file_bytes": 6, "sha256": b"", "data": b"a line",
    },
    "token": {"token_id": "t1", "secret_hash": "h", "name": "first", "created": 1.0, "expires": 2e9},
}  # fmt: skip


def dump(count: int) -> str:
    """SQL that makes a database as it was after so many migrations."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations = Migrations("pe_collector")
        for name in MIGRATIONS[:count]:
            migrations(name=name)(sqlite._Script(name))
        migrations.apply(Database(connection))
        for table, row in _ROWS.items():
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({marks})", tuple(row.values()))
        hello = pb.Frame(sequence=0, hello=pb.Hello(protocol=1, report_id=bytes.fromhex(REPORT_ID)))
        connection.execute("INSERT INTO frame VALUES (?,0,'hello',?)", (REPORT_ID, hello.SerializeToString()))
        return "\n".join([*_schema(connection), *_inserts(connection)]) + "\n"


def _schema(connection):
    shadows = {row[1] for row in connection.execute("PRAGMA table_list") if row[2] == "shadow"}
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    there = [(kind, sql) for kind, name, sql in rows if name not in shadows and not name.startswith("sqlite_")]
    return [f"{sql};" for kind, sql in sorted(there, key=lambda row: _KINDS.index(row[0]))]


def _inserts(connection):
    for table in ("_sqlite_migrations", "frame", *_ROWS):
        row_of = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in row_of.description]
        for row in row_of:
            values = ", ".join(connection.execute("SELECT quote(?)", (value,)).fetchone()[0] for value in row)
            yield f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values});"


if __name__ == "__main__":
    DUMPS.mkdir(exist_ok=True)
    for number, name in enumerate(MIGRATIONS, start=1):
        if not (DUMPS / f"{name}.sql").exists():
            (DUMPS / f"{name}.sql").write_text(dump(number), encoding="utf-8", newline="\n")
