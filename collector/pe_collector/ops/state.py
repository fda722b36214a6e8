"""What every ops request needs: the store to read, a way to write, and who may come in."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pe_collector.connection import Connection
from pe_collector.ops.sign_ins import SignIns
from pe_collector.refusal import Reason
from pe_collector.roles import Role
from pe_collector.store.database import FILE_NAME, open_reader

Step = Callable[[Connection], Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and as what.

    Attributes:
        tls: the listener speaks TLS, so cookies are Secure.
        local_role: what a caller on loopback may do without signing in; None: must sign in too.
        proxies: only from these addresses `user_header` is believed.
        user_header: the header in which a reverse proxy names the user it has checked; empty: none is believed.
        proxy_role: what such a user may do.
        hosts: further names (without port) by which this listener may be called.
    """

    tls: bool = False
    local_role: Role | None = Role.OPERATOR
    proxies: tuple[Network, ...] = ()
    user_header: str = ""
    proxy_role: Role = Role.READER
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `how` is token, cookie, proxy or local; `peer` the address the request came from."""

    name: str
    role: Role
    how: str
    peer: str


@dataclass(frozen=True, slots=True)
class OpsState:
    """Belongs to one ops application. `write` runs a step in a transaction of its own and returns its answer."""

    folder: Path
    write: Callable[[Step], Any]
    access: Access = field(default_factory=Access)
    now_s: Callable[[], float] = time.time
    refusals: Callable[[], Mapping[Reason, int]] = dict
    sign_ins: SignIns = field(default_factory=SignIns)
    metrics: Callable[[], bytes] = bytes

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that cannot write, for one request and one thread."""
        with closing(open_reader(self.folder / FILE_NAME)) as connection:
            yield connection
