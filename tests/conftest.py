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

# What takes longest comes first: else one process is still at it when the others are done.
_SLOW_FOLDERS = ("windows", "store", "forward", "delivery", "lab", "page", "docs", "fuzz")

# A folder of public logs beside the checkout; PE_CORPUS names another one.
PUBLIC_LOGS = Path(os.environ.get("PE_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow folders first, one of each folder in turn, so that not all that starts at once is of one kind."""
    here = Path(__file__).parent
    files: dict[str, dict[Path, int]] = {name: {} for name in _SLOW_FOLDERS}

    def turn(item: pytest.Item) -> tuple[bool, int]:
        known = files.get(item.path.relative_to(here).parts[0])
        return (True, 0) if known is None else (False, known.setdefault(item.path, len(known)))

    items.sort(key=turn)


@pytest.fixture(scope="session")
def public_logs() -> list[Path]:
    """All logs of that folder; without any the test is skipped."""
    logs = sorted(PUBLIC_LOGS.glob("*.log"))
    if not logs:
        pytest.skip(f"no public logs: {PUBLIC_LOGS} holds none; PE_CORPUS names a folder that does")
    return logs
