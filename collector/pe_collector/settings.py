"""What was the collector told: by flag, environment (PE_COLLECTOR_*), collector.toml in its folder, or by default?"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.budget import Rate
from pe_collector.gate import GateLimits
from pe_collector.leaf.hubs import Hubs, read_hubs
from pe_collector.limits import Limits
from pe_collector.listen import Listen
from pe_collector.ops.state import Access, Network
from pe_collector.roles import Role
from pe_collector.store.where import parse_store

FILE_NAME = "collector.toml"
PREFIX = "PE_COLLECTOR_"
_MIB = 1024 * 1024
_PEOPLE = (Role.READER, Role.OPERATOR, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `serve` can be told; _s seconds, _octets octets, _per_s a second. An empty address: no listener.

    Attributes:
        store: where the rows are, sqlite:///PATH or postgresql://USER@HOST/DATABASE; empty: a file in the data folder.
        forward_to: hubs (HOST:PORT, in the order they are tried) that this collector passes its reports on to.
        forward_ca, forward_token_file: the hub's ca.pem, and a token of role leaf that the hub made.
        forward_budget_octets: what may wait for a hub that is away; above it logs go first, verdicts last.
        ingest: HOST:PORT for reports by gRPC; `upload`: by HTTPS; `ops`: for people.
        plain: no TLS for reports; loopback only.
        certificate, key: PEM files instead of those of `init`, for reports; `ops_certificate`, `ops_key`: for people.
        ops_local_role: what a caller on a loopback listener may do without signing in; empty: nothing.
        ops_hosts: names by which browsers call the ops listener; without TLS no others are answered.
        ops_proxies: addresses or networks of reverse proxies whose `ops_user_header` is believed.
        ops_proxy_role: what the users of such a proxy may do.
        report_octets: one report as it comes; `report_expanded_octets`: its logs unpacked.
        text_letters: one text in a report; `list_members`: one list in it.
        first_frame_s: from the connection to the hello; `idle_s`: between two frames.
        slow_reader_s: how long a receipt may wait until the sender takes it.
        session_octets_per_s: one stream over time; more is slowed down, not refused.
        source_reports_per_s, source_reports_burst: reports begun from one network (IPv4 /24, IPv6 /56).
        token_reports_per_s, token_reports_burst: reports begun with one token.
        wrong_tokens_per_s, wrong_tokens_burst: tries without a good token from one network.
        reserve_octets: with less free than this on the disk nothing is taken.
        reserve_for_verdicts_octets: with less free than this logs are left out, verdicts still taken.
        look_every_s: while reports come, patterns are looked for so often.
        alert_webhooks: `generic https://...`, `slack file:NAME`, `teams ...`; a file holds an address that is a secret.
        alert_secret_file: what webhooks are signed with, and `alert_smtp_password_file`: files in the data folder.
        alert_smtp: HOST:PORT of the mail server, with STARTTLS unless `alert_smtp_starttls` is false.
    """

    store: str = ""
    forward_to: tuple[str, ...] = ()
    forward_ca: str = ""
    forward_token_file: str = ""
    forward_budget_octets: int = 10 * 1024 * _MIB
    ingest: str = "0.0.0.0:7443"
    upload: str = ""
    ops: str = "127.0.0.1:7480"
    plain: bool = False
    certificate: str = ""
    key: str = ""
    ops_certificate: str = ""
    ops_key: str = ""
    ops_local_role: str = "operator"
    ops_hosts: tuple[str, ...] = ()
    ops_proxies: tuple[str, ...] = ()
    ops_user_header: str = ""
    ops_proxy_role: str = "reader"
    report_octets: int = 64 * _MIB
    report_expanded_octets: int = 512 * _MIB
    report_frames: int = 50_000
    report_files: int = 512
    text_letters: int = 32 * 1024
    list_members: int = 512
    first_frame_s: float = 15.0
    idle_s: float = 1800.0
    slow_reader_s: float = 60.0
    session_octets_per_s: int = 32 * _MIB
    sessions: int = 8_000
    sessions_of_source: int = 4_000
    sessions_of_token: int = 8_000
    source_reports_per_s: float = 200.0
    source_reports_burst: float = 5_000.0
    token_reports_per_s: float = 500.0
    token_reports_burst: float = 20_000.0
    wrong_tokens_per_s: float = 5.0
    wrong_tokens_burst: float = 500.0
    reserve_octets: int = 512 * _MIB
    reserve_for_verdicts_octets: int = 2048 * _MIB
    look_every_s: float = 30.0
    alert_webhooks: tuple[str, ...] = ()
    alert_secret_file: str = ""
    alert_smtp: str = ""
    alert_smtp_starttls: bool = True
    alert_smtp_user: str = ""
    alert_smtp_password_file: str = ""
    alert_smtp_ca_file: str = ""
    alert_mail_from: str = ""
    alert_mail_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            if kind in ("int", "float") and not getattr(self, name) > 0 and not name.startswith("reserve"):
                raise UsageError(f"{name} = {getattr(self, name)}: it needs to be above 0")

    def limits(self) -> Limits:
        """Bounds of one report."""
        return Limits(
            frames=self.report_frames,
            octets=self.report_octets,
            expanded_octets=self.report_expanded_octets,
            files=self.report_files,
            text=self.text_letters,
            repeated=self.list_members,
            first_frame_s=self.first_frame_s,
            idle_s=self.idle_s,
            slow_reader_s=self.slow_reader_s,
            octets_per_s=self.session_octets_per_s,
        )

    def gate(self) -> GateLimits:
        """Rates and caps by source and token."""
        return GateLimits(
            source=Rate(self.source_reports_per_s, self.source_reports_burst),
            token=Rate(self.token_reports_per_s, self.token_reports_burst),
            wrong=Rate(self.wrong_tokens_per_s, self.wrong_tokens_burst),
            sessions=self.sessions,
            sessions_of_source=self.sessions_of_source,
            sessions_of_token=self.sessions_of_token,
        )

    def ingest_listen(self) -> Listen:
        """Where reports come in by gRPC."""
        return Listen.parse(self.ingest, plain=self.plain)

    def upload_listen(self) -> Listen | None:
        """Where reports come in by HTTPS."""
        return Listen.parse(self.upload, plain=self.plain) if self.upload else None

    def ops_listen(self) -> Listen | None:
        """Where people ask."""
        return Listen.for_people(self.ops) if self.ops else None

    def hubs(self) -> Hubs | None:
        """Where reports are passed on to; None where they are not.

        Raises:
            UsageError: a file is not named or cannot be read.
        """
        return read_hubs(self.forward_to, self.forward_ca, self.forward_token_file, self.forward_budget_octets)

    def access(self) -> Access:
        """Who may come in there.

        Raises:
            UsageError: a role or an address is none, or a header without a proxy would be believed from anybody.
        """
        listen = self.ops_listen()
        if self.ops_user_header and not self.ops_proxies:
            raise UsageError("ops_user_header needs ops_proxies: from others that header proves nothing")
        return Access(
            tls=listen is not None and not listen.plain,
            local_role=_role("ops_local_role", self.ops_local_role) if self.ops_local_role else None,
            proxies=tuple(_network(text) for text in self.ops_proxies),
            user_header=self.ops_user_header,
            proxy_role=_role("ops_proxy_role", self.ops_proxy_role),
            hosts=frozenset(name.lower() for name in self.ops_hosts),
        )

    def check(self) -> None:
        """Refuse what cannot be meant, as `serve` would.

        Raises:
            UsageError: it says what.
        """
        for pair in (("certificate", "key"), ("ops_certificate", "ops_key")):
            if bool(getattr(self, pair[0])) != bool(getattr(self, pair[1])):
                raise UsageError(f"{pair[0]} and {pair[1]} go together")
        if self.store:
            parse_store(self.store)
        self.ingest_listen()
        self.upload_listen()
        self.access()


_TYPES = {f.name: str(f.type) for f in fields(Settings)}
_FILES = frozenset({"certificate", "key", "ops_certificate", "ops_key", "forward_ca", "forward_token_file"})


def load(folder: Path, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings by rank: flag, environment, file, default. A flag that is None was not given.

    Raises:
        UsageError: the file cannot be read, holds an unknown name, a wrong type or an impossible value.
    """
    values = _from_file(folder / FILE_NAME) | _from_environment(environment)
    values |= {name: value for name, value in (flags or {}).items() if value not in (None, ())}
    settings = replace(Settings(), **values)
    settings.check()
    return settings


def described(folder: Path, environment: Mapping[str, str]) -> list[dict[str, object]]:
    """Every setting with its value and where that comes from; none of them is a secret.

    Raises:
        UsageError: as `load`.
    """
    settings = load(folder, environment)
    in_file, in_environment = _from_file(folder / FILE_NAME), _from_environment(environment)
    rows = []
    for name in _TYPES:
        source = PREFIX + name.upper() if name in in_environment else FILE_NAME if name in in_file else "default"
        value = getattr(settings, name)
        rows.append({"name": name, "value": ", ".join(value) if isinstance(value, tuple) else value, "from": source})
    return rows


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: not TOML: {exc}") from exc
    unknown = sorted(set(table) - set(_TYPES))
    if unknown:
        raise UsageError(f"{path}: unknown setting {', '.join(unknown)}; known are {', '.join(sorted(_TYPES))}")
    values = {name: _typed(name, value, path) for name, value in table.items()}
    return values | {name: str(path.parent / values[name]) for name in _FILES & set(values) if values[name]}


def _typed(name: str, value: Any, path: Path) -> Any:
    kind = _TYPES[name]
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value).__name__ == kind:
        return value
    raise UsageError(f"{path}: {name} = {value!r}: this needs to be {_SAID.get(kind, 'a list of texts')}")


_SAID = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

_PARSERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda word: _WORDS[word.lower()],
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    told = {name: environment[PREFIX + name.upper()] for name in _TYPES if PREFIX + name.upper() in environment}
    return {name: _parsed(name, text) for name, text in told.items()}


def _parsed(name: str, text: str) -> Any:
    kind = _TYPES[name]
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return _PARSERS[kind](text)
    except (ValueError, KeyError) as exc:
        raise UsageError(f"{PREFIX}{name.upper()}={text!r}: {_SAID[kind]} is needed") from exc


def _role(name: str, word: str) -> Role:
    if word not in _PEOPLE:
        raise UsageError(f"{name} = {word!r}: {', '.join(_PEOPLE)} are possible")
    return Role(word)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise UsageError(f"ops_proxies: {exc}; an address or network is needed, for example 10.0.0.5") from exc
