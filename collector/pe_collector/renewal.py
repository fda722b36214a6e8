"""How do certificates get a later end? The same keys and names signed anew, so that images of before go on to trust."""

from __future__ import annotations

import datetime
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pe_agent.errors import UsageError

from pe_collector import audit, store, trust

_FOREIGN = (
    "no private authority of this collector is here; a certificate of the organisation's is renewed by whoever made "
    "it, and keys that were left out of a backup come from where they were kept"
)


@dataclass(frozen=True, slots=True)
class Renewed:
    """Days in UTC. Boot images made before trust this collector until `images_until`, the end of their ca.pem."""

    until: datetime.date
    images_until: datetime.date


def renew(folder: Path, now_s: float) -> Renewed:
    """Sign ca.pem and server.pem anew for ten years; each is replaced whole, and any mixture of old and new is valid.

    Raises:
        UsageError: the folder has no authority of its own, or one of the four files cannot be used.
    """
    ca_key, key = (_key(folder / name) for name in (trust.CA_KEY, trust.KEY))
    before = _certificate(folder / trust.CA)
    made = trust.signed(ca_key, key, now_s)
    with closing(store.open_writer(folder / store.FILE_NAME)) as connection:
        audit.record(connection, audit.by_command(now_s, "certificate renew"))
    for name, octets in ((trust.CERTIFICATE, made.server), (trust.CA, made.authority)):
        _replace(folder / name, octets)
    until = _certificate(folder / trust.CERTIFICATE).not_valid_after_utc.date()
    return Renewed(until, before.not_valid_after_utc.date())


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        return cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(path.read_bytes(), None))
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}: {_FOREIGN}") from exc
    except (ValueError, TypeError) as exc:
        raise UsageError(f"{path} is no key: {exc}; put it back from a backup made with --with-keys") from exc


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}: {_FOREIGN}") from exc
    except ValueError as exc:
        raise UsageError(f"{path} is no certificate: {exc}; put it back from a backup made with --with-keys") from exc


def _replace(path: Path, octets: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}; run it as the user that serves") from exc
