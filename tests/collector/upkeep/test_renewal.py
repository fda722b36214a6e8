"""Certificates with a later end: who trusted the collector before still does."""

import datetime
import ssl
import time

import pytest
from cryptography import x509
from pe_agent.errors import UsageError
from pe_collector import renewal, trust
from pe_collector.settings import Settings
from pe_collector.upkeep.health import Health, examine

YEAR_S = 365.25 * 86_400.0


@pytest.fixture
def old(tmp_path):
    """A collector made nearly ten years ago, and the ca.pem that went into its images then."""
    data = tmp_path / "data"
    trust.init(data, time.time() - 9.99 * YEAR_S)
    return data, (data / trust.CA).read_text()


def shake_hands(data, authority):
    """A TLS handshake in memory between an image with this ca.pem and the collector; raises where it is not trusted."""
    asking, answering = ssl.create_default_context(cadata=authority), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    answering.load_cert_chain(data / trust.CERTIFICATE, data / trust.KEY)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=trust.SERVER_NAME)
    server = answering.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert()["notAfter"]


def certificates(data):
    rows = examine(data, Settings(ingest="127.0.0.1:1", ops=""), time.time())
    return {row.check: row for row in rows if row.check.startswith("certificate")}


def test_doctor_says_how_to_renew_and_is_content_afterwards(old):
    data, _ = old
    assert {row.health for row in certificates(data).values()} == {Health.WARNING}
    assert {row.advice for row in certificates(data).values()} == {"pe-collector certificate renew"}
    renewal.renew(data, time.time())
    assert {row.health for row in certificates(data).values()} == {Health.OK}


def test_images_of_before_and_of_after_trust_the_renewed_certificate(old):
    data, before = old
    made = renewal.renew(data, time.time())
    for authority in (before, (data / trust.CA).read_text()):
        said = shake_hands(data, authority)
        assert datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(said), datetime.UTC).date() == made.until
    assert made.images_until < made.until


def test_keys_name_and_the_backdated_beginning_stay(old):
    data, _ = old
    keys = [(data / name).read_bytes() for name in (trust.KEY, trust.CA_KEY)]
    renewal.renew(data, time.time())
    read = x509.load_pem_x509_certificate((data / trust.CERTIFICATE).read_bytes())
    assert [(data / name).read_bytes() for name in (trust.KEY, trust.CA_KEY)] == keys
    assert read.not_valid_before_utc == trust.VALID_FROM
    assert [path.name for path in data.glob("*.new")] == []
    assert (data / trust.CERTIFICATE).stat().st_mode & 0o077 == 0


def test_a_folder_with_the_certificate_of_an_organisation_is_left_alone(old):
    data, _ = old
    (data / trust.CA_KEY).unlink()
    before = (data / trust.CERTIFICATE).read_bytes()
    with pytest.raises(UsageError, match="whoever made it"):
        renewal.renew(data, time.time())
    assert (data / trust.CERTIFICATE).read_bytes() == before


def test_the_command_says_what_is_to_be_done_next(old, cli):
    done = cli("certificate", "renew", data=old[0])
    assert done.returncode == 0, done.stderr
    assert b"restart pe-collector serve" in done.stdout
