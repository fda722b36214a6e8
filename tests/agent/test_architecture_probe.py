"""Processor, firmware, image and process are four facts; only what contradicts is called a mismatch."""

import pytest
from pe_agent.host import Architecture
from pe_agent.model import Outcome, Reason
from pe_agent.probes import architecture
from pe_agent.probes.architecture import compare
from pe_agent.probes.contract import Context


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"cpu": "x64", "image": "x64", "firmware": "x64"}, Reason.MATCHES),
        ({"cpu": "x64", "image": "x86"}, Reason.MISMATCH),
        ({"cpu": "x64", "image": "x86", "firmware_type": "bios"}, Reason.MISMATCH),
        # 32-bit UEFI starts nothing but x86, whatever the processor could run besides.
        ({"cpu": "x64", "image": "x86", "firmware": "x86", "firmware_type": "uefi"}, Reason.MATCHES),
        ({"cpu": "x64", "image": "x64", "firmware": "x86", "firmware_type": "uefi"}, Reason.MISMATCH),
        ({"cpu": "x86", "image": "x86"}, Reason.MATCHES),
        ({"cpu": "", "image": "x64"}, Reason.NOT_KNOWN),
        ({"cpu": "arm64", "image": "arm64", "firmware": ""}, Reason.MATCHES),
    ],
)
def test_architectures_are_compared(facts, reason):
    outcome, given = compare(Architecture(**facts))
    assert given is reason
    assert outcome is (Outcome.WARNING if reason is Reason.MISMATCH else Outcome.OK)


class MachineHost:
    def __init__(self, **facts):
        self._facts = facts

    def architecture(self):
        return Architecture(**self._facts)


@pytest.mark.parametrize(
    ("firmware_type", "firmware", "cpu", "option93", "can_start"),
    [
        ("bios", "", "x86", 0, "x86"),
        ("bios", "", "x64", 0, "x86,x64"),
        ("uefi", "x86", "x64", 6, "x86"),
        ("uefi", "x64", "x64", 7, "x64"),
        ("uefi", "arm64", "arm64", 11, "arm64"),
        ("uefi", "", "x64", None, None),
    ],
)
def test_the_boot_images_that_this_firmware_starts_are_named(firmware_type, firmware, cpu, option93, can_start):
    host = MachineHost(firmware_type=firmware_type, firmware=firmware, cpu=cpu, image=cpu)
    (answer,) = architecture.run(Context(host, lambda: 1.0, 2.0))
    assert (answer.facts.get("option93"), answer.facts.get("can_start")) == (option93, can_start)


@pytest.mark.parametrize("firmware", ["x86", "x64", "arm64"])
@pytest.mark.parametrize("cpu", ["x86", "x64", "arm64"])
def test_on_uefi_an_image_matches_exactly_where_it_can_start(firmware, cpu):
    host = MachineHost(firmware_type="uefi", firmware=firmware, cpu=cpu, image=firmware)
    (answer,) = architecture.run(Context(host, lambda: 1.0, 2.0))
    assert answer.reason is Reason.MATCHES
    assert answer.facts.get("can_start", firmware) == firmware
