"""Where do reports go on to? The settings of a leaf, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from pe_agent.errors import UsageError
from pe_agent.trust import CERTIFICATE_NAME

# A link that is cut without a word is noticed after the two of them.
_OPTIONS = (
    ("grpc.ssl_target_name_override", CERTIFICATE_NAME),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
)


@dataclass(frozen=True, slots=True)
class Hubs:
    """Addresses HOST:PORT in the order they are tried, the authority (PEM) that made their certificates, our token."""

    addresses: tuple[str, ...]
    ca: bytes
    token: str
    budget_octets: int

    def channel(self, address: str) -> grpc.Channel:
        """A connection that trusts this authority alone."""
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(self.ca), _OPTIONS)


def read_hubs(addresses: tuple[str, ...], ca: str, token_file: str, budget_octets: int) -> Hubs | None:
    """What the settings name; None where nothing is passed on.

    Raises:
        UsageError: something is missing or cannot be read.
    """
    if not addresses:
        return None
    if not (ca and token_file):
        raise UsageError("forward_to needs forward_ca (the hub's ca.pem) and forward_token_file (role leaf)")
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise UsageError(f"forward_to: {address!r} is no HOST:PORT")
    return Hubs(addresses, _authority(Path(ca)), _token(Path(token_file)), budget_octets)


def _authority(path: Path) -> bytes:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - slow to load, and only leaves need it

    octets = _read(path)
    try:
        load_pem_x509_certificates(octets)
    except ValueError as exc:
        raise UsageError(f"{path}: forward_ca holds no certificate (PEM); copy ca.pem from the hub") from exc
    return octets


def _token(path: Path) -> str:
    words = _read(path).decode("ascii", "replace").split()
    if len(words) != 1 or "." not in words[0]:
        raise UsageError(
            f"{path}: forward_token_file holds no token; on the hub: pe-collector tokens new --role leaf --name SITE"
        )
    return words[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}; copy it from the hub") from exc
