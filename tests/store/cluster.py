"""A PostgreSQL of our own in a folder: Debian's programs, its own port-less socket, fsync on."""

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

USER = "pe"
_NEEDED = ("initdb", "pg_ctl", "pg_basebackup")
_NUMBERS = itertools.count(1)


def programs() -> Path | None:
    """Where initdb and postgres are; None where PostgreSQL is not installed."""
    found = shutil.which("postgres")
    # Debian keeps them off the path.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in folders if all((folder / name).exists() for name in _NEEDED)), None)


@dataclass
class Cluster:
    """A server's folder. PostgreSQL refuses to run as root, so that root runs it as nobody."""

    folder: Path
    name: str = "primary"

    @property
    def data(self) -> Path:
        return self.folder / self.name

    @property
    def port(self) -> int:
        # Part of the socket's name only: nothing listens on TCP.
        return 5432 if self.name == "primary" else 5433

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(programs() / program), *arguments]
        who = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        return subprocess.run(command, capture_output=True, check=False, timeout=120, cwd=self.folder, **who)

    def must(self, program: str, *arguments: str) -> None:
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()

    def make(self) -> "Cluster":
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        self.must("initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync")
        return self

    def start(self, *settings: str) -> "Cluster":
        told = f"-c listen_addresses= -k {self.folder} -p {self.port} {' '.join(f'-c {s}' for s in settings)}"
        self.must("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", told, "start")
        return self

    def stop(self, how: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def kill(self) -> None:
        """As the power would: the postmaster and all of its children at once."""
        leader = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        for number in (leader, *map(int, children)):
            os.kill(number, 9)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """The URL of one that is empty."""
        import psycopg

        name = f"pe_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)
