"""What the commands in the documents are run on: a collector with a day of a fleet, a boot image, logs, a table."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pe_collector import simulated, store

from tests.winpe.injecting import STARTNET, make_orders, make_wim, program

ROOT = Path(__file__).parents[2]
_LOG = """2026-11-20 08:15:04, Info       [0x0b0022] WDS    StartNetworking: Trying to start networking.
2026-11-20 08:15:34, Error      [0x0b0001] WDS    WdsClient: Failed to contact server. Error code [0x800706BA].
"""
_TABLE = "state,time,address\n" + "".join(
    f"{'bad' if n % 3 == 0 and n > 30 else 'fine'},{1_700_000_000 + 60 * n},10.{n % 3}.0.{n}\n" for n in range(200)
)
_BOOTS = "result,at,ip,serial\n" + "".join(
    f"{'bad' if n % 3 == 0 and n > 30 else 'fine'},{1_700_000_000 + 60 * n},10.{n % 3}.0.{n},S{n}\n" for n in range(200)
)
_DHCPD = "Nov 20 08:15:04 dhcp1 dhcpd[811]: DHCPACK on 10.10.22.38 to 00:11:22:33:44:55 via 10.10.22.1\n"


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder to work in; `ingest` and `upload` are HOST:PORT of the running collector."""

    folder: Path
    ingest: str
    upload: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def first(self, query: str) -> str:
        """The first column of the first row."""
        with closing(store.open_reader(self.data / store.FILE_NAME)) as connection:
            return str(connection.execute(query).fetchone()[0])


@contextmanager
def laid_out(folder: Path) -> Iterator[Desk]:
    """Everything that the documents' examples name, and a collector that runs."""
    data = folder / "data"
    collector = [sys.executable, "-u", "-m", "pe_collector"]
    subprocess.run([*collector, "init", "--data", str(data)], check=True, capture_output=True)
    simulated.fill(data, time.time())
    subprocess.run([*collector, "patterns", "--data", str(data)], check=True, capture_output=True)
    _lay_files(folder, data)
    listen = ["--ingest", "127.0.0.1:0", "--upload", "127.0.0.1:0", "--no-ops"]
    command = [*collector, "serve", "--data", str(data), *listen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        where = [re.split(r" on | \(", process.stdout.readline())[1].split()[0] for _ in range(2)]
        try:
            yield Desk(folder, *where)
        finally:
            process.terminate()
            process.wait(60)


def _lay_files(folder: Path, data: Path) -> None:
    for name in ("ca.pem", "first.token"):
        shutil.copy(data / name, folder / name)
    (folder / "panther").mkdir()
    (folder / "panther" / "setupact.log").write_text(_LOG, encoding="utf-8")
    (folder / "table.csv").write_text(_TABLE, encoding="utf-8")
    (folder / "boots.csv").write_text(_BOOTS, encoding="utf-8")
    (folder / "dhcpd.log").write_text(_DHCPD, encoding="utf-8")
    (folder / "collector.toml").write_text("", encoding="utf-8")


def boot_image(folder: Path) -> Path:
    """A fresh WIM and a payload; the orders of `pe-image inject` beside it."""
    folder.mkdir()
    files = {STARTNET: b"wpeinit\r\n", r"Windows\System32\winload.exe": program()}
    wim = make_wim(folder, files)
    make_orders(folder)
    return wim


def environment(desk: Desk) -> dict[str, str]:
    """A probe that asks nobody, a folder for reports, the collector's data."""
    told = {"PE_COLLECTOR_DATA": str(desk.data), "NO_COLOR": "1"}
    told |= {"PE_AGENT_ONLY": "address,architecture,target", "PE_AGENT_SPOOL": str(desk.folder / "spool")}
    return dict(os.environ) | told
