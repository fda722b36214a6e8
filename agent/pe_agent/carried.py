"""What fits on a photo of the screen? A verdict and its reasons as a line of letters, and back.

`PE1` and base 32 (RFC 4648, no padding) of: CRC-32 of the rest, then JSON packed with zlib. Only capitals and digits,
which a QR code holds in its dense alphanumeric mode and which can be read out on the phone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zlib
from typing import Any

from pe_agent.errors import DecodeError
from pe_agent.model import Boot, Clock, Identity, Observation, Opening, Outcome, Owner, Reason, Report, Status, Verdict

MARK = "PE1"
TRIGGER = "hand-carried"
_MOST_PACKED = 4096
_MOST_JSON = 16 * 1024
_MOST_REASONS = 6
_MOST_TITLE = 160
_WORSE = (Outcome.FAILED, Outcome.CRASHED, Outcome.WARNING)
_CRC = struct.Struct(">I")


def encode_report(report: Report) -> str:
    """The line for a report that has its verdict; without one the verdict is that nothing is known."""
    verdict = report.verdict or Verdict(Status.UNKNOWN, "cut off before its verdict")
    opening = report.opening
    worst = sorted((o for o in report.observations if o.outcome in _WORSE), key=lambda o: _WORSE.index(o.outcome))
    began = opening.boot.began
    said = [
        opening.report_id.hex(),
        opening.agent_version,
        [opening.identity.smbios_uuid, opening.identity.serial, list(opening.identity.macs[:2])],
        [round(began.uptime_s, 1), began.wall_ms, began.utc_offset_min],
        [opening.boot.boot_id, opening.boot.image_build, opening.boot.image_name],
        [verdict.status, verdict.finding_id, verdict.owner, round(verdict.confidence, 2), verdict.title[:_MOST_TITLE]],
        [[o.probe, o.target, o.outcome, o.reason] for o in worst[:_MOST_REASONS]],
    ]
    packed = zlib.compress(json.dumps(said, separators=(",", ":")).encode(), 9)
    octets = _CRC.pack(zlib.crc32(packed)) + packed
    return MARK + base64.b32encode(octets).decode("ascii").rstrip("=")


def decode_report(text: str) -> Report:
    """The report in a line; blanks, dashes and small letters do not matter.

    It is another report than the whole one, of the same boot and with the same code, so that both can be stored.

    Raises:
        DecodeError: the line is not one of ours, or was read wrong.
    """
    letters = "".join(text.split()).replace("-", "").upper()
    if not letters.startswith(MARK) or len(letters) > 2 * _MOST_PACKED:
        raise DecodeError(f"not a code of this program: it begins with {MARK}")
    body = letters.removeprefix(MARK)
    try:
        octets = base64.b32decode(body + "=" * (-len(body) % 8))
        (checksum,) = _CRC.unpack_from(octets)
        packed = octets[_CRC.size :]
        if zlib.crc32(packed) != checksum:
            raise DecodeError("the code was read wrong: its checksum does not agree; compare it letter by letter")
        return _report(json.loads(zlib.decompressobj().decompress(packed, _MOST_JSON)))
    except (ValueError, struct.error, zlib.error, TypeError, KeyError, RecursionError) as exc:
        raise DecodeError(f"the code is damaged: {exc}") from exc


def _report(said: Any) -> Report:
    report_id, version, (uuid, serial, macs), clock, (boot_id, build, image), told, reasons = said
    whole = bytes.fromhex(report_id)
    if len(whole) != 16:
        raise ValueError("its report id has another length")
    opening = Opening(
        report_id=hashlib.sha256(whole).digest()[:12] + whole[-4:],
        agent_version=str(version),
        trigger=TRIGGER,
        identity=Identity(str(uuid), str(serial), macs=tuple(map(str, macs))),
        boot=Boot(Clock(float(clock[0]), int(clock[1]), int(clock[2])), str(boot_id), str(build), str(image)),
    )
    status, finding_id, owner, confidence, title = told
    verdict = Verdict(Status(status), str(title), Owner(owner), "", str(finding_id), float(confidence))
    seen = [Observation(str(p), str(t), Outcome(o), Reason(r)) for p, t, o, r in reasons]
    return Report(opening, (*seen, verdict))
