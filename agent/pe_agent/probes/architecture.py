"""Do processor, firmware and boot image fit each other?

An x86 boot image on an x64 machine boots under BIOS and then offers the wrong images; UEFI starts an image of
its own bitness only.
"""

from __future__ import annotations

from collections.abc import Iterator

from pe_agent.host import Architecture
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context

PROBE = "architecture"
# (firmware type, firmware, processor) -> DHCP option 93 (RFC 4578, IANA) and the boot images that start there.
# BIOS firmware has no bitness of its own; UEFI starts images of its own bitness only.
_STARTS: dict[tuple[str, str, str], tuple[int, str]] = {
    ("bios", "", "x86"): (0, "x86"),
    ("bios", "", "x64"): (0, "x86,x64"),
    ("uefi", "x86", "x86"): (6, "x86"),
    ("uefi", "x86", "x64"): (6, "x86"),
    ("uefi", "x64", "x64"): (7, "x64"),
    ("uefi", "arm", "arm"): (10, "arm"),
    ("uefi", "arm64", "arm64"): (11, "arm64"),
}


def run(context: Context) -> Iterator[Observation]:
    """One answer about this machine: `matches`, `mismatch` or `not-known`, each fact for itself."""
    started_at_s = context.clock_s()
    architecture = context.host.architecture()
    outcome, reason = compare(architecture)
    elapsed_s = context.clock_s() - started_at_s
    yield Observation(PROBE, "", outcome, reason, started_at_s, elapsed_s, _facts(architecture))


def compare(architecture: Architecture) -> tuple[Outcome, Reason]:
    """Whether the image is the one this machine should have booted; a fact that is missing is not held against it."""
    if not architecture.cpu or not architecture.image:
        return Outcome.OK, Reason.NOT_KNOWN
    # Where firmware has a bitness of its own (UEFI) it decides, and not what the processor could run besides.
    if (architecture.firmware or architecture.cpu) != architecture.image:
        return Outcome.WARNING, Reason.MISMATCH
    return Outcome.OK, Reason.MATCHES


def _facts(architecture: Architecture) -> dict[str, FactValue]:
    possible: dict[str, FactValue | None] = {
        "cpu": architecture.cpu or None,
        "firmware": architecture.firmware or None,
        "firmware_type": architecture.firmware_type or None,
        "image": architecture.image or None,
        "process": architecture.process or None,
        "secure_boot": architecture.secure_boot,
    }
    starts = _STARTS.get((architecture.firmware_type, architecture.firmware, architecture.cpu))
    if starts is not None:
        possible["option93"], possible["can_start"] = starts
    return {name: value for name, value in possible.items() if value is not None}
