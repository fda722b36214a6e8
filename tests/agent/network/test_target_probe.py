"""Who names the deployment server, and whom of several is it believed?"""

import struct
import time
from types import SimpleNamespace

import pytest
from pe_agent.codec import dhcp
from pe_agent.host import Adapter, Architecture, BootRecord, Lease
from pe_agent.model import Identity, Outcome, Reason
from pe_agent.probes import target
from pe_agent.probes.contract import Context, Wanted


def packet(options, siaddr="0.0.0.0"):
    fixed = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 2, 1, 6, 0, 7, 0, 0, b"", b"", bytes(map(int, siaddr.split("."))),
                        b"", b"", b"", b"boot\\x64\\wdsmgfw.efi")  # fmt: skip
    return fixed + dhcp.MAGIC_COOKIE + dhcp.encode_options(options)


ACK = packet({53: b"\5", 54: b"\x0a\x0a\x09\x0a", 66: b"10.10.9.21"})
REPLY = packet({53: b"\5", 54: b"\x0a\x0a\x09\x14", 60: b"PXEClient"}, siaddr="10.10.9.20")


def named(record=None, lease=None, **wanted):
    """The probe's answer on a machine that cannot ask DHCP: it has no address."""
    adapter = Adapter("eth0", "02:00:00:00:00:01", True, (), lease=lease)
    host = SimpleNamespace(
        adapters=lambda: (adapter,), boot_record=lambda: record, identity=Identity, architecture=Architecture
    )
    (answer,) = target.run(Context(host, time.monotonic, time.monotonic() + 5, wanted=Wanted(**wanted)))
    return answer


@pytest.mark.parametrize(
    ("record", "server"),
    [
        (BootRecord("WDS01", "10.10.9.20", dhcp_ack=ACK), "10.10.9.20"),
        (BootRecord(dhcp_ack=ACK, boot_reply=REPLY), "10.10.9.20"),
        (BootRecord(dhcp_ack=ACK), "10.10.9.21"),
        (BootRecord(dhcp_ack=ACK, boot_reply=b"cut off"), "10.10.9.21"),
        (BootRecord(boot_reply=packet({53: b"\5", 54: b"\x0a\x0a\x09\x14"})), "10.10.9.20"),
    ],
)
def test_the_kept_packets_name_the_server_where_windows_made_no_name_of_them(record, server):
    answer = named(record)
    assert (answer.reason, answer.facts["server"], answer.facts["source"]) == (Reason.ANSWERED, server, "boot_record")


def test_what_was_typed_wins_and_the_others_stand_beside_it():
    lease = Lease(server="10.10.9.10", boot_server="10.10.9.22")
    record = BootRecord("", "10.10.9.20")
    answer = named(record, lease, server="10.10.9.1", configured_server="10.10.9.23")
    assert (answer.facts["server"], answer.facts["source"]) == ("10.10.9.1", "option")
    others = {name: answer.facts[f"server_by_{name}"] for name in ("boot_record", "dhcp", "config")}
    assert others == {"boot_record": "10.10.9.20", "dhcp": "10.10.9.22", "config": "10.10.9.23"}
    assert named(None, lease, configured_server="10.10.9.23").facts["source"] == "dhcp"


def test_where_nobody_names_a_server_there_is_no_target():
    answer = named(BootRecord(dhcp_ack=b"\2" * 300, boot_reply=b""))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.NO_TARGET)
