"""A boot image as drive X: of a Wine (`prefix`: one that `wine_prefix` made), started in the order of winpeshl.exe.

Order: the programs of winpeshl.ini one by one; else \\$Windows.~BT\\sources\\setup.exe; else \\setup.exe; else
`cmd /k startnet.cmd`. wpeinit leaves `ran.txt` and starts the asynchronous commands of \\Unattend.xml without waiting.
It stands for nothing that only Windows PE can show.
"""

import subprocess
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

from tests.windows.shared import WINE, wine_environment, wine_server

PROGRAMS = Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows")
_UNATTEND = {"u": "urn:schemas-microsoft-com:unattend"}
_SETUPS = ("$Windows.~BT/sources/setup.exe", "setup.exe")


@dataclass
class Started:
    """One program that the shell ran: its command, and how long the shell waited for it."""

    command: str
    elapsed_s: float
    code: int


class Machine:
    """A Wine whose drive X: can be changed between boots. `within`: words before each command, as `ip netns exec`."""

    def __init__(self, prefix, within=()):
        self.prefix, self._within = prefix, within
        self.environment = wine_environment(prefix) | {
            # Nothing here may speak to the network of the machine that runs the tests.
            "PE_AGENT_ONLY": "architecture",
            "PE_AGENT_WAIT_FOR_ADDRESS_S": "0.1",
            "PE_AGENT_TIMEOUT_S": "1",
        }
        # The first program starts Wine's services, which would hold our pipes open. They stay, as those of a
        # Windows do, or each boot would also measure their start.
        subprocess.run([*within, wine_server(), "-p"], env=self.environment, check=True, stdout=DEVNULL, stderr=DEVNULL)
        self._wine("wineboot", "-i")

    def insert(self, tree):
        """Make a folder drive X:."""
        link = self.prefix / "dosdevices" / "x:"
        link.unlink(missing_ok=True)
        link.symlink_to(tree)
        self.tree = tree
        lines = ["@echo wpeinit> X:\\ran.txt", *(f'@start "" /b {path}' for path in self._asynchronous_commands())]
        text = _with_drive("".join(f"{line}\r\n" for line in lines))
        (tree / "Windows" / "System32" / "wpeinit.cmd").write_text(text, newline="")

    def boot(self, **environment):
        """Run what the shell runs, one after the other; the agent may go on after that."""
        return [self._start(command, environment) for command in self._commands()]

    def bare_s(self):
        """Seconds that a command interpreter takes which does nothing."""
        began = time.monotonic()
        self._wine("cmd", "/c", "exit")
        return time.monotonic() - began

    def off(self):
        """End every program, at once."""
        subprocess.run([*self._within, wine_server(), "-k"], env=self.environment, check=False)

    def begin(self, *words, stdin=DEVNULL):
        """A program of drive X: that goes on; its standard output is a pipe."""
        command = [*self._within, WINE, *words]
        return subprocess.Popen(command, env=self.environment, stdin=stdin, stdout=subprocess.PIPE, stderr=DEVNULL)

    def say(self, *words):
        """What a program of drive X: prints."""
        command = [*self._within, WINE, *words]
        done = subprocess.run(command, env=self.environment, stdin=DEVNULL, capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    def _commands(self):
        ini = self._find("Windows/System32/winpeshl.ini")
        if ini is not None:
            lines = [line.strip() for line in ini.read_text("latin-1").splitlines()]
            programs = [line for line in lines if line and not line.startswith(("[", ";"))]
            return [" ".join(part.strip().strip('"') for part in line.split(",", 1)) for line in programs]
        setup = next((name for name in _SETUPS if self._find(name)), None)
        if setup is not None:
            return ["%SYSTEMDRIVE%\\" + setup.replace("/", "\\")]
        return ["%SYSTEMROOT%\\System32\\cmd.exe /k startnet.cmd"]

    def _asynchronous_commands(self):
        """Of the windowsPE pass, for this processor, in their order."""
        file = self._find("unattend.xml")
        if file is None:
            return []
        setup = (
            "u:settings[@pass='windowsPE']/u:component[@name='Microsoft-Windows-Setup'][@processorArchitecture='amd64']"
        )
        rows = ET.parse(file).getroot().findall(f"{setup}/u:RunAsynchronous/u:RunAsynchronousCommand", _UNATTEND)
        rows.sort(key=lambda row: int(row.findtext("u:Order", None, _UNATTEND)))
        return [row.findtext("u:Path", None, _UNATTEND) for row in rows]

    def _start(self, command, environment):
        command = _with_drive(command)
        began = time.monotonic()
        done = self._wine("cmd", "/c", f"X:&& cd \\Windows\\System32&& {command}", **environment)
        return Started(command, time.monotonic() - began, done.returncode)

    def _wine(self, *words, **environment):
        return subprocess.run(
            [*self._within, WINE, *words],
            env=self.environment | environment,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            check=False,
            timeout=120,
        )

    def _find(self, name):
        path = self.tree
        for part in name.split("/"):
            path = next((p for p in path.iterdir() if p.name.lower() == part.lower()), None) if path else None
            if path is None:
                return None
        return path


def _with_drive(text):
    """Wine's own Windows is on another drive than the image."""
    return text.replace("%SYSTEMDRIVE%", "X:").replace("%SYSTEMROOT%", "X:\\Windows")


def agents(machine):
    """Process ids of the agents that run on this machine, read from /proc."""
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            words, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if b"pe_agent" in words and b"auto" in words and f"WINEPREFIX={machine.prefix}".encode() in environment:
            found.append(int(path.name))
    return found
