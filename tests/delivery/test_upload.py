"""A report handed over whole by HTTPS counts as one that was streamed; nothing can be read there."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from pe_agent import model, plain
from pe_agent.bundle import MAGIC, encode_bundle, encode_record
from pe_agent.errors import NotDelivered, UsageError
from pe_agent.parcel import BUNDLE_TYPE, JSON_TYPE, Parcel, parcel_of
from pe_agent.recorder import Recorder
from pe_agent.trust import Trust
from pe_agent.upload import Uploader

CLOCK = model.Clock(100.0, 1_700_000_000_000)
RECORDS = (
    model.Observation("wds-rpc", "10.0.0.1:5040", model.Outcome.FAILED, model.Reason.FILTERED),
    model.LogChunk("X:\\setupact.log", 0, b"line\r\n" * 20_000, 120_000),
    model.Verdict(model.Status.FAULT, "TCP 5040 is filtered"),
)


def a_report(records=RECORDS):
    boot = model.Boot(CLOCK, image_build="build-1")
    identity = model.Identity(serial="SN-1", macs=("02:00:00:00:00:01",))
    return model.Report(model.Opening(os.urandom(16), "0.1.0", "report", identity, boot), records)


def json_parcel(report):
    return Parcel(plain.report_to_json(report, CLOCK).encode() + b"\n", JSON_TYPE, len(report.records))


def uploader(collector, **changes):
    trust = {"ca": collector.trust.ca, "token": collector.token} | changes
    return Uploader((collector.upload_address,), Trust(**trust))


def post(collector, octets, kind=BUNDLE_TYPE, **headers):
    """The request as any HTTPS client would make it: status, document."""
    context = ssl.create_default_context(cadata=collector.trust.ca.decode())
    context.check_hostname = False
    connection = http.client.HTTPSConnection(collector.upload_address, context=context, timeout=30)
    headers = {"Content-Type": kind, "Authorization": f"Bearer {collector.token}"} | headers
    connection.request("POST", "/v1/reports", octets, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


@pytest.mark.parametrize("form", [lambda r: parcel_of(r, CLOCK), json_parcel], ids=["bundle", "json"])
def test_an_uploaded_report_is_stored_once_however_often_it_comes(uploads, form):
    report = a_report()
    answers = [uploader(uploads).send(form(report), 20) for _ in range(2)]
    code = model.receipt_code(report.opening.report_id)
    assert [(a.stored_through, a.complete, a.code) for a in answers] == [(3, True, code)] * 2
    assert uploads.reports() == [(report.opening.report_id.hex(), 3, 1, "fault")]


def test_the_stored_log_is_the_same_by_both_forms(uploads):
    codes = [uploader(uploads).send(form, 20).code for form in (parcel_of(a_report(), CLOCK), json_parcel(a_report()))]
    for code in codes:
        command = [sys.executable, "-m", "pe_collector", "show", code, "--data", str(uploads.data)]
        done = subprocess.run([*command, "--log", "setupact.log"], capture_output=True, check=True)
        assert done.stdout == RECORDS[1].octets


def test_what_was_acknowledged_survives_a_kill_right_after(uploads):
    report = a_report()
    assert uploader(uploads).send(parcel_of(report, CLOCK), 20).complete
    uploads.stop(signal.SIGKILL)
    assert uploads.reports() == [(report.opening.report_id.hex(), 3, 1, "fault")]


def test_an_upload_ends_what_a_broken_stream_began(uploads):
    whole = a_report()
    first = parcel_of(model.Report(whole.opening, RECORDS[:1]), CLOCK)
    assert not uploader(uploads).send(first, 20).complete
    assert uploader(uploads).send(parcel_of(whole, CLOCK), 20).complete
    assert uploads.reports("stored_through, complete") == [(3, 1)]


def good():
    return parcel_of(a_report(), CLOCK).octets


REFUSED = {
    "no token": (good, {"Authorization": ""}, 401, "no-token"),
    "foreign token": (good, {"Authorization": "Bearer abc.def"}, 401, "token-unknown"),
    "not a bundle": (lambda: b"what is this", {}, 422, "malformed"),
    "nothing": (lambda: b"", {}, 422, "malformed"),
    "only the beginning": (lambda: MAGIC, {}, 422, "malformed"),
    "a flipped octet": (lambda: good()[:-9] + b"\xff" + good()[-8:], {}, 422, "malformed"),
    "cut in a record": (lambda: good()[:-3], {}, 422, "malformed"),
    "no hello": (lambda: encode_bundle([b"\x08\x01"]), {}, 422, "malformed"),
    "a gap": (lambda: good() + encode_record(b"\x08\x09"), {}, 422, "gap"),
    "another form": (good, {"Content-Type": "text/plain"}, 422, "malformed"),
    "json of something else": (lambda: b'{"hello": 7}', {"Content-Type": JSON_TYPE}, 422, "malformed"),
    "json without a report id": (lambda: b"{}", {"Content-Type": JSON_TYPE}, 422, "malformed"),
    "a claim of too much": (good, {"Content-Length": str(10**12)}, 413, "too-much"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_says_its_reason_in_one_line_of_json(uploads, what):
    octets, headers, status, reason = REFUSED[what]
    given, document = post(uploads, octets(), **headers)
    assert (given, document["reason"]) == (status, reason)
    assert document["message"]


def test_a_body_above_the_bound_is_refused_while_it_comes(uploads):
    # Chunked: no length is claimed beforehand.
    status, document = post(uploads, (b"x" * 1_000_000 for _ in range(30)), JSON_TYPE)
    assert (status, document["reason"]) == (413, "too-much")


def test_a_report_begun_under_another_token_is_forbidden(uploads):
    report = a_report()
    uploader(uploads).send(parcel_of(model.Report(report.opening, RECORDS[:1]), CLOCK), 20)
    command = [sys.executable, "-m", "pe_collector", "tokens", "new", "--data", str(uploads.data)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with pytest.raises(NotDelivered, match="403: this report was begun under another token"):
        uploader(uploads, token=other).send(parcel_of(report, CLOCK), 20)
    assert uploads.reports("stored_through, complete") == [(1, 0)]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/reports"), ("GET", "/"), ("PUT", "/v1/reports"), ("GET", "/docs")]
)
def test_nothing_can_be_read(uploads, method, path):
    context = ssl.create_default_context(cadata=uploads.trust.ca.decode())
    context.check_hostname = False
    connection = http.client.HTTPSConnection(uploads.upload_address, context=context, timeout=30)
    connection.request(method, path, headers={"Authorization": f"Bearer {uploads.token}"})
    assert connection.getresponse().status in (404, 405)
    connection.close()


def test_a_collector_of_another_ca_gets_no_token(uploads, tmp_path):
    other = tmp_path / "other"
    subprocess.run(
        [sys.executable, "-m", "pe_collector", "init", "--data", str(other)], check=True, capture_output=True
    )
    with pytest.raises(NotDelivered, match="certificate is refused"):
        uploader(uploads, ca=(other / "ca.pem").read_bytes()).send(parcel_of(a_report(), CLOCK), 1)
    assert uploads.reports() == []


def test_a_wrong_token_is_said_at_once_with_what_to_do(uploads):
    began_s = time.monotonic()
    with pytest.raises(NotDelivered, match=r"401: .*tokens new"):
        uploader(uploads, token="abc.def").send(parcel_of(a_report(), CLOCK), 30)
    assert time.monotonic() - began_s < 10


def test_the_second_address_is_tried(uploads):
    addresses = ("127.0.0.1:1", uploads.upload_address)
    assert Uploader(addresses, uploads.trust).send(parcel_of(a_report(), CLOCK), 20).complete


def test_without_tls_only_loopback_is_allowed():
    with pytest.raises(UsageError, match="loopback"):
        Uploader(("192.0.2.9:443",), Trust(plain=True))


def test_without_ssl_the_message_says_so():
    # A lean payload: the interpreter has no ssl.
    code = (
        "import sys; sys.modules['ssl'] = None\n"
        "from pe_agent.trust import Trust; from pe_agent.upload import Uploader; from pe_agent.parcel import Parcel\n"
        "from pe_agent.errors import NotDelivered\n"
        "try: Uploader(('127.0.0.1:1',), Trust(b'x')).send(Parcel(b'', 't', 0), 1)\n"
        "except NotDelivered as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ssl does not load here" in done.stdout


def test_a_port_that_speaks_something_else_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(NotDelivered, match=address):
            Uploader((address,), Trust(plain=True)).send(Parcel(b"x", BUNDLE_TYPE, 0), 1)


def test_a_connection_that_asks_nothing_is_closed(uploads):
    context = ssl.create_default_context(cadata=uploads.trust.ca.decode())
    raw = socket.create_connection(("127.0.0.1", uploads.upload_port), 5)
    with context.wrap_socket(raw, server_hostname="pe-collector") as silent:
        silent.settimeout(25)
        silent.sendall(b"POST /v1/reports HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            assert silent.recv(1) == b""


def test_a_recorder_uploads_when_the_grpc_port_gives_no_answer(uploads, tmp_path):
    from pe_agent import ship

    report = a_report()
    recorder = Recorder(report.opening, lambda: CLOCK, (tmp_path / "spool",), uploader(uploads))
    recorder.open(lambda: ship.Shipment(report.opening, lambda: CLOCK, ("127.0.0.1:1",), uploads.trust))
    for record in RECORDS:
        recorder.add(record)
    delivery = recorder.finish(8)
    assert (delivery.stored, delivery.collector) == (True, uploads.upload_address)
    assert list((tmp_path / "spool").iterdir()) == []


BLOCKER = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("grpc", "google", "pe_protos", "psutil", "cryptography"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def test_an_agent_without_any_wheel_uploads_its_report(uploads, tmp_path):
    arguments = ["report", "--quiet", "--only", "architecture", "--spool", str(tmp_path / "spool"), "--format", "json"]
    arguments += ["--collector", uploads.address, "--upload", uploads.upload_address]
    arguments += ["--ca", str(uploads.data / "ca.pem"), "--token-file", str(uploads.data / "first.token")]
    code = f"{BLOCKER}\nfrom pe_agent.cli import run\nsys.exit(run({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"by {uploads.upload_address}, safe to reboot" in json.loads(done.stdout)["delivery"], done.stderr
    ((complete, outcome),) = uploads.reports("complete, outcome")
    assert complete == 1
    assert outcome == json.loads(done.stdout)["verdict"]["status"]
    assert list((tmp_path / "spool").glob("*.jsonl")) == []


def test_an_agent_without_any_wheel_that_is_killed_while_it_uploads_leaves_its_report(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = ["report", "--quiet", "--only", "architecture", "--spool", str(tmp_path / "spool"), "--plain"]
        arguments += ["--upload", f"127.0.0.1:{listener.getsockname()[1]}"]
        code = f"{BLOCKER}\nfrom pe_agent.cli import run\nsys.exit(run({arguments!r}))"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as agent:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1)
                agent.kill()
    (path,) = (tmp_path / "spool").glob("*.jsonl")
    assert json.loads(path.read_text())["summary"]


def test_a_stop_waits_for_the_upload_under_way(uploads):
    octets = good()
    context = ssl.create_default_context(cadata=uploads.trust.ca.decode())
    raw = socket.create_connection(("127.0.0.1", uploads.upload_port), 5)
    with context.wrap_socket(raw, server_hostname="pe-collector") as peer:
        head = f"POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {uploads.token}\r\n"
        head += f"Content-Type: {BUNDLE_TYPE}\r\nContent-Length: {len(octets)}\r\n\r\n"
        peer.sendall(head.encode() + octets[:200])
        time.sleep(0.5)
        uploads.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        peer.sendall(octets[200:])
        peer.settimeout(10)
        answer = http.client.HTTPResponse(peer)
        answer.begin()
        assert json.loads(answer.read())["complete"] is True
    assert uploads.process.wait(20) == 0
