"""Is a secret anywhere that somebody looks? Tokens, and what a machine's log says."""

import base64
import json
import os
from pathlib import Path

from pe_protos.v1 import report_pb2 as pb

from tests.collector.security.asking import ask, bearer

CANARY = "Canary9Falcon"
HIDDEN = base64.b64encode(f"{CANARY}Password".encode("utf-16-le")).decode()
LINES = f"password={CANARY}\r\n<Password><Value>{HIDDEN}</Value></Password>\r\nnet use z: \\\\s\\d {CANARY} /user:x\r\n"
COMMANDS = ("machines", "deploying", "patterns", "silence", "tokens list", "audit list", "check-config", "export")


def places(collector, cli, answered):
    """Everything that is on disk or shown, by name; the files that hold a token by purpose are left out."""
    admin = bearer((collector.data / "admin.token").read_text().strip())
    for path in collector.data.iterdir():
        if path.suffix != ".token":
            yield path.name, path.read_bytes()
    for command in COMMANDS:
        done = cli(*command.split(), data=collector.data)
        yield command, done.stdout + done.stderr
    for path in ("/api/tokens", "/api/audit", "/api/refusals", "/api/machines", "/api/deploying", "/metrics", "/"):
        yield path, ask(collector.ops, "GET", path, **admin).body
    for name in ("cmdline", "environ"):
        yield name, Path(f"/proc/{collector.process.pid}/{name}").read_bytes()
    yield "answers", answered


def test_no_secret_of_a_token_or_a_log_is_anywhere(ops, frames, cli):
    report_id = os.urandom(16)
    data = LINES.encode()
    log = pb.LogChunk(path="X:\\setupact.log", data=data, expanded_bytes=len(data), file_bytes=len(data))
    said = frames.event(2, f"pwd={CANARY}")
    sender = ops.client().send(frames.hello(ops.token, report_id), pb.Frame(sequence=1, log=log), said)
    sender.send(frames.summary(3)).end()
    answered = sender.stored_through(3).SerializeToString()
    ops.client().send(frames.hello(ops.token[:-4] + "zzzz", report_id)).refusal()
    ask(ops.ops, "POST", "/sign-in", f"token={ops.token}", content_type="application/x-www-form-urlencoded")
    shown = cli("show", report_id.hex(), "--format", "json", data=ops.data).stdout
    assert json.loads(shown)["complete"]
    assert b"[redacted:" in shown
    secrets = [CANARY.encode(), HIDDEN.encode(), ops.token.partition(".")[2].encode()]
    secrets.append((ops.data / "admin.token").read_text().strip().partition(".")[2].encode())
    secrets.append(CANARY.encode("utf-16-le"))
    for name, octets in [*places(ops, cli, answered), ("show", shown)]:
        for secret in secrets:
            assert secret not in octets, name
