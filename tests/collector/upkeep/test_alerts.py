"""Is each event told once, later when the receiver is away, not when muted, and signed so that it can be checked?"""

import hashlib
import hmac
import http.server
import json
import smtplib
import ssl
import threading
import time
from contextlib import closing, contextmanager

import pytest
from aiosmtpd.controller import Controller
from pe_agent.errors import UsageError
from pe_collector import store
from pe_collector.alerts import queue
from pe_collector.alerts.channels import channels
from pe_collector.alerts.mail import Mail
from pe_collector.alerts.shapes import SHAPES
from pe_collector.alerts.telling import Telling
from pe_collector.alerts.webhook import NotTold, Webhook
from pe_collector.settings import Settings

START_S = 1_000_000.0
SECRET = b"between us"
DOCUMENT = {
    "title": "TCP 5040 is <filtered> & gone",
    "machines": ["m1", "m2"],
    "conditions": {"prefix": "10.1.0.0/20"},
    "onset": "2026-11-01T00:00:00Z",
    "ended": None,
}
ALERT = {
    "id": "abcd-1.000-opened", "event": "opened", "pattern_id": "abcd", "title": "T", "sentence": "It fails.",
    "machines": 2,
}  # fmt: skip


@contextmanager
def receiver(*statuses):
    """A web server that answers with these, then with 200; what came is in `.came` as (path, headers, body)."""
    planned = list(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.came.append((self.path, dict(self.headers), body))
            status = planned.pop(0) if planned else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.came = []
        server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def path(tmp_path):
    return store.create(tmp_path)


@pytest.fixture
def writer(path):
    opened = store.Writer(path)
    yield opened
    opened.close()


def happens(writer, state, at_s, pattern_id="abcd1234"):
    def step(connection):
        row = (pattern_id, "cause", state, DOCUMENT["title"], at_s, at_s, 2, json.dumps(DOCUMENT))
        connection.execute("INSERT OR REPLACE INTO pattern VALUES (?,?,?,?,?,?,?,?)", row)
        connection.execute("INSERT INTO pattern_event VALUES (?,?,?,?)", (pattern_id, at_s, state, f"It {state}."))

    writer.run(step).result(60)


def telling(path, writer, url, shape="generic"):
    """Its own thread never wakes: the test says when, and what the clock shows."""
    (path.parent / "alert.secret").write_bytes(SECRET + b"\n")
    settings = Settings(alert_webhooks=(f"{shape} {url}",), alert_secret_file="alert.secret")
    return Telling(path, writer, channels(path.parent, settings), every_s=3600)


def outcomes(path):
    with closing(store.open_reader(path)) as connection:
        rows = connection.execute("SELECT state, outcome, attempts FROM alert ORDER BY at_s")
        return [tuple(row) for row in rows]


def test_each_event_is_told_once_also_after_a_restart(path, writer):
    with receiver() as server:
        with closing(telling(path, writer, server.url)) as first:
            first.tell_due(lambda: START_S)
            happens(writer, "opened", START_S + 1)
            first.tell_due(lambda: START_S + 2)
            first.tell_due(lambda: START_S + 3)
        happens(writer, "worsened", START_S + 4)
        with closing(telling(path, writer, server.url)) as second:
            second.tell_due(lambda: START_S + 5)
            happens(writer, "ended", START_S + 6)
            second.tell_due(lambda: START_S + 7)
        said = [json.loads(body) for _, _, body in server.came]
    assert [alert["event"] for alert in said] == ["opened", "worsened", "ended"]
    assert (said[0]["machines"], said[0]["sentence"]) == (2, "It opened.")
    assert outcomes(path) == [("opened", "told", 1), ("worsened", "told", 1), ("ended", "told", 1)]


def test_what_happened_before_alerts_were_wanted_is_not_told(path, writer):
    happens(writer, "opened", START_S - 10)
    with receiver() as server, closing(telling(path, writer, server.url)) as teller:
        teller.tell_due(lambda: START_S)
        assert server.came == []


def test_only_new_worse_and_over_are_told(path, writer):
    with receiver() as server, closing(telling(path, writer, server.url)) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "recovering", START_S + 1)
        teller.tell_due(lambda: START_S + 2)
        assert server.came == []


def test_a_receiver_that_is_away_is_tried_again_after_longer_and_longer(path, writer):
    with receiver(500, 503, 302) as server, closing(telling(path, writer, server.url)) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "opened", START_S)
        moments = []
        for second in range(100):
            before = len(server.came)
            teller.tell_due(lambda now=START_S + second: now)
            moments += [second] * (len(server.came) - before)
        ids = {headers["X-Pe-Alert-Id"] for _, headers, _ in server.came}
        paths = {path for path, _, _ in server.came}
    assert moments == [0, 10, 30, 70]
    assert (len(ids), paths) == (1, {"/hook"})
    assert outcomes(path) == [("opened", "told", 4)]


def test_what_waits_survives_a_restart(path, writer):
    with receiver(500) as server:
        with closing(telling(path, writer, server.url)) as first:
            first.tell_due(lambda: START_S)
            happens(writer, "opened", START_S)
            first.tell_due(lambda: START_S + 1)
        assert outcomes(path) == [("opened", "waiting", 1)]
        with closing(telling(path, writer, server.url)) as second:
            second.tell_due(lambda: START_S + 60)
        assert len(server.came) == 2
    assert outcomes(path) == [("opened", "told", 2)]


def test_after_three_days_it_is_given_up(path, writer):
    with closing(telling(path, writer, "http://127.0.0.1:1/")) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "opened", START_S)
        teller.tell_due(lambda: START_S + queue.GIVE_UP_S + 1)
    assert outcomes(path) == [("opened", "given-up", 1)]


def test_waits_grow_to_an_hour_and_no_further():
    assert [queue.wait_s(n) for n in (0, 1, 2, 8, 9, 1000)] == [10, 20, 40, 2560, 3600, 3600]


def test_a_muted_pattern_is_not_told_and_an_ended_mute_is_over(path, writer):
    def mute(connection):
        row = ("abcd1234", "mute", START_S, START_S + 100, "", "", "")
        connection.execute("INSERT INTO pattern_mark VALUES (?,?,?,?,?,?,?)", row)

    with receiver() as server, closing(telling(path, writer, server.url)) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "opened", START_S + 1)
        writer.run(mute).result(60)
        teller.tell_due(lambda: START_S + 2)
        assert server.came == []
        happens(writer, "worsened", START_S + 200)
        teller.tell_due(lambda: START_S + 201)
        assert len(server.came) == 1
    assert outcomes(path) == [("opened", "muted", 0), ("worsened", "told", 1)]


def test_the_signature_is_checked_with_the_secret_alone(path, writer):
    with receiver() as server, closing(telling(path, writer, server.url)) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "opened", START_S)
        teller.tell_due(lambda: START_S)
        _, headers, body = server.came[0]
    moment = headers["X-Pe-Timestamp"]
    expected = hmac.new(SECRET, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Pe-Signature"] == f"sha256={expected}"
    assert abs(int(moment) - time.time()) < 600


@pytest.mark.parametrize("shape", ["slack", "teams"])
def test_slack_and_teams_get_their_shapes(path, writer, shape):
    with receiver() as server, closing(telling(path, writer, server.url, shape)) as teller:
        teller.tell_due(lambda: START_S)
        happens(writer, "opened", START_S)
        teller.tell_due(lambda: START_S)
        said = json.loads(server.came[0][2])
    if shape == "slack":
        assert said["text"] == "New pattern: TCP 5040 is &lt;filtered&gt; &amp; gone"
        assert said["blocks"][1]["text"]["text"] == "It opened."
    else:
        (card,) = said["attachments"]
        assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["content"]["body"][0]["text"] == "New pattern: TCP 5040 is <filtered> & gone"


def test_an_address_from_a_file_is_in_no_table_and_no_setting(path, writer):
    with receiver() as server:
        (path.parent / "slack.url").write_text(server.url + "\n")
        settings = Settings(alert_webhooks=("slack file:slack.url",))
        with closing(Telling(path, writer, channels(path.parent, settings), every_s=3600)) as teller:
            teller.tell_due(lambda: START_S)
            happens(writer, "opened", START_S)
            teller.tell_due(lambda: START_S)
        assert len(server.came) == 1
    with closing(store.open_reader(path)) as connection:
        assert [tuple(row) for row in connection.execute("SELECT channel FROM alert")] == [("slack file:slack.url",)]


@pytest.mark.parametrize("text", ["slack ftp://x", "pager https://x", "https://x", "generic file:gone"])
def test_a_webhook_that_cannot_be_meant_is_refused(tmp_path, text):
    with pytest.raises(UsageError):
        channels(tmp_path, Settings(alert_webhooks=(text,)))


class Inbox:
    """Refuses the first message, takes the others."""

    def __init__(self):
        self.came = []
        self.tries = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd calls it so
        self.tries += 1
        if self.tries == 1:
            return "451 try again later"
        self.came.append((session.ssl is not None, envelope))
        return "250 taken"


class MailServer(Controller):
    """On a port that the system chose."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(inbox, context):
    controller = MailServer(inbox, hostname="127.0.0.1", port=0, tls_context=context, require_starttls=bool(context))
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def served_tls(tmp_path_factory):
    """A certificate for 127.0.0.1 and its authority."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(9))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "k.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return folder / "c.pem", context


def test_mail_that_is_refused_first_comes_later_over_tls(path, writer, served_tls):
    inbox, (ca, context) = Inbox(), served_tls
    with mail_server(inbox, context) as port:
        settings = Settings(
            alert_smtp=f"127.0.0.1:{port}",
            alert_smtp_ca_file=str(ca),
            alert_mail_from="pe@example.org",
            alert_mail_to=("a@example.org", "b@example.org"),
        )
        with closing(Telling(path, writer, channels(path.parent, settings), every_s=3600)) as teller:
            teller.tell_due(lambda: START_S)
            happens(writer, "opened", START_S)
            teller.tell_due(lambda: START_S)
            assert inbox.came == []
            teller.tell_due(lambda: START_S + 11)
            teller.tell_due(lambda: START_S + 99)
    ((encrypted, envelope),) = inbox.came
    assert (encrypted, envelope.rcpt_tos) == (True, ["a@example.org", "b@example.org"])
    assert b"Subject: New pattern: TCP 5040 is <filtered> & gone" in envelope.content


def test_a_mail_server_without_starttls_gets_nothing():
    inbox = Inbox()
    with mail_server(inbox, None) as port, pytest.raises(NotTold, match="STARTTLS"):
        Mail("127.0.0.1", port, "a@example.org", ("b@example.org",)).tell(ALERT)
    assert inbox.tries == 0


def test_a_title_cannot_write_headers():
    inbox = Inbox()
    inbox.tries = 1
    with mail_server(inbox, None) as port:
        mail = Mail("127.0.0.1", port, "a@example.org", ("b@example.org",), starttls=False)
        mail.tell({**ALERT, "title": "x\r\nBcc: evil@example.org"})
    assert b"\nBcc:" not in inbox.came[0][1].content
    assert smtplib.CRLF.encode() in inbox.came[0][1].content


def test_nobody_there_is_not_told():
    with pytest.raises(NotTold):
        Webhook("http://127.0.0.1:1/", SHAPES["generic"], b"").tell(ALERT)


def test_a_collector_that_serves_tells(start, data):
    with receiver() as server:
        toml = f'alert_webhooks = ["generic {server.url}"]\n'
        (data / "collector.toml").write_text(toml)
        running = start()
        writer = store.Writer(data / store.FILE_NAME)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with closing(store.open_reader(data / store.FILE_NAME)) as connection:
                if connection.execute("SELECT count(*) FROM alert_channel").fetchone()[0]:
                    break
            time.sleep(0.1)
        happens(writer, "opened", time.time())
        writer.close()
        while not server.came and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running.stop() == 0
        assert len(server.came) == 1


def test_settings_of_alerts_are_checked_when_it_starts(data, cli):
    (data / "collector.toml").write_text('alert_webhooks = ["pager https://example.org"]\n')
    done = cli("serve", "--ingest", "127.0.0.1:0", "--no-ops", data=data)
    assert (done.returncode, b"alert_webhooks" in done.stderr) == (2, True)
