"""Start blackbox_exporter here and ask it for a port of each address: `blackbox_here.py tcp|dns PORT ADDRESS ...`.

Prints a JSON row for each: success, seconds, error (from the exporter's debug log). Without an address each line of
standard input is one more set of them, for the same exporter.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

_LISTEN = "127.0.0.1:9115"
_CONFIG = """
modules:
  tcp4: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4, ip_protocol_fallback: false}}
  tcp6: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip6, ip_protocol_fallback: false}}
  dns4: {prober: dns, timeout: 5s, dns: {query_name: wds01.lab.test, query_type: A, preferred_ip_protocol: ip4}}
"""
_START_S = 10.0
_ERROR = re.compile(r'err="([^"]*)"')


def probe(kind: str, port: str, address: str) -> dict[str, object]:
    """Ask the exporter as Prometheus would, with its debug output."""
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    module = f"{kind}6" if ":" in address else f"{kind}4"
    query = urllib.parse.urlencode({"target": target, "module": module, "debug": "true"})
    with urllib.request.urlopen(f"http://{_LISTEN}/probe?{query}", timeout=30) as answer:
        text = answer.read().decode()
    seconds = re.search(r"^probe_duration_seconds (\S+)", text, re.MULTILINE)
    errors = _ERROR.findall(text)
    return {
        "success": re.search(r"^probe_success 1", text, re.MULTILINE) is not None,
        "seconds": float(seconds.group(1)) if seconds else 0.0,
        "error": errors[0] if errors else "",
    }


def wait_until_up() -> None:
    """Until the exporter listens.

    Raises:
        TimeoutError: it does not.
    """
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        try:
            with urllib.request.urlopen(f"http://{_LISTEN}/-/healthy", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError("blackbox_exporter does not listen")


def main() -> None:
    """All addresses of a set at the same time."""
    kind, port, *addresses = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text(_CONFIG, encoding="ascii")
        command = ["prometheus-blackbox-exporter", f"--config.file={config}", f"--web.listen-address={_LISTEN}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
            try:
                wait_until_up()
                with ThreadPoolExecutor(64) as pool:
                    for asked in [addresses] if addresses else map(str.split, sys.stdin):
                        print(json.dumps(list(pool.map(partial(probe, kind, port), asked))), flush=True)
            finally:
                exporter.kill()


if __name__ == "__main__":
    main()
