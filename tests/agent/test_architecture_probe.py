"""Processor, firmware, image and process are four facts; only what contradicts is called a mismatch."""

import pytest
from pe_agent.host import Architecture
from pe_agent.model import Outcome, Reason
from pe_agent.probes.architecture import compare


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"cpu": "x64", "image": "x64", "firmware": "x64"}, Reason.MATCHES),
        ({"cpu": "x64", "image": "x86"}, Reason.MISMATCH),
        ({"cpu": "x64", "image": "x86", "firmware": "x86"}, Reason.MISMATCH),
        ({"cpu": "x64", "image": "x64", "firmware": "x86"}, Reason.MISMATCH),
        ({"cpu": "x86", "image": "x86"}, Reason.MATCHES),
        ({"cpu": "", "image": "x64"}, Reason.NOT_KNOWN),
        ({"cpu": "arm64", "image": "arm64", "firmware": ""}, Reason.MATCHES),
    ],
)
def test_architectures_are_compared(facts, reason):
    outcome, given = compare(Architecture(**facts))
    assert given is reason
    assert outcome is (Outcome.WARNING if reason is Reason.MISMATCH else Outcome.OK)
