"""What a test of the module's collector needs to be alone with it: report ids of its own, counts since it began."""

import os

import pytest

from tests.collector.security.asking import ask, bearer

ROLES = ("ingest", "reader", "operator", "admin")


@pytest.fixture(scope="module")
def role_tokens(house):
    """A token of each role."""
    admin = (house.data / "admin.token").read_text().strip()
    made = {
        role: ask(house.ops, "POST", "/api/tokens", f"role={role}&name={role}&days=1", **bearer(admin), **FORM).document
        for role in ROLES
    }
    return {role: answer["token"] for role, answer in made.items()}


FORM = {"content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
def report_id():
    return os.urandom(16)


@pytest.fixture
def refused(ops):
    """How often the collector gave each reason since the test began; only those it gave."""
    before = ask(ops.ops, "GET", "/api/refusals").document["refusals"]

    def since():
        now = ask(ops.ops, "GET", "/api/refusals").document["refusals"]
        return {reason: now[reason] - before[reason] for reason in now if now[reason] != before[reason]}

    return since
