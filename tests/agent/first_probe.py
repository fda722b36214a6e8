"""Which modules are loaded the moment that the first probe is asked, in a run like one that an image's hook starts?"""


def asking(forbidden: tuple[str, ...]) -> str:
    """A program that makes such a run, and prints its exit code and which of these modules were loaded by then."""
    return f"""
import sys, threading
begin, asked = threading.Thread.start, []
def watched(thread):
    if thread.name.startswith("probe-") and not asked:
        asked.append(sorted(set({forbidden!r}) & set(sys.modules)))
    begin(thread)
threading.Thread.start = watched
sys.argv = ["pe-agent", "auto", "--foreground", "--no-send"]
from pe_agent.__main__ import main
try:
    main()
except SystemExit as end:
    print(end.code, *asked)
"""


# Other probes, click, the wheels, what judges and ships, and what dataclasses import for cases that are not ours.
LATER = (
    "ast",
    "click",
    "copy",
    "dis",
    "google",
    "grpc",
    "http",
    "inspect",
    "json",
    "pe_agent.judge",
    "pe_agent.model",
    "pe_agent.recorder",
    "pe_agent.session",
    "pe_agent.signatures",
    "pe_agent.watching",
    "pe_agent.wire",
    "subprocess",
    "tokenize",
    "uuid",
)
# On Windows the registry answers first, so what only IP Helper and the kernel need comes after it too.
LATER_ON_WINDOWS = (*LATER, "ctypes", "datetime", "pe_agent.codec.dhcp", "pe_agent.volumes", "tempfile", "tomllib")
