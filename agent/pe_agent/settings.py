"""What the agent was told: by flag, by environment (PE_AGENT_*), by agent.toml in the image, or by default."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pe_agent.errors import UsageError
from pe_agent.probes.contract import WDS_RPC_PORT

PREFIX = "PE_AGENT_"
FILE_NAME = "agent.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; times in seconds.

    Attributes:
        collector: HOST:PORT of each collector, tried in this order.
        upload: HOST:PORT of each collector's HTTPS upload, tried when gRPC does not load or gets no answer.
        ca: the CA certificate (PEM) that the collector's certificate must chain to.
        token_file: holds the ingest token; `token` is for environments that have no files.
        plain: speak without TLS, allowed to loopback only.
        redaction_key: makes the words that stand for secrets; the same in all images whose reports are compared.
        only: names of the probes to run, all when empty; `skip`: names to leave out.
        sysroot: read firmware facts and logs below this folder instead of the running system.
    """

    collector: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()
    ca: str = ""
    token_file: str = ""
    token: str = ""
    plain: bool = False
    server: str = ""
    configured_server: str = ""
    rpc_port: int = WDS_RPC_PORT
    timeout_s: float = 20.0
    wait_for_address_s: float = 0.0
    late_after_s: float = 15.0
    watch_s: float = 600.0
    image_build: str = ""
    image_name: str = ""
    spool: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    redaction_key: str = ""
    sysroot: str = ""


_TYPES = {f.name: str(f.type) for f in fields(Settings)}
# In the file `server` means the configured one: what the network says is believed before it.
_FILE_NAMES = {name: name for name in _TYPES} | {"server": "configured_server"}


def load(flags: Mapping[str, Any], environment: Mapping[str, str], config: str = "") -> Settings:
    """Settings by rank: flag, environment, file, default. A flag that is None or () was not given.

    Raises:
        UsageError: the file cannot be read or holds an unknown name or a wrong type; so does a variable.
    """
    settings = Settings()
    path = _config_path(config or environment.get(PREFIX + "CONFIG", ""))
    if path is not None:
        settings = replace(settings, **_from_file(path))
    settings = replace(settings, **_from_environment(environment))
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    return replace(settings, **given)


def token_of(settings: Settings) -> str:
    """The ingest token, from its file when one is named.

    Raises:
        UsageError: the file cannot be read or is empty.
    """
    if not settings.token_file:
        return settings.token
    path = Path(settings.token_file)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"token file {path}: {exc}; name the file that `pe-collector init` wrote") from exc
    if not token:
        raise UsageError(f"token file {path} is empty; copy the token that `pe-collector init` wrote into it")
    return token


def redaction_key_of(settings: Settings) -> bytes:
    """The key behind the words that stand for secrets; without a configured one they hold within one run only."""
    if not settings.redaction_key:
        return os.urandom(32)
    import hashlib  # noqa: PLC0415 - the first probe does not wait for it to load

    return hashlib.sha256(settings.redaction_key.encode()).digest()


def _config_path(named: str) -> Path | None:
    if named:
        return Path(named)
    beside = Path(sys.executable).parent / FILE_NAME
    usual = beside if sys.platform == "win32" else Path("/etc/pe-agent") / FILE_NAME
    return usual if usual.is_file() else None


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - a run without a file does without

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: not TOML: {exc}") from exc
    unknown = sorted(set(table) - set(_FILE_NAMES))
    if unknown:
        raise UsageError(f"{path}: unknown setting {', '.join(unknown)}; known are {', '.join(sorted(_FILE_NAMES))}")
    folder = path.parent
    values = {_FILE_NAMES[name]: _typed(_FILE_NAMES[name], value, str(path)) for name, value in table.items()}
    for name in ("ca", "token_file"):
        if values.get(name):
            values[name] = str(folder / values[name])
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name in _TYPES:
        text = environment.get(PREFIX + name.upper())
        if text is not None:
            values[name] = _parsed(name, text)
    return values


def _parsed(name: str, text: str) -> Any:
    """The text of an environment variable as the type its setting has."""
    where = PREFIX + name.upper()
    kind = _TYPES[name]
    if kind.startswith("tuple"):
        return tuple(part for part in text.replace(";", ",").split(",") if part)
    if kind == "bool":
        return text.lower() in ("1", "true", "yes", "on")
    if kind == "str":
        return text
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError as exc:
        raise UsageError(f"{where}={text!r}: a number is needed") from exc


def _typed(name: str, value: Any, where: str) -> Any:
    kind = _TYPES[name]
    if kind.startswith("tuple"):
        parts = [value] if isinstance(value, str) else value
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return tuple(parts)
    elif kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif type(value).__name__ == kind:
        return value
    raise UsageError(f"{where}: {name} = {value!r}: this needs to be of type {kind}")


def spool_folders_of(settings: Settings) -> tuple[Path, ...]:
    """Folders the user named for keeping reports, before the system's own."""
    return tuple(Path(os.path.expandvars(name)) for name in settings.spool)
