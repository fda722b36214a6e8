"""Where everything can be installed a test must not be skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import is_allowed

REPOSITORY = Path(__file__).resolve().parents[1]
MARK = "import pytest\n@pytest.mark.skipif(True, reason={reason!r})\ndef test_it(): pass\n"
FIXTURE = (
    "import pytest\n@pytest.fixture\ndef it(): pytest.skip({reason!r})\ndef test_it(it): pass\ndef test_other(): pass\n"
)
MODULE = "import pytest\npytest.importorskip('no_such_module', reason={reason!r})\n"
ABSENT, OPT_IN = "wine64 is not installed", "PE_CITUS names no Citus coordinator (postgresql://...)"


def run(folder, text, *, required):
    (folder / "test_it.py").write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PE_", "PYTEST"))}
    environment |= {"PYTHONPATH": str(REPOSITORY)} | ({"PE_REQUIRE": "1"} if required else {})
    command = [sys.executable, "-m", "pytest", "-p", "tests.required", "-p", "no:cacheprovider", "--rootdir", folder]
    done = subprocess.run([*command, folder], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("text", [MARK, FIXTURE, MODULE], ids=["mark", "fixture", "module"])
def test_what_is_not_installed_fails_where_it_is_required_and_says_why(tmp_path, text):
    code, told = run(tmp_path, text.format(reason=ABSENT), required=True)
    assert code != 0
    assert ABSENT in told


def test_without_the_setting_it_is_skipped(tmp_path):
    assert run(tmp_path, FIXTURE.format(reason=ABSENT), required=False)[0] == 0


def test_a_reason_of_the_list_is_still_a_skip(tmp_path):
    code, told = run(tmp_path, FIXTURE.format(reason=OPT_IN), required=True)
    assert code == 0
    assert "1 skipped" in told


def test_root_is_no_excuse_for_root():
    reason = "mounting a small disk needs root"
    assert is_allowed(reason, root=False)
    assert not is_allowed(reason, root=True)
