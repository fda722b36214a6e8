"""How does each kind of boot image come to start the agent, with what it started before kept and run after?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pe_image.errors import HookError
from pe_image.hook_unattend import UNATTEND_PATH, with_asynchronous_command
from pe_image.kinds import INI_PATH, Kind
from pe_image.text_form import Script

FOLDER = "pe-agent"
HOOK_PATH = rf"{FOLDER}\hook.cmd"
COMMAND_PATH = r"Windows\System32\pe-agent.cmd"
STARTNET_PATH = r"Windows\System32\startnet.cmd"

# Not verified on Windows PE: that winpeshl.exe waits for cmd.exe only and not for what it started.
INI_LINE = rf"%SYSTEMROOT%\System32\cmd.exe, /c %SYSTEMDRIVE%\{HOOK_PATH}"
# Wine does not set SystemDrive to the drive of the image; the drive of the script itself is right everywhere.
STARTNET_LINE = rf'@if exist "%~d0\{HOOK_PATH}" call "%~d0\{HOOK_PATH}"'
UNATTEND_COMMAND = rf"cmd.exe /c %SYSTEMDRIVE%\{HOOK_PATH}"
# `start` returns at once. Each line says @, because a script that calls this one keeps its own echo. pythonw.exe has no
# console, so it is out of sight and on its own from the first moment; in a payload without it python.exe starts itself
# once more to get there. Were there neither, `start` would open a window to say so.
_BACKGROUND = '@if {condition} start "" /b /belownormal "%~dp0{program}" -m pe_agent {words} >nul 2>&1 <nul\r\n'
HOOK_SCRIPT = (
    "@rem Starts pe-agent beside the deployment and returns at once, always with 0.\r\n"
    + _BACKGROUND.format(condition=r'exist "%~dp0pythonw.exe"', program="pythonw.exe", words="auto --foreground")
    + _BACKGROUND.format(
        condition=r'not exist "%~dp0pythonw.exe" if exist "%~dp0python.exe"', program="python.exe", words="auto"
    )
    + "@exit /b 0\r\n"
)
COMMAND_SCRIPT = rf'@"%~d0\{FOLDER}\python.exe" -m pe_agent %*' + "\r\n"

# winpeshl.ini reference (learn.microsoft.com): a command has at most 250 characters.
MAX_COMMAND_CHARACTERS = 250
_SECTION = re.compile(r"^[ \t]*\[([^\]\r\n]*)\][ \t]*\r?$", re.MULTILINE)
_APP_PATH = re.compile(r"^[ \t]*AppPath[ \t]*=[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a hook has to fit: the image's paths (as they are written there), its architecture, the file today.

    `programs`: of these paths Windows PE starts the first that is there.
    """

    paths: frozenset[str]
    architecture: str
    script: Script | None
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to be started: the file to change, and its new form."""

    path: str
    change: Callable[[Scene], Script]


def way_of(kind: Kind, wanted: str = "kind") -> Way:
    """The way into an image of this kind; `wanted` names another way than the kind's own.

    Raises:
        HookError: images of this kind are no targets, or do not go the wanted way.
    """
    if kind.refused:
        raise HookError(f"this is a {kind.title} image: {kind.refused}")
    if wanted == "unattend" and not kind.reads_unattend:
        raise HookError(f"nothing in a {kind.title} reads \\{UNATTEND_PATH}; leave out --hook unattend")
    return WAYS[kind.way if wanted == "kind" else wanted]


def new_ini(scene: Scene) -> Script:
    """A winpeshl.ini for an image that has none: the agent, then the Setup that would have been started."""
    lowered = {path.lower() for path in scene.paths}
    setup = next((path for path in scene.programs if path.lower() in lowered), None)
    if setup is None:
        raise HookError(f"no winpeshl.ini and none of {', '.join(scene.programs)}: nothing could run after the agent")
    return Script(f"[LaunchApps]\r\n{INI_LINE}\r\n%SYSTEMDRIVE%\\{setup}\r\n")


def longer_ini(scene: Scene) -> Script:
    """The image's winpeshl.ini with the agent as the first of its programs."""
    script = scene.script
    if script is None:
        raise HookError(f"{INI_PATH} is not in the image")
    problems = ini_problems(script.text)
    if problems:
        raise HookError(f"{INI_PATH}: {problems[0]}; repair it in the image first")
    return script.with_text(_with_first_program(script))


def ini_problems(text: str) -> tuple[str, ...]:
    """What winpeshl.exe would stumble over: commands that are too long, sections that hold nothing."""
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line.strip()) > MAX_COMMAND_CHARACTERS:
            problems.append(f"line {number} has {len(line.strip())} characters, {MAX_COMMAND_CHARACTERS} are allowed")
        if line.count('"') % 2:
            problems.append(f"line {number} opens a quotation and does not close it")
    return tuple(problems)


def longer_startnet(scene: Scene) -> Script:
    """startnet.cmd with the agent before anything else, so that it sees the network come up.

    A first line that only sets the echo, or that stands behind a byte order mark, stays the first.
    """
    script = scene.script
    if script is None:
        raise HookError(f"{STARTNET_PATH} is not in the image")
    # The Old New Thing, 26 July 2021: cmd.exe takes the first NUL for the end of the script.
    if script.encoding.startswith("utf-16"):
        raise HookError(f"{STARTNET_PATH} is in UTF-16, of which cmd.exe runs no line; save it as ANSI text first")
    first, end, rest = script.text.partition("\n")
    if not script.mark and not re.fullmatch(r"\s*@?echo\s+off\s*", first, re.IGNORECASE):
        return script.with_text(STARTNET_LINE + script.line_end + script.text)
    head = first + end if end else first + script.line_end
    return script.with_text(head + STARTNET_LINE + script.line_end + rest)


def longer_unattend(scene: Scene) -> Script:
    """Unattend.xml with the agent among its asynchronous commands."""
    return with_asynchronous_command(scene.script, UNATTEND_COMMAND, scene.architecture)


WAYS = {
    "new-ini": Way(INI_PATH, new_ini),
    "ini": Way(INI_PATH, longer_ini),
    "startnet": Way(STARTNET_PATH, longer_startnet),
    "unattend": Way(UNATTEND_PATH, longer_unattend),
}


def _with_first_program(script: Script) -> str:
    text = script.text
    sections = {match.group(1).strip().lower(): match for match in _SECTION.finditer(text)}
    if "launchapps" in sections:
        at = text.find("\n", sections["launchapps"].start())
        head, rest = (text, "") if at < 0 else (text[: at + 1], text[at + 1 :])
        head = head if head.endswith("\n") else head + script.line_end
        return head + INI_LINE + script.line_end + rest
    if "launchapp" in sections:
        return _as_list(script, sections["launchapp"])
    raise HookError(
        f"{INI_PATH} has neither [LaunchApp] nor [LaunchApps], so it starts nothing; "
        "repair or delete it in the image first"
    )


def _as_list(script: Script, section: re.Match[str]) -> str:
    """[LaunchApp] names one program only; the list of [LaunchApps] can hold the agent and that program."""
    following = _SECTION.search(script.text, section.end())
    named = _APP_PATH.search(script.text, section.end(), following.start() if following else len(script.text))
    if named is None or not named.group(1):
        raise HookError(f"{INI_PATH}: [LaunchApp] names no AppPath")
    if "," in named.group(1):
        raise HookError(f"{INI_PATH}: AppPath holds a comma, which [LaunchApps] would take for the start of options")
    end = script.line_end
    lines = f"[LaunchApps]{end}{INI_LINE}{end}{named.group(1)}"
    return script.text[: section.start()] + lines + script.text[named.end(1) :]
