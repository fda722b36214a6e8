"""What `python -m tests.lab` says where the laboratory cannot be built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/ns/user").exists(), reason="cannot stop being root")
def test_without_root_it_says_so_in_one_line_and_exits_with_75() -> None:
    # In a user namespace without a mapping even root is nobody.
    leave_root = ["unshare", "--user"] if os.geteuid() == 0 else []
    command = [*leave_root, sys.executable, "-m", "tests.lab", "--once"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 75, done.stderr
    assert done.stdout.splitlines() == [
        "The laboratory falls back: needs root: network namespaces and ports below 1024."
    ]
