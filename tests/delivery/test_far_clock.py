"""A clock that is days off is a finding of the report, not only a word on the screen."""

import datetime
import os
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pe_agent import model, ship
from pe_agent.recorder import Recorder
from pe_agent.trust import Trust

DAY_S = 86400


def recorder_of(collector, clock, ca=None):
    """A recorder whose shipment is under way."""
    opening = model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(serial="S1"), model.Boot(clock()))
    made = Recorder(opening, clock, ())
    told = Trust(ca or collector.trust.ca, collector.token)
    made.open(lambda: ship.Shipment(opening, clock, (collector.address,), told))
    return made


def seen(recorder, within_s=30):
    deadline = time.monotonic() + within_s
    while recorder.clock_seen() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return recorder.clock_seen()


def test_a_receipt_tells_of_a_clock_that_is_days_off(collector):
    recorder = recorder_of(collector, lambda: model.Clock(100.0, round((time.time() - 4000 * DAY_S) * 1000)))
    told = seen(recorder)
    assert (told.probe, told.target, told.reason) == ("collector", collector.address, model.Reason.CLOCK_SKEW)
    assert abs(told.facts["skew_s"] + 4000 * DAY_S) < 60
    assert told.facts["server"] == "127.0.0.1"


def test_a_clock_that_a_time_zone_explains_is_no_finding(collector):
    recorder = recorder_of(collector, lambda: model.Clock(100.0, round((time.time() - 9 * 3600) * 1000)))
    recorder.add(model.Verdict(model.Status.HEALTHY, "All is well"))
    assert recorder.finish(30).stored
    assert recorder.clock_seen() is None


def ended(folder, days_ago):
    """A CA and a certificate of the collector that ended so many days ago; gives the CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pe-collector")])
    until = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = (
        made.serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(until)
    )
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("pe-collector")]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "server.pem").write_bytes(pem)
    (folder / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return pem


def test_a_certificate_that_ended_tells_by_how_much_at_least(stopped_collector):
    ca = ended(stopped_collector.data, 100)
    collector = stopped_collector.start()
    try:
        recorder = recorder_of(collector, lambda: model.Clock(100.0, round(time.time() * 1000)), ca)
        told = seen(recorder)
        assert abs(told.facts["skew_s"] - 100 * DAY_S) < 60
        recorder.add(model.Event(1.0, "eth0", model.EventKind.LINK_UP))
        said = recorder.finish(1).text
        assert "certificate has expired" in said
        assert "100 days after the dates of the collector's CA: set it in the BIOS" in said
    finally:
        collector.stop()
