"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

from tests.required import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# How long an example takes says more about the machine than about the code. A change is judged by the same examples
# each time; PE_HYPOTHESIS=random, as `make soak` sets it, looks for new ones.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("random", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("PE_HYPOTHESIS", "same"))
