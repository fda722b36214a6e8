"""Boot images of every kind, made of Wine's command interpreter and text.

The programs of an image are copies of cmd.exe, so that its own winpeshl.ini or startnet.cmd can leave `ran.txt` on
drive X: by what it says to them.
"""

import shutil
from pathlib import Path

from tests.windows.booting import PROGRAMS
from tests.windows.shared import REPOSITORY, WINDOWS_PYTHON

STARTNET = "Windows/System32/startnet.cmd"
INI = "Windows/System32/winpeshl.ini"
PLAIN = {STARTNET: "@echo off\r\nwpeinit\r\n"}


def _ini(program, options=""):
    line = f"{program}, /c echo {options} ran > X:\\ran.txt"
    return {INI: f"[LaunchApps]\r\n{line}\r\n"}


# The first word is the kind's id in kinds.toml, what follows tells cases of it apart; None is a program.
KINDS = {
    "plain": PLAIN,
    "plain by unattend": PLAIN,
    "setup": {STARTNET: "wpeinit\r\n", "setup.exe": None},
    "setup of an upgrade": {STARTNET: "wpeinit\r\n", "$Windows.~BT/sources/setup.exe": None},
    "capture": _ini(r"%SYSTEMROOT%\System32\wdscapture.exe") | {"Windows/System32/wdscapture.exe": None},
    "discover": _ini(r"%SYSTEMDRIVE%\sources\setup.exe", "/wds /wdsdiscover") | {"sources/setup.exe": None},
    "mdt": _ini(r"%SYSTEMROOT%\System32\bddrun.exe", "/bootstrap") | {"Windows/System32/bddrun.exe": None},
    "configmgr": _ini(r"%SYSTEMDRIVE%\sms\bin\x64\TsBootShell.exe") | {"sms/bin/x64/TsBootShell.exe": None},
    "custom-ini": _ini(r"%SYSTEMDRIVE%\site\menu.exe") | {"site/menu.exe": None},
}


def leaves_a_mark(kind):
    """Whether what the image starts by itself leaves `ran.txt`: Setup gets no words to do so."""
    return not kind.startswith("setup")


def starts(kind):
    """What Windows PE would start in such an image had nobody touched it."""
    own = next((name for name, text in KINDS[kind].items() if text is None), "Windows/System32/cmd.exe")
    return "X:\\" + own.replace("/", "\\")


def way_into(kind):
    """Options of `pe-image inject` beside those that every image gets."""
    return ["--hook", "unattend"] if kind.endswith("by unattend") else []


def lay_out_agent(tree):
    """CPython for Windows with the agent as it lies here, in \\pe-agent; click comes from this Python."""
    import click

    folder = tree / "pe-agent"
    shutil.copytree(WINDOWS_PYTHON, folder, ignore=shutil.ignore_patterns("*._pth"))
    shutil.copytree(
        REPOSITORY / "agent" / "pe_agent", folder / "pe_agent", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(Path(click.__file__).parent, folder / "click")


def lay_out(tree, kind):
    """Write the files of an image of this kind below `tree`."""
    (tree / "Windows" / "Panther").mkdir(parents=True)
    for name, text in (KINDS[kind] | {"Windows/System32/cmd.exe": None}).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="") if text is not None else shutil.copy(PROGRAMS / "cmd.exe", path)
