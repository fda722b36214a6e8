"""What the system's DHCP client says and hears, overheard in a network namespace of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

IN_THERE = """
import json, socket, time
from pe_agent.codec import dhcp
from pe_agent.host.linux_dhcp import open_listener, overheard

def message(kind, address):
    options = {dhcp.MESSAGE_TYPE: bytes((kind,)), dhcp.SERVER_IDENTIFIER: bytes((10, 0, 0, 1))}
    options |= {dhcp.REQUESTED_ADDRESS: bytes((10, 0, 0, 50))} if kind == dhcp.DECLINE else {}
    return dhcp.encode_message(dhcp.DhcpMessage(
        2, 1, "0.0.0.0", address, "0.0.0.0", "0.0.0.0", "02:00:00:00:00:01", b"", b"", options))

listener = open_listener()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.sendto(message(dhcp.OFFER, "10.0.0.50"), ("127.0.0.1", 68))
    sock.sendto(message(dhcp.OFFER, "10.0.0.67"), ("127.0.0.1", 67))
    sock.sendto(message(dhcp.OFFER, "10.0.0.99"), ("127.0.0.1", 9999))
    sock.sendto(message(dhcp.DECLINE, "0.0.0.0"), ("127.0.0.1", 67))
    sock.sendto(b"no DHCP", ("127.0.0.1", 68))
found = sorted({(h.adapter, h.address, h.server, h.declined) for h in overheard(listener)})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> list[list[object]]:
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("needs unshare")
    inside = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$0" -c "$1"', sys.executable, IN_THERE)
    done = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("this system grants no user and network namespaces")
    rows: list[list[object]] = json.loads(done.stdout)
    return rows


def test_an_offer_to_the_client_and_what_it_declines_are_overheard(found: list[list[object]]) -> None:
    assert ["lo", "10.0.0.50", "10.0.0.1", False] in found
    assert ["lo", "10.0.0.50", "10.0.0.1", True] in found


def test_an_offer_to_a_relay_is_an_answer_to_the_agent_itself_and_left_out(found: list[list[object]]) -> None:
    assert {row[1] for row in found} == {"10.0.0.50"}
