"""Runs in a Windows Python: a log that another program holds alone, then lets go, then writes in parts.

Prints what the agent said of it, as JSON.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

HOLDER = """
import ctypes, sys
handle = ctypes.windll.kernel32.CreateFileW(sys.argv[1], 0xC0000000, 0, None, 3, 0, None)
print("held" if handle != -1 else "not held", flush=True)
sys.stdin.readline()
"""
LINE = b"2026-03-02 08:15:31, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n"
OTHER = b"System error 53 has occurred.\r\n"
DEADLINE_S = 40


def main(root: Path) -> None:
    from pe_agent import signatures
    from pe_agent.host import this_host
    from pe_agent.model import Finding, Observation
    from pe_agent.session import Run, Session
    from pe_agent.settings import Settings

    log = root / "Windows" / "Panther" / "setupact.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(LINE)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told = {"holder": holder.stdout.readline().strip()}
    seen = []
    settings = Settings(sysroot=str(root), spool=(str(root / "spool"),), only=("architecture",))
    session = Session(Run(this_host(root), settings, signatures.load(), "auto", seen.append, send=False))

    def findings() -> list[str]:
        return [record.id for record in seen if isinstance(record, Finding)]

    def until(wanted: str) -> None:
        give_up = time.monotonic() + DEADLINE_S
        while wanted not in findings() and time.monotonic() < give_up:
            session.follow(1.2)

    session.observe()
    session.follow(2.5)
    about = [r for r in seen if isinstance(r, Observation) and r.probe == "logs"]
    told["held"] = [{"reason": r.reason} | {name: r.facts.get(name) for name in ("error", "winerror")} for r in about]
    told["findings_while_held"] = findings()
    holder.communicate("go\n", timeout=DEADLINE_S)
    until("wds-client-session-failed")
    told["findings_when_released"] = findings()
    # Half a line, and the rest of it later.
    with log.open("ab", buffering=0) as writer:
        writer.write(OTHER[:12])
        session.follow(2.5)
        told["findings_of_half_a_line"] = findings()
        threading.Timer(0.5, writer.write, (OTHER[12:],)).start()
        until("smb-path-not-found")
        told["findings_of_the_whole_line"] = findings()
    session.conclude()
    session.deliver()
    print(json.dumps(told))


sys.path.insert(0, r"C:\pe-agent")
main(Path(sys.argv[1]))
