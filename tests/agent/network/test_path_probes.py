"""Which endpoints the probes ask, and what they answer about them."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from pe_agent.host import Adapter, Address
from pe_agent.model import Observation, Outcome, Reason
from pe_agent.probes import endpoint_mapper, path_mtu, path_trace, wds_rpc
from pe_agent.probes.contract import Context, Target
from pe_agent.transport.passes import observe
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

HOST = SimpleNamespace(adapters=tuple)


def context(port, earlier=(), addresses=("127.0.0.1",)):
    target = Target("wds01", addresses, "option", port)
    return Context(HOST, time.monotonic, time.monotonic() + 6, target, earlier=tuple(earlier))


def mapper_named(port):
    facts = {"rpc_port": port}
    return Observation("endpoint-mapper", "127.0.0.1:135", Outcome.OK, Reason.ANSWERED, facts=facts)


def test_every_address_of_the_target_is_observed_in_order(impacket_peer):
    port = impacket_peer["wds"].port
    first, second = wds_rpc.run(context(port, addresses=("127.0.0.1", "127.0.0.2")))
    assert (first.probe, first.target, first.reason) == ("wds-rpc", f"127.0.0.1:{port}", Reason.ANSWERED)
    assert (second.target, second.reason) == (f"127.0.0.2:{port}", Reason.REFUSED)
    assert first.elapsed_s > 0


def test_a_port_that_the_mapper_named_is_asked(impacket_peer):
    port = impacket_peer["wds"].port
    (answer,) = wds_rpc.run_named_port(context(5040, [mapper_named(port)]))
    assert (answer.probe, answer.target, answer.reason) == ("wds-rpc", f"127.0.0.1:{port}", Reason.ANSWERED)


def test_the_configured_port_is_not_asked_twice():
    assert list(wds_rpc.run_named_port(context(5040, [mapper_named(5040)]))) == []


def test_a_mapper_that_named_no_port_leads_to_no_question():
    silent = Observation("endpoint-mapper", "127.0.0.1:135", Outcome.FAILED, Reason.SILENT)
    assert list(wds_rpc.run_named_port(context(5040, [silent]))) == []


def test_without_a_target_nothing_is_asked():
    nowhere = Context(HOST, time.monotonic, time.monotonic() + 6)
    runs = (endpoint_mapper.run, wds_rpc.run, wds_rpc.run_named_port, path_trace.run)
    assert [list(run(nowhere)) for run in runs] == [[], [], [], []]


def test_a_path_that_is_not_blocked_is_not_traced():
    refused = Observation("wds-rpc", "127.0.0.1:5040", Outcome.FAILED, Reason.REFUSED)
    assert list(path_trace.run(context(5040, [refused]))) == []


def test_a_path_that_is_open_again_when_it_is_traced_says_so(impacket_peer):
    endpoint = impacket_peer["wds"]
    filtered = Observation("wds-rpc", str(endpoint), Outcome.FAILED, Reason.FILTERED)
    (answer,) = path_trace.run(context(endpoint.port, [filtered]))
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)
    assert (answer.facts["hops"], answer.facts["hop_count"]) == ("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("mine", "wanted", "reason"),
    [
        ((), "10.10.9.20", Reason.NO_ADDRESS),
        (("169.254.7.7",), "10.10.9.20", Reason.NO_ADDRESS),
        (("10.10.1.2",), "10.10.9.20", Reason.NO_ROUTE),
        (("10.10.1.2", "fe80::2"), "fd10:9::20", Reason.NO_ADDRESS),
        (("fd10:1::2",), "fd10:9::20", Reason.NO_ROUTE),
        (("fe80::2",), "fe80::1", Reason.NO_ROUTE),
    ],
)
def test_no_route_for_want_of_a_usable_address_is_no_address(mine, wanted, reason):
    addresses = tuple(Address(ip, 24) for ip in mine)
    host = SimpleNamespace(adapters=lambda: (Adapter("eth0", "", link_up=True, addresses=addresses),))

    def no_route(endpoint, deadline, number):
        raise PathFailure(Reason.NO_ROUTE, {})

    deadline = Deadline(time.monotonic, time.monotonic() + 5)
    (answer,) = observe("wds-rpc", [Endpoint(wanted, 5040)], no_route, deadline, host)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, reason)


# --- what is loaded and what is asked --------------------------------------------------------------------------------

HANDSHAKE = """
import socket, sys, time
from pe_agent.transport.connect import connect
from pe_agent.transport.path import Deadline, Endpoint
with socket.create_server(("127.0.0.1", 0)) as server:
    with connect(Endpoint("127.0.0.1", server.getsockname()[1]), Deadline(time.monotonic, time.monotonic() + 30)):
        print("encodings.idna" in sys.modules, "stringprep" in sys.modules)
"""


def test_a_handshake_with_an_address_loads_no_tables_of_international_names():
    done = subprocess.run([sys.executable, "-c", HANDSHAKE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


def rpc_answered(**facts):
    return Observation("wds-rpc", "127.0.0.1:5040", Outcome.OK, Reason.ANSWERED, facts=facts)


@pytest.mark.parametrize("octets", [1500, 9000])
def test_a_call_that_went_in_full_packets_proves_the_way_up_without_a_packet(octets):
    (answer,) = path_mtu.run(context(5040, [rpc_answered(packet_bytes=octets)]))
    assert (answer.outcome, answer.reason, answer.facts["mtu_bytes"]) == (Outcome.OK, Reason.ANSWERED, 1500)
    assert answer.facts["seen_by"] == "wds-rpc"


@pytest.mark.parametrize(
    "earlier",
    [
        rpc_answered(packet_bytes=1400),
        rpc_answered(),
        rpc_answered(packet_bytes=1500, large_undecided=True),
        Observation("wds-rpc", "127.0.0.1:5040", Outcome.FAILED, Reason.SILENT, facts={"packet_bytes": 1500}),
        Observation("wds-rpc", "127.0.0.9:5040", Outcome.OK, Reason.ANSWERED, facts={"packet_bytes": 1500}),
        Observation("smb", "127.0.0.1:445", Outcome.OK, Reason.ANSWERED, facts={"packet_bytes": 1500}),
    ],
    ids=["narrow", "not told", "undecided", "silent", "another address", "small questions"],
)
def test_anything_less_is_no_proof_and_the_way_is_measured(earlier):
    (answer,) = path_mtu.run(context(5040, [earlier]))
    assert "seen_by" not in answer.facts
