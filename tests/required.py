"""A test that is skipped proves nothing: with PE_REQUIRE=1, as `.ci/run` sets it, it fails unless its reason is listed.

What a package or a download would cure is never listed; what only another kernel, user or opt-in gives is.
"""

import os
import re

import pytest

ALLOWED = (
    r"no public logs: ",
    r"PE_CITUS names no Citus coordinator",
    r"a setting of the GNU C library",
    r"the payload's modules are compiled for Python 3\.11",
    r"this machine has no \S*:",
    r"\d+ open files are needed, \d+ are allowed",
    r"this kernel has no time namespaces",
    r"this system grants no user and network namespaces",
    r"a time server runs on this machine",
    r"cannot stop being root",
)
# As root these would be a mistake of the test.
ALLOWED_WITHOUT_ROOT = (r"\bneeds? root\b",)


def is_allowed(reason, *, root):
    """Whether a test may be skipped for this reason where everything that can be installed is."""
    rules = ALLOWED if root else ALLOWED + ALLOWED_WITHOUT_ROOT
    return any(re.search(rule, reason) for rule in rules)


def _judged(report):
    if os.environ.get("PE_REQUIRE") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not is_allowed(reason, root=os.geteuid() == 0):
        report.outcome = "failed"
        report.longrepr = f"PE_REQUIRE=1 and the reason is not in tests/required.py: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Tests, and the fixtures and marks that skip them."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Modules that skip themselves."""
    return _judged((yield))
