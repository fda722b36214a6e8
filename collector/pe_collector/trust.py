"""How does a boot image know this collector? A private authority, made once, and a certificate with a fixed name."""

from __future__ import annotations

import datetime
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pe_agent.errors import UsageError

from pe_collector import audit, store, tokens
from pe_collector.roles import Role

# Boot images check this name, not the address, so that the collector can move.
SERVER_NAME = "pe-collector"
# The clock of Windows PE may stand years in the past.
VALID_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
VALID_DAYS = 3652
CA, CA_KEY, CERTIFICATE, KEY = "ca.pem", "ca.key", "server.pem", "server.key"
FIRST_TOKEN, ADMIN_TOKEN = "first.token", "admin.token"


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """What TLS needs: the server's private key and certificate, PEM."""

    key: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Certificates:
    """Both as PEM."""

    authority: bytes
    server: bytes


def init(folder: Path, now_s: float) -> None:
    """Make the data folder: authority, server certificate, database, first tokens. Nobody else may read it.

    Raises:
        UsageError: the folder is already initialised, or cannot be made.
    """
    if (folder / CA).exists():
        raise UsageError(f"{folder} is already initialised; `pe-collector tokens new` makes more tokens")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        with closing(store.open_writer(store.create(folder))) as connection:
            for name, role in ((FIRST_TOKEN, Role.INGEST), (ADMIN_TOKEN, Role.ADMIN)):
                made = tokens.new_token(connection, name.partition(".")[0], now_s, role=role)
                _write(folder / name, made.encode() + b"\n")
            audit.record(connection, audit.by_command(now_s, "init"))
        _make_certificates(folder, now_s)
    except OSError as exc:
        raise UsageError(f"{folder}: {exc.strerror or exc}; name another folder with --data") from exc


def read_server_trust(key: Path, certificate: Path) -> ServerTrust:
    """The key and certificate that `init` made, or the organisation's.

    Raises:
        UsageError: they are not there or cannot be read.
    """
    try:
        return ServerTrust(key.read_bytes(), certificate.read_bytes())
    except OSError as exc:
        raise UsageError(
            f"{exc.filename}: {exc.strerror}; run `pe-collector init --data {key.parent}` as the user that serves"
        ) from exc


def _make_certificates(folder: Path, now_s: float) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    made = signed(ca_key, key, now_s)
    _write(folder / CA_KEY, _private_pem(ca_key))
    _write(folder / KEY, _private_pem(key))
    _write(folder / CERTIFICATE, made.server)
    # Last: its presence means that the folder is whole.
    _write(folder / CA, made.authority)


def signed(ca_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey, now_s: float) -> Certificates:
    """The authority's and the server's certificate, valid from far in the past until ten years after now."""
    until = datetime.datetime.fromtimestamp(now_s, datetime.UTC) + datetime.timedelta(days=VALID_DAYS)
    ca_name, name = _name("pe-collector private CA"), _name(SERVER_NAME)
    authority = _authority(_builder(ca_name, ca_name, ca_key.public_key(), until)).sign(ca_key, hashes.SHA256())
    server = _server(_builder(name, ca_name, key.public_key(), until), ca_key).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return Certificates(authority.public_bytes(pem), server.public_bytes(pem))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(
        _usage(sign=True), critical=True
    )


def _server(builder: x509.CertificateBuilder, ca_key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, octets: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(octets)
