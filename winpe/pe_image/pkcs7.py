"""What does an Authenticode signature say? (RFC 2315 SignedData around an SpcIndirectDataContent)"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from pe_image import der

SIGNED_DATA = "1.2.840.113549.1.7.2"
# SPC_INDIRECT_DATA_OBJID
SIGNED_CONTENT = "1.3.6.1.4.1.311.2.1.4"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_HASH_NAMES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_CONTEXT_0 = 0xA0


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signature. `issuer` is a DER name; `signed_attributes` are the octets that were signed."""

    issuer: bytes
    serial: int
    hash: str
    signed_attributes: bytes
    content_type: str
    message_digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedData:
    """What was signed (`content`, and in it the hash of the image), with which certificates, by whom."""

    content: bytes
    content_hash: str
    content_digest: bytes
    certificates: tuple[x509.Certificate, ...]
    signer: SignerInfo


def parse_signed_data(octets: bytes) -> SignedData:
    """Read the signature of a PE file.

    Raises:
        DerError: it is no SignedData over an image hash.
        ValueError: a certificate in it cannot be read.
    """
    outer = der.read(octets)
    if outer.child(0).oid() != SIGNED_DATA:
        raise der.DerError("is no SignedData")
    signed = outer.child(1, _CONTEXT_0).child(0, der.SEQUENCE)
    content_info = signed.child(2, der.SEQUENCE)
    if content_info.child(0).oid() != SIGNED_CONTENT:
        raise der.DerError("does not sign an image hash")
    content = content_info.child(1, _CONTEXT_0).child(0, der.SEQUENCE)
    digest = content.child(1, der.SEQUENCE)
    (signer, *_) = signed.children()[-1].children() or (None,)
    if signer is None:
        raise der.DerError("has no signer")
    return SignedData(
        # The header of the content is not part of what is hashed (RFC 2315 section 9.3).
        content=content.inside,
        content_hash=_hash_name(digest.child(0, der.SEQUENCE)),
        content_digest=digest.child(1, der.OCTET_STRING).inside,
        certificates=_certificates(signed.child(3, _CONTEXT_0)),
        signer=_signer_info(signer),
    )


def _certificates(element: der.Element) -> tuple[x509.Certificate, ...]:
    plain = (child for child in element.children() if child.tag == der.SEQUENCE)
    return tuple(x509.load_der_x509_certificate(child.whole) for child in plain)


def _signer_info(element: der.Element) -> SignerInfo:
    name = element.child(1, der.SEQUENCE)
    attributes = element.child(3, _CONTEXT_0)
    values = {row.child(0).oid(): row.child(1, der.SET).child(0) for row in attributes.children()}
    if not {_CONTENT_TYPE, _MESSAGE_DIGEST} <= values.keys():
        raise der.DerError("lacks a signed attribute")
    return SignerInfo(
        issuer=name.child(0, der.SEQUENCE).whole,
        serial=int.from_bytes(name.child(1, der.INTEGER).inside, "big", signed=True),
        hash=_hash_name(element.child(2, der.SEQUENCE)),
        # They are signed under the tag of a SET, which they do not carry here (RFC 2315 section 9.3).
        signed_attributes=bytes([der.SET]) + attributes.whole[1:],
        content_type=values[_CONTENT_TYPE].oid(),
        message_digest=values[_MESSAGE_DIGEST].inside,
        signature=element.child(5, der.OCTET_STRING).inside,
    )


def _hash_name(algorithm: der.Element) -> str:
    oid = algorithm.child(0).oid()
    if oid not in _HASH_NAMES:
        raise der.DerError(f"uses the unknown hash {oid}")
    return _HASH_NAMES[oid]
