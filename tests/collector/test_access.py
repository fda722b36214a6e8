"""Who may send, and whom does the sender believe?"""

import json
import sqlite3
import stat
import subprocess
import sys
import time

import grpc
import pytest

HOUR_S = 3600


def test_init_makes_files_that_nobody_else_reads(data):
    names = {"ca.pem", "ca.key", "server.pem", "server.key", "first.token", "admin.token", "collector.sqlite"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir() if path.name in names}
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_init_never_replaces_an_authority(cli, data):
    before = (data / "ca.pem").read_bytes()
    done = cli("init", data=data)
    assert done.returncode == 2
    assert b"already initialised" in done.stderr
    assert (data / "ca.pem").read_bytes() == before


def test_the_certificate_is_valid_for_a_clock_that_is_decades_behind(data):
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate((data / "server.pem").read_bytes())
    assert certificate.not_valid_before_utc.year == 2000
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pe-collector"]
    years = (certificate.not_valid_after_utc.timestamp() - time.time()) / (365 * 24 * HOUR_S)
    assert 9 < years < 11


def test_another_authority_is_not_believed(start, tmp_path, cli, frames):
    collector = start(tls=True)
    cli("init", data=tmp_path / "other")
    channel = collector.channel((tmp_path / "other" / "ca.pem").read_bytes())
    with channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=3)
    with collector.channel() as right:
        grpc.channel_ready_future(right).result(timeout=10)


def test_a_missing_token_is_refused(collector, frames):
    status, message = collector.client().send(frames.hello("")).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "carries no token" in message


def test_a_wrong_secret_is_refused_with_what_to_do(collector, frames):
    wrong = collector.token.partition(".")[0] + "." + "0" * 64
    status, message = collector.client().send(frames.hello(wrong)).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "pe-collector tokens new" in message


def test_the_hash_of_the_secret_is_no_secret(collector, frames, data):
    with sqlite3.connect(data / "collector.sqlite") as connection:
        question = "SELECT token_id, secret_hash FROM token WHERE role='ingest'"
        token_id, stolen = connection.execute(question).fetchone()
    status, _ = collector.client().send(frames.hello(f"{token_id}.{stolen}")).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED


def test_a_revoked_token_is_refused_from_then_on(collector, frames, cli, data):
    collector.client().send(frames.hello(collector.token)).receipt()
    assert cli("tokens", "revoke", collector.token.partition(".")[0], data=data).returncode == 0
    status, message = collector.client().send(frames.hello(collector.token)).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "was revoked" in message


def test_an_expired_token_is_refused(collector, frames, cli, data):
    token = cli("tokens", "new", "--days", "0.000001", data=data).stdout.decode().strip()
    time.sleep(0.2)
    status, message = collector.client().send(frames.hello(token)).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "has expired" in message


def test_a_report_begun_under_another_token_is_refused(collector, frames, cli, data):
    collector.client().send(frames.hello(collector.token), frames.event(1)).stored_through(1)
    other = cli("tokens", "new", "--name", "lab", data=data).stdout.decode().strip()
    status, message = collector.client().send(frames.hello(other)).refusal()
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert "another token" in message


def test_the_last_use_of_a_token_is_shown(collector, frames, cli, data):
    collector.client().send(frames.hello(collector.token)).all_stored()
    shown = json.loads(cli("tokens", "list", "--format", "json", data=data).stdout)
    (used,) = (row for row in shown if row["last_used"])
    assert collector.token.startswith(used["token_id"])
    assert "127.0.0.1" in used["last_peer"]


def test_without_tls_only_loopback_is_served(data):
    told = ["serve", "--data", str(data), "--ingest", "0.0.0.0:0", "--plain"]
    done = subprocess.run([sys.executable, "-m", "pe_collector", *told], capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert b"loopback only" in done.stderr


def test_a_second_collector_on_the_same_port_says_so(collector, cli, data):
    done = cli("serve", "--ingest", collector.address, "--plain", data=data)
    assert done.returncode == 2
    assert b"cannot listen on" in done.stderr
