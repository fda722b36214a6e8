"""Who signed this program, and is it still what was signed?

Source: Microsoft, "Windows Authenticode Portable Executable Signature Format"; RFC 2315.
Checked: the hash of the image, the signed attributes, the signature, the chain of certificates, and that its last one
is among the roots given. Not checked: revocation, timestamp, and so validity periods either.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pe_image import der
from pe_image.pe_headers import CERTIFICATES, PeFile, PeFormatError, unpack_at
from pe_image.pkcs7 import SIGNED_CONTENT, SignedData, SignerInfo, parse_signed_data

_WIN_CERT_TYPE_PKCS_SIGNED_DATA = 2
_LONGEST_CHAIN = 8
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - some Microsoft files are still signed so; it is named in the answer
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
NOT_CHECKED = ("revocation", "timestamp", "validity periods")


class Standing(StrEnum):
    """What a signature is worth. `unknown-root`: sound in itself, but it ends at a root that was not given.

    `known-signer`: that, and what vouches for its signer is known by its hash (signers.toml).
    """

    TRUSTED = "trusted"
    KNOWN_SIGNER = "known-signer"
    UNKNOWN_ROOT = "unknown-root"
    UNSIGNED = "unsigned"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Signature:
    """The answer for one file; `signer` and `root` are common names, `problem` says why it is broken.

    `anchor_sha256`, in hexadecimal: of the last certificate that the signature carries for its signer.
    """

    standing: Standing
    signer: str = ""
    root: str = ""
    problem: str = ""
    anchor_sha256: str = ""


class _Broken(Exception):
    """The signature does not hold; the message says where."""


# All that cryptography raises for a certificate it will not read; what it only warns of no sound signer has either.
_REFUSED = (
    _Broken,
    der.DerError,
    PeFormatError,
    ValueError,
    TypeError,
    Warning,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)


def check(file: PeFile, roots: Iterable[x509.Certificate]) -> Signature:
    """Check the first signature of a PE file against trusted roots; never raises for what the file holds."""
    try:
        blob = _signature_blob(file)
        if blob is None:
            return Signature(Standing.UNSIGNED)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _check_signature(file, blob, roots)
    except _REFUSED as exc:
        return Signature(Standing.BROKEN, problem=str(exc))


def _check_signature(file: PeFile, blob: bytes, roots: Iterable[x509.Certificate]) -> Signature:
    signed = parse_signed_data(blob)
    _check_image_hash(file, signed)
    signer = _check_signer(signed)
    chain = _chain(signer, signed.certificates)
    root = _root_of(chain[-1], roots)
    standing = Standing.TRUSTED if root else Standing.UNKNOWN_ROOT
    last = chain[-1].subject if root is None and _is_issued_by(chain[-1], chain[-1]) else chain[-1].issuer
    return Signature(
        standing,
        _common_name(signer.subject),
        _common_name(root.subject if root else last),
        anchor_sha256=chain[-1].fingerprint(hashes.SHA256()).hex(),
    )


def image_hash(file: PeFile, algorithm: str) -> bytes:
    """The hash that Authenticode signs: all but checksum, the entry of the certificate table, and that table.

    Raises:
        PeFormatError: the certificate table does not end the file, so that octets after it would stay unsigned.
    """
    checksum_at = file.optional_at + 64
    entry_at = file.directories_at + 8 * CERTIFICATES
    start, size = file.directory(CERTIFICATES)
    end = len(file.octets)
    if start:
        if start + size != end:
            raise PeFormatError("octets follow its certificate table")
        end = start
    digest = hashlib.new(algorithm)
    digest.update(file.octets[:checksum_at])
    digest.update(file.octets[checksum_at + 4 : entry_at])
    digest.update(file.octets[entry_at + 8 : end])
    if not start:
        digest.update(bytes(-end % 8))
    return digest.digest()


def _signature_blob(file: PeFile) -> bytes | None:
    start, size = file.directory(CERTIFICATES)
    if not size:
        return None
    length, _, kind = unpack_at("<IHH", file.octets, start)
    if kind != _WIN_CERT_TYPE_PKCS_SIGNED_DATA:
        raise _Broken(f"its certificate table holds type {kind}, not a signature")
    return file.octets[start + 8 : start + length]


def _check_image_hash(file: PeFile, signed: SignedData) -> None:
    if image_hash(file, signed.content_hash) != signed.content_digest:
        raise _Broken("the file is not the one that was signed: its image hash differs")


def _check_signer(signed: SignedData) -> x509.Certificate:
    signer = signed.signer
    if signer.content_type != SIGNED_CONTENT:
        raise _Broken("the signed attributes speak of other content")
    if hashlib.new(signer.hash, signed.content).digest() != signer.message_digest:
        raise _Broken("the signed attributes hold another hash of the content")
    certificate = next((c for c in signed.certificates if _names(signer, c)), None)
    if certificate is None:
        raise _Broken("the signer's certificate is not in the signature")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise _Broken("the signer's key is not RSA")
    try:
        key.verify(signer.signature, signer.signed_attributes, padding.PKCS1v15(), _HASHES[signer.hash])
    except InvalidSignature as exc:
        raise _Broken("the signature over the signed attributes is wrong") from exc
    if not _may_sign_code(certificate):
        raise _Broken("the signer's certificate is not for signing code")
    return certificate


def _names(signer: SignerInfo, certificate: x509.Certificate) -> bool:
    return certificate.issuer.public_bytes() == signer.issuer and certificate.serial_number == signer.serial


def _may_sign_code(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in usage


def _chain(signer: x509.Certificate, others: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The signer's certificate and those that vouch for it, as far as the signature carries them."""
    pool = tuple(others)
    chain = [signer]
    while len(chain) < _LONGEST_CHAIN:
        above = next((c for c in pool if c not in chain and _is_authority(c) and _is_issued_by(chain[-1], c)), None)
        if above is None:
            break
        chain.append(above)
    return tuple(chain)


def _root_of(last: x509.Certificate, roots: Iterable[x509.Certificate]) -> x509.Certificate | None:
    return next((root for root in roots if root == last or _is_issued_by(last, root)), None)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
