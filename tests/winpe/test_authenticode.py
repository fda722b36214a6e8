"""A signature holds for exactly the file that was signed, and is worth what its root is worth."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_image import der
from pe_image.authenticode import Standing, check
from pe_image.payload_python import SYSTEM_ROOTS, load_roots, load_signers, read_embeddable
from pe_image.payload_target import PayloadError
from pe_image.pe_headers import CERTIFICATES, parse

from .payload_parts import WINDOWS_PYTHON, embeddable, needs_windows_python
from .tiny_pe import tiny_pe

needs_roots = pytest.mark.skipif(not SYSTEM_ROOTS.exists(), reason="no ca-certificates on this machine")


@pytest.fixture(scope="module")
def signed():
    return (WINDOWS_PYTHON / "python.exe").read_bytes()


def standing(octets, roots=()):
    return check(parse(bytes(octets)), roots).standing


@needs_windows_python
@needs_roots
def test_a_signed_program_is_trusted_through_its_root(signed):
    answer = check(parse(signed), load_roots(SYSTEM_ROOTS))
    assert (answer.standing, answer.signer, answer.root) == (
        Standing.TRUSTED,
        "Python Software Foundation",
        "DigiCert Trusted Root G4",
    )


@needs_windows_python
def test_without_its_root_it_is_sound_but_of_unknown_root(signed):
    answer = check(parse(signed), ())
    assert (answer.standing, answer.root) == (Standing.UNKNOWN_ROOT, "DigiCert Trusted Root G4")


@needs_windows_python
@pytest.mark.parametrize("offset", [0x50, 0x400, 0x8000])
def test_one_changed_octet_breaks_it(signed, offset):
    changed = bytearray(signed)
    changed[offset] ^= 1
    assert standing(changed) is Standing.BROKEN


@needs_windows_python
def test_octets_after_the_signature_break_it(signed):
    assert "octets follow" in check(parse(signed + b"more"), ()).problem


@needs_windows_python
def test_a_checksum_is_not_part_of_what_is_signed(signed):
    changed = bytearray(signed)
    struct.pack_into("<I", changed, parse(signed).optional_at + 64, 0)
    assert standing(changed) is Standing.UNKNOWN_ROOT


@needs_windows_python
def test_a_signature_of_another_file_does_not_hold(signed):
    other = (WINDOWS_PYTHON / "select.pyd").read_bytes()
    mine, theirs = parse(signed), parse(other)
    start, (from_at, size) = mine.directory(CERTIFICATES)[0], theirs.directory(CERTIFICATES)
    moved = bytearray(signed[:start] + other[from_at : from_at + size])
    struct.pack_into("<I", moved, mine.directories_at + 8 * CERTIFICATES + 4, size)
    assert "its image hash differs" in check(parse(bytes(moved)), ()).problem


def with_damage(octets, place, flipped):
    start, size = parse(octets).directory(CERTIFICATES)
    changed = bytearray(octets)
    changed[start + place % size] ^= flipped
    return bytes(changed)


@needs_windows_python
def test_a_damaged_signature_never_holds_another_hash(signed):
    """It can hold only where an octet is not signed itself: padding, timestamp."""

    @given(place=st.integers(0, 2**20), flipped=st.integers(1, 255))
    def holds(place, flipped):
        answer = check(parse(with_damage(signed, place, flipped)), ())
        assert answer.standing is not Standing.TRUSTED
        assert answer.standing is not Standing.UNKNOWN_ROOT or answer.signer

    holds()


# What cryptography raises or warns of beside ValueError, by the octet of CPython's python.exe that brings it about.
CERTIFICATE_DAMAGE = {
    "InvalidVersion": (161, 0x01),
    "TypeError": (206, 0x10),
    "DuplicateExtension": (1004, 0x01),
    "UserWarning": (3518, 0x01),
    "UnsupportedAlgorithm": (3612, 0x01),
}


@needs_windows_python
@pytest.mark.parametrize("raised", CERTIFICATE_DAMAGE)
def test_no_damage_to_a_certificate_is_raised(signed, raised):
    answer = check(parse(with_damage(signed, *CERTIFICATE_DAMAGE[raised])), ())
    assert answer.standing is Standing.BROKEN
    assert answer.problem


@needs_windows_python
@needs_roots
def test_a_sound_signature_of_somebody_who_is_not_known_needs_the_hash_of_the_zip(tmp_path):
    path = embeddable(tmp_path / "python.zip")
    roots = load_roots(SYSTEM_ROOTS)
    only_one = frozenset(signer for signer in load_signers() if signer[0] == "Python Software Foundation")
    with pytest.raises(PayloadError, match=r"vcruntime140\.dll is signed by Microsoft .* --python-sha256 [0-9a-f]{64}"):
        read_embeddable(path, roots, signers=only_one)
    pin = hashlib.sha256(path.read_bytes()).hexdigest()
    signatures = read_embeddable(path, roots, pin, only_one).signatures
    assert signatures["vcruntime140.dll"].standing is Standing.UNKNOWN_ROOT


@needs_windows_python
@needs_roots
def test_a_trusted_root_is_not_enough_for_somebody_else(tmp_path):
    path = embeddable(tmp_path / "python.zip")
    others = frozenset((f"not {name}", anchor) for name, anchor in load_signers())
    with pytest.raises(PayloadError, match="signed by Python Software Foundation"):
        read_embeddable(path, load_roots(SYSTEM_ROOTS), signers=others)


@needs_windows_python
@needs_roots
def test_the_signers_of_cpython_are_known(tmp_path):
    found = read_embeddable(embeddable(tmp_path / "python.zip"), load_roots(SYSTEM_ROOTS)).signatures
    assert {signature.standing for signature in found.values()} == {Standing.TRUSTED, Standing.KNOWN_SIGNER}


def test_a_program_without_signature_is_unsigned():
    assert standing(tiny_pe()) is Standing.UNSIGNED


def test_a_bundle_without_certificates_is_refused(tmp_path):
    path = tmp_path / "roots.pem"
    path.write_text("nothing")
    with pytest.raises(PayloadError, match="no certificates"):
        load_roots(path)


@given(st.binary(max_size=200))
def test_any_octets_are_der_or_refused(octets):
    try:
        element = der.read(octets)
        whole = b"".join(child.whole for child in element.children())
    except der.DerError:
        return
    assert whole == element.inside


@pytest.mark.parametrize(
    ("octets", "oid"),
    [(b"\x06\x03\x55\x04\x03", "2.5.4.3"), (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", "1.2.840.113549.1.7.2")],
)
def test_object_identifiers_are_read(octets, oid):
    assert der.read(octets).oid() == oid
