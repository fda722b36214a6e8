"""Does a buffer that comes and goes cost its pages once only?"""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pe_collector.memory import keep_memory
if sys.argv[1] == "kept":
    keep_memory()
def take():
    return [b"x" * 200_000 for _ in range(4)]
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of the GNU C library")
def test_a_buffer_that_comes_again_is_not_mapped_again():
    faults = {}
    for how in ("plain", "kept"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True, timeout=60)
        faults[how] = int(done.stdout)
    assert faults["kept"] * 4 < faults["plain"]
