"""A secret in a log of the machine is in nothing that the agent leaves behind: bundle, screen, state, own log."""

import base64
import re
import subprocess
import sys
import zlib

import pytest
from pe_agent import wire
from pe_agent.bundle import read_bundle

CANARY = "Canary7Bird"
HIDDEN = base64.b64encode(f"{CANARY}Password".encode("utf-16-le")).decode()
LINE = "2026-03-02 08:15:30, Error      [0x0600a4] IBS    CreateClientSession: {} Error code [0x800706BA]\r\n"
TEXT = "".join(
    LINE.format(said)
    for said in (
        f"password={CANARY}",
        f'"Password": "{CANARY}"',
        f"<Password><Value>{HIDDEN}</Value></Password>",
        f"net use z: \\\\srv\\share {CANARY} /user:x",
        f"https://a:{CANARY}@host/",
    )
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_no_canary_in_bundle_screen_state_or_own_log(tmp_path, encoding, form):
    panther = tmp_path / "root" / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "setupact.log").write_bytes((TEXT + f"last line pwd={CANARY}").encode(encoding))
    spool = tmp_path / "spool"
    told = ["--only", "architecture", "--no-send", "--sysroot", str(tmp_path / "root"), "--spool", str(spool)]
    command = [sys.executable, "-m", "pe_agent", "report", "--format", form, *told]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert b"[redacted:" in done.stdout, done.stderr
    seen = [done.stdout, done.stderr, *(path.read_bytes() for path in spool.iterdir())]
    (bundle,) = spool.glob("*.pespool")
    frames = [wire.parse_frame(payload) for payload in read_bundle(bundle.read_bytes())]
    logs = b"".join(zlib.decompress(f.log.data) if f.log.codec else f.log.data for f in frames if f.HasField("log"))
    seen += [logs, *(str(frame).encode() for frame in frames)]
    for octets in seen:
        for secret in (CANARY, HIDDEN):
            assert secret.encode() not in octets
            assert secret.encode("utf-16-le") not in octets
    text = logs.decode(encoding)
    assert text.count("0x800706BA") == 5
    assert re.search(r"last line pwd=\[redacted:[0-9a-f]{8}\]$", text)
    manifest = [f.observation.facts["redacted_by"].text for f in frames if "redacted_by" in f.observation.facts]
    assert manifest
    assert "password=" in manifest[-1]
    assert "url-userinfo=1" in manifest[-1]
