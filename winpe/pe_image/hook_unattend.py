"""How does wpeinit come to start the agent: one more asynchronous command in Unattend.xml of the image's root.

The text is edited, not written anew: what was in it stays octet by octet. Source: Microsoft-Windows-Setup,
RunAsynchronous, in the windowsPE pass (learn.microsoft.com). Not verified on Windows PE.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from pe_image.errors import HookError
from pe_image.text_form import Script

UNATTEND_PATH = "Unattend.xml"
_ARCHITECTURES = {"x86": "x86", "x64": "amd64", "arm": "arm", "arm64": "arm64"}
_EMPTY = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n<unattend xmlns="urn:schemas-microsoft-com:unattend">\r\n</unattend>\r\n'
)
_COMPONENT = (
    '<component name="Microsoft-Windows-Setup" processorArchitecture="{architecture}" '
    'publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS" '
    'xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">{commands}</component>'
)
_COMMAND = (
    '<RunAsynchronousCommand wcm:action="add" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">'
    "<Description>pe-agent</Description><Order>{order}</Order><Path>{path}</Path></RunAsynchronousCommand>"
)
_PASS = re.compile(r"<settings\b[^>]*\bpass\s*=\s*[\"']windowsPE[\"'][^>]*?(/?)>(.*?)(?=</settings>|\Z)", re.DOTALL)
_SETUP = r"<component\b(?=[^>]*[\"']Microsoft-Windows-Setup[\"'])(?=[^>]*[\"']{}[\"'])[^>]*?(/?)>(.*?)(?=</component>)"
_LIST = re.compile(r"<RunAsynchronous\b[^>]*?(/?)>(.*?)(?=</RunAsynchronous>)", re.DOTALL)
_ORDER = re.compile(r"<Order>\s*(\d+)\s*</Order>")


def with_asynchronous_command(script: Script | None, path: str, architecture: str) -> Script:
    """The answer file with `path` as its last asynchronous command; a new file when there is none.

    Raises:
        HookError: the file is no well-formed answer file, or the image's architecture is not known.
    """
    if architecture not in _ARCHITECTURES:
        raise HookError(
            f"{UNATTEND_PATH} has to name the image's architecture, and this image does not tell it; say it with "
            "`wimlib-imagex info WIM INDEX --image-property WINDOWS/ARCH=9` (9 amd64, 0 x86, 12 arm64)"
        )
    if script is None:
        script = Script(_EMPTY)
    _must_parse(script)
    changed = script.with_text(_inserted(_without_comments(script.text), script.text, path, architecture))
    _must_parse(changed)
    return changed


def _inserted(readable: str, text: str, path: str, architecture: str) -> str:
    """Insert at the innermost place that exists. `readable` has blanks for comments, at the same offsets."""
    commands = _COMMAND.format(order=1, path=path)
    settings = _PASS.search(readable)
    setup = re.compile(_SETUP.format(_ARCHITECTURES[architecture]), re.DOTALL)
    component = settings and setup.search(readable, settings.start(2), settings.end(2))
    if settings is None or settings.group(1):
        whole = f'<settings pass="windowsPE">{_component(commands, architecture)}</settings>'
        return _before(text, readable.rindex("</unattend"), whole)
    if component is None or component.group(1):
        return _before(text, settings.end(2), _component(commands, architecture))
    listed = _LIST.search(readable, component.start(2), component.end(2))
    if listed is None or listed.group(1):
        return _before(text, component.end(2), f"<RunAsynchronous>{commands}</RunAsynchronous>")
    order = 1 + max((int(number) for number in _ORDER.findall(listed.group(2))), default=0)
    return _before(text, listed.end(2), _COMMAND.format(order=order, path=path))


def _component(commands: str, architecture: str) -> str:
    return _COMPONENT.format(
        architecture=_ARCHITECTURES[architecture], commands=f"<RunAsynchronous>{commands}</RunAsynchronous>"
    )


def _before(text: str, at: int, addition: str) -> str:
    return text[:at] + addition + text[at:]


def _without_comments(text: str) -> str:
    return re.sub(r"<!--.*?-->", lambda match: " " * len(match.group()), text, flags=re.DOTALL)


def _must_parse(script: Script) -> None:
    try:
        # Expat fetches no external entities; the file is the operator's own.
        root = ET.fromstring(script.octets())  # noqa: S314
    except (ET.ParseError, ValueError) as exc:
        raise HookError(f"{UNATTEND_PATH} in the image is not well-formed: {exc}") from exc
    if not root.tag.endswith("unattend") or "</unattend" not in script.text:
        raise HookError(f"{UNATTEND_PATH} in the image is no answer file: its root is <{root.tag}>")
