"""Does the doctor see each trouble, and say nothing of a collector that is well?"""

import datetime
import json
import socket
import time
from contextlib import closing
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pe_collector import store
from pe_collector.settings import Settings
from pe_collector.upkeep import backup, health
from pe_collector.upkeep.health import Health, examine, worst

DAY_S = 86400.0


def told(rows, check):
    (row,) = [row for row in rows if row.check == check]
    return row


def look(data, now_s=None, **settings):
    return examine(data, replace(Settings(ingest="127.0.0.1:1", ops=""), **settings), now_s or time.time())


def execute(data, statement, *values):
    with closing(store.open_writer(data / store.FILE_NAME)) as connection:
        connection.execute(statement, values)


def certificate(path, days):
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dated = made.not_valid_before(now - datetime.timedelta(days=1000))
    dated = dated.not_valid_after(now + datetime.timedelta(days=days))
    path.write_bytes(dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def test_a_collector_that_serves_and_has_a_backup_is_well(start, data, tmp_path):
    running = start(told=("--ops", "127.0.0.1:0"))
    backup.backup(data, tmp_path / "b", time.time(), with_keys=False)
    rows = look(data, ingest=running.address, ops=running.ops)
    assert [row for row in rows if row.health is not Health.OK] == []
    assert worst(rows) is Health.OK
    assert {row.check.split()[0] for row in rows} == set(health.CHECKS)


def test_a_stopped_collector_is_seen(data):
    assert told(look(data), "port ingest").health is Health.WARNING


def test_another_program_on_the_ops_port_is_seen(data):
    with socket.create_server(("127.0.0.1", 0)) as other:
        row = told(look(data, ops=f"127.0.0.1:{other.getsockname()[1]}"), "port ops")
    assert (row.health, "another program" in row.said) == (Health.FAULT, True)


@pytest.mark.parametrize(
    ("reserve", "for_verdicts", "expected"), [(1, 2**60, Health.WARNING), (2**60, 2**60, Health.FAULT)]
)
def test_a_disk_that_is_short_is_seen(data, reserve, for_verdicts, expected):
    rows = look(data, reserve_octets=reserve, reserve_for_verdicts_octets=for_verdicts)
    assert told(rows, "disk").health is expected


def test_a_clock_that_was_set_back_is_seen(data):
    writer = store.Writer(data / store.FILE_NAME)
    from pe_protos.v1 import report_pb2 as pb

    arrived = store.Arrived(pb.Hello(protocol=1, report_id=bytes(16)), "test", "", time.time())
    writer.run(lambda connection: store.open_report(connection, arrived)).result(60)
    writer.close()
    assert told(look(data, time.time() + 5), "clock").health is Health.OK
    assert told(look(data, time.time() - DAY_S), "clock").health is Health.FAULT


@pytest.mark.parametrize(("days", "expected"), [(-1, Health.FAULT), (10, Health.WARNING), (100, Health.OK)])
def test_the_dates_of_certificates_are_seen(data, days, expected):
    certificate(data / "server.pem", days)
    assert told(look(data), "certificate server.pem").health is expected


def test_a_certificate_that_is_none_is_a_fault(data):
    (data / "server.pem").write_text("nothing")
    assert told(look(data), "certificate server.pem").health is Health.FAULT


@pytest.mark.parametrize(("days", "expected"), [(85, Health.WARNING), (95, Health.FAULT), (1, Health.OK)])
def test_tokens_that_expire_are_seen(data, days, expected):
    assert told(look(data, time.time() + days * DAY_S), "token ingest").health is expected


def test_a_token_that_was_revoked_does_not_count(data):
    execute(data, "UPDATE token SET revoked=1 WHERE role='ingest'")
    assert told(look(data), "token ingest").health is Health.FAULT


def test_a_schema_that_is_not_ours_is_seen(data):
    execute(data, "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('pe_collector', '9999_later')")
    assert told(look(data), "schema").health is Health.FAULT
    execute(data, "DELETE FROM _sqlite_migrations WHERE name='9999_later' OR name='0006_access'")
    row = told(look(data), "schema")
    assert (row.health, "0006_access" in row.said) == (Health.WARNING, True)


def test_a_backup_that_is_old_is_seen(data, tmp_path):
    assert told(look(data), "backup").health is Health.WARNING
    backup.backup(data, tmp_path / "b", time.time() - 10 * DAY_S, with_keys=False)
    assert told(look(data), "backup").health is Health.WARNING
    backup.backup(data, tmp_path / "c", time.time(), with_keys=False)
    assert told(look(data), "backup").health is Health.OK


def test_the_command_says_it_with_its_exit_code(data, cli):
    (data / "collector.toml").write_text('ingest = "127.0.0.1:1"\nops = ""\n')
    done = cli("doctor", "--format", "json", data=data)
    assert done.returncode == 10, done.stderr
    assert {row["health"] for row in json.loads(done.stdout)} == {"ok", "warning"}
    (data / "server.pem").write_text("nothing")
    assert cli("doctor", data=data).returncode == 20
