"""How wrong is this machine's clock, in words? Days and years too: a PE with an empty battery is that far off."""

from __future__ import annotations

import contextlib
import sys
import time

SET_IT = "set it in the BIOS"
# What TLS says of a certificate whose time is not now; OpenSSL and BoringSSL use the same words.
_LATE, _EARLY = "certificate has expired", "certificate is not yet valid"
# Seconds of a unit, and the largest number of it that is said.
_UNITS = ((60.0, 120, "min"), (3600.0, 48, "h"), (86400.0, 730, "days"), (365.25 * 86400.0, sys.maxsize, "years"))


def so_long(seconds: float) -> str:
    """A time as somebody would say it: 5 min, 3 h, 12 days, 11 years."""
    fit = [(unit_s, name) for unit_s, most, name in _UNITS if round(seconds / unit_s) <= most]
    unit_s, name = fit[0]
    return f"{round(seconds / unit_s)} {name}"


def is_of_date(said: str) -> bool:
    """Whether TLS refused a certificate because of the date."""
    return _LATE in said or _EARLY in said


def advice_of_date(said: str, wall_ms: int, ca: bytes) -> str:
    """What to do where TLS refused a certificate because of the date, by this machine's clock and the CA's dates."""
    day = time.strftime("%Y-%m-%d", time.gmtime(wall_ms / 1000)) if 0 <= wall_ms < 1e14 else "an impossible day"
    off = _off(said, wall_ms, ca)
    clock = f"this machine's clock says {day}{off}"
    return f"{clock}: {SET_IT}; if it is right the collector needs a new certificate"


def least_skew_s(said: str, wall_ms: int, ca: bytes) -> float | None:
    """Where TLS refused a date: by how much this clock is wrong at least, by the CA's dates; ahead is above 0."""
    from_s, until_s = _dates(ca)
    now_s = wall_ms / 1000
    if _LATE in said and until_s is not None and now_s > until_s:
        return now_s - until_s
    if _EARLY in said and from_s is not None and now_s < from_s:
        return now_s - from_s
    return None


def _off(said: str, wall_ms: int, ca: bytes) -> str:
    skew_s = least_skew_s(said, wall_ms, ca)
    if skew_s is None:
        return ""
    return f", {so_long(abs(skew_s))} {'after' if skew_s > 0 else 'before'} the dates of the collector's CA"


def _dates(ca: bytes) -> tuple[float | None, float | None]:
    """From when until when the CA is good, Unix time; None where that cannot be read."""
    # The payload of a boot image may be without ssl.
    with contextlib.suppress(ImportError, OSError, ValueError, KeyError):
        import ssl  # noqa: PLC0415 - as above

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca.decode("ascii"))
        told = context.get_ca_certs()[-1:]
        if told:
            begins, ends = str(told[0]["notBefore"]), str(told[0]["notAfter"])
            return float(ssl.cert_time_to_seconds(begins)), float(ssl.cert_time_to_seconds(ends))
    return None, None
