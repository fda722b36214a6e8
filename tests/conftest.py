"""What holds for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.required import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# How long an example takes says more about the machine than about the code. A change is judged by the same examples
# each time; PE_HYPOTHESIS=random, as `make soak` sets it, looks for new ones.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("random", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("PE_HYPOTHESIS", "same"))

# A folder of public logs beside the checkout; PE_CORPUS names another one.
PUBLIC_LOGS = Path(os.environ.get("PE_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus")


@pytest.fixture(scope="session")
def public_logs() -> list[Path]:
    """All logs of that folder; without any the test is skipped."""
    logs = sorted(PUBLIC_LOGS.glob("*.log"))
    if not logs:
        pytest.skip(f"no public logs: {PUBLIC_LOGS} holds none; PE_CORPUS names a folder that does")
    return logs
