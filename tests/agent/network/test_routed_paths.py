"""The probes across a real router that drops, rejects, damages or does not know the way (network namespaces)."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SERVER = {4: "10.10.9.20", 6: "fd10:9::20"}
ROUTER = {4: "10.10.1.1", 6: "fd10:1::1"}

# Ports of the server that lead to WDS; what the router does to each.
OPEN, DROPPED, RESET, ADMIN, HOST, PORT_UNREACHABLE, NO_DATA, NO_LARGE, CUT, RETURN = range(6000, 6010)
RULES = f"""
table inet r {{ chain f {{ type filter hook forward priority 0;
  tcp dport {DROPPED} drop
  tcp dport {RESET} reject with tcp reset
  tcp dport {ADMIN} reject with icmpx type admin-prohibited
  tcp dport {HOST} reject with icmpx type host-unreachable
  tcp dport {PORT_UNREACHABLE} reject with icmpx type port-unreachable
  tcp dport {NO_DATA} tcp flags & psh == psh drop
  tcp dport {NO_LARGE} meta length > 1400 drop
  tcp dport {CUT} tcp flags & psh == psh reject with tcp reset
  tcp sport {RETURN} drop
}}
}}
"""
TO_WDS = """
table inet s { chain p { type nat hook prerouting priority -100;
  tcp dport 6000-6009 redirect to :5040
}
}
"""
TOPOLOGY = """
set -e
for ns in client router server lonely islander; do ip netns add $ns; ip -n $ns link set dev lo up; done
link() {
  ip -n $1 link add name $2 type veth peer name $4 netns $3
  ip -n $1 link set dev $2 up; ip -n $3 link set dev $4 up
}
link client cr router rc; link router rs server sr; link islander ir router ri
address() { ip -n $1 address add $3 dev $2; ip -n $1 address add $4 dev $2 nodad; }
address client cr 10.10.1.2/24 fd10:1::2/64
address router rc 10.10.1.1/24 fd10:1::1/64
address router rs 10.10.9.1/24 fd10:9::1/64
address server sr 10.10.9.20/24 fd10:9::20/64
address islander ir 10.10.5.2/24 fd10:5::2/64
ip -n client route add default via 10.10.1.1; ip -n client -6 route add default via fd10:1::1
ip -n server route add default via 10.10.9.1; ip -n server -6 route add default via fd10:9::1
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
  net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
"""


class Network:
    """A client, a router and a server in namespaces that end with the process that holds them."""

    def __init__(self, holder):
        self.holder = holder

    def run(self, *command, text=""):
        done = subprocess.run(
            self.inside(*command), input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def inside(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-U", "--preserve-credentials", "-n", "-m", *command]

    def probes(self, namespace, *asked):
        """Observations by what was asked, probe and target."""
        script = [sys.executable, str(HERE / "probe_here.py"), *asked]
        rows = json.loads(self.run("ip", "netns", "exec", namespace, *script))
        return {(row["asked"], row["probe"], row["target"]): row for row in rows}


@pytest.fixture(scope="module")
def network():
    missing = [tool for tool in ("ip", "nft", "unshare", "nsenter", "sysctl") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    prepare = "mount -t tmpfs t /run && mkdir /run/netns && echo ready && exec sleep 600"
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(
            subprocess.Popen(
                ["unshare", "-r", "-n", "-m", "sh", "-c", prepare],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(holder.kill)
        if holder.stdout.readline() != "ready\n":
            pytest.skip("this system grants no user and network namespaces")
        network = Network(holder)
        network.run("sh", "-c", TOPOLOGY)
        network.run("ip", "netns", "exec", "router", "nft", "-f", "-", text=RULES)
        network.run("ip", "netns", "exec", "server", "nft", "-f", "-", text=TO_WDS)
        stack.enter_context(serving(network))
        yield network


@contextlib.contextmanager
def serving(network):
    roles = [
        f"{role}={address}:{port}" for role, port in (("wds", 5040), ("mapper-named", 135)) for address in ("", "::")
    ]
    command = network.inside("ip", "netns", "exec", "server", sys.executable, str(HERE / "rpc_server.py"), *roles)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert all(server.stdout.readline() for _ in roles)
            yield
        finally:
            server.kill()


@pytest.fixture(scope="module")
def observed(network):
    """Every case at the same time, both families: this takes as long as the slowest alone."""
    asked = [
        f"{SERVER[v]}@{p}" + "+" * (p in {DROPPED, ADMIN, RETURN}) for v in SERVER for p in range(OPEN, RETURN + 1)
    ]
    asked += [f"{gone}@5040" for gone in ("10.10.9.99", "fd10:9::99", "10.10.1.99", "fd10:1::99")]
    return network.probes("client", *asked)


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request):
    return request.param


def text(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@pytest.fixture
def wds(observed, family):
    return lambda port: observed[f"{SERVER[family]}@{port}", "wds-rpc", text(SERVER[family], port)]


@pytest.fixture
def traced(observed, family):
    return lambda port: observed[f"{SERVER[family]}@{port}", "path-trace", text(SERVER[family], port)]


def icmp_of(observation):
    return tuple(observation["facts"].get(f"icmp_{part}") for part in ("type", "code", "from"))


def test_an_open_path_answers(wds):
    answer = wds(OPEN)
    assert (answer["outcome"], answer["reason"], answer["facts"]["pass"]) == ("ok", "answered", 1)


def test_the_mapper_answers_across_the_router(observed, family):
    answer = observed[f"{SERVER[family]}@{OPEN}", "endpoint-mapper", text(SERVER[family], 135)]
    assert (answer["outcome"], answer["reason"], answer["facts"]["rpc_port"]) == ("ok", "answered", OPEN)


def test_another_port_that_the_mapper_names_is_asked_too(observed, family):
    answer = observed[f"{SERVER[family]}@{RESET}", "wds-rpc", text(SERVER[family], OPEN)]
    assert (answer["outcome"], answer["reason"]) == ("ok", "answered")


def test_a_dropped_port_is_filtered_only_after_the_second_pass(wds):
    answer = wds(DROPPED)
    assert (answer["outcome"], answer["reason"], answer["facts"]["pass"]) == ("failed", "filtered", 2)
    # A pass of 1.5 s and one of 2.4 s; between them it waits for its turn, as other ports of this address are rejected.
    assert answer["elapsed_s"] > 3.8


def test_a_dropped_way_back_is_filtered(wds):
    assert (wds(RETURN)["outcome"], wds(RETURN)["reason"]) == ("failed", "filtered")


def test_a_router_that_resets_refuses_at_once(wds):
    answer = wds(RESET)
    assert (answer["outcome"], answer["reason"], answer["facts"]["pass"]) == ("failed", "refused", 1)


def test_a_rejection_names_the_router_and_its_icmp_code(wds, family):
    answer = wds(ADMIN)
    assert (answer["outcome"], answer["reason"]) == ("failed", "rejected")
    assert icmp_of(answer) == ({4: (3, 13), 6: (1, 1)}[family] + (ROUTER[family],))
    assert "icmp_local" not in answer["facts"]


def test_a_port_unreachable_from_a_router_is_rejected_and_not_refused(wds, family):
    answer = wds(PORT_UNREACHABLE)
    assert answer["reason"] == "rejected"
    assert icmp_of(answer) == ({4: (3, 3), 6: (1, 4)}[family] + (ROUTER[family],))


def test_a_host_unreachable_from_a_router_is_unreachable(wds, family):
    answer = wds(HOST)
    assert answer["reason"] == "unreachable"
    assert icmp_of(answer) == ({4: (3, 1), 6: (1, 3)}[family] + (ROUTER[family],))


def test_a_path_that_passes_connects_but_no_octets_is_silent(wds):
    answer = wds(NO_DATA)
    assert (answer["outcome"], answer["reason"], answer["facts"]["bytes_received"]) == ("failed", "silent", 0)
    assert answer["facts"]["retransmits"] > 0


def test_a_path_that_loses_full_frames_is_told_from_silence(wds):
    answer = wds(NO_LARGE)
    assert (answer["outcome"], answer["reason"]) == ("failed", "large-data-lost")
    assert answer["facts"]["retransmits"] > 0


def test_a_path_that_cuts_the_first_octets_off_is_a_reset(wds):
    answer = wds(CUT)
    assert (answer["outcome"], answer["reason"], answer["facts"]["bytes_received"]) == ("failed", "reset", 0)


@pytest.mark.parametrize(("gone", "router"), [("10.10.9.99", ROUTER[4]), ("fd10:9::99", ROUTER[6])])
def test_a_server_that_is_down_is_reported_by_its_router(observed, gone, router):
    answer = observed[f"{gone}@5040", "wds-rpc", text(gone, 5040)]
    assert (answer["outcome"], answer["reason"], answer["facts"]["icmp_from"]) == ("failed", "unreachable", router)


@pytest.mark.parametrize("gone", ["10.10.1.99", "fd10:1::99"])
def test_a_neighbour_that_is_down_is_reported_by_this_machine(observed, gone):
    answer = observed[f"{gone}@5040", "wds-rpc", text(gone, 5040)]
    assert (answer["outcome"], answer["reason"]) == ("failed", "unreachable")
    assert answer["facts"]["icmp_local"] is True


def test_a_machine_without_a_default_route_has_no_route(network, family):
    answers = network.probes("islander", f"{SERVER[family]}@5040")
    answer = answers[f"{SERVER[family]}@5040", "wds-rpc", text(SERVER[family], 5040)]
    assert (answer["outcome"], answer["reason"]) == ("failed", "no-route")


def test_a_machine_without_an_address_has_no_address(network, family):
    answers = network.probes("lonely", f"{SERVER[family]}@5040")
    answer = answers[f"{SERVER[family]}@5040", "wds-rpc", text(SERVER[family], 5040)]
    assert (answer["outcome"], answer["reason"]) == ("failed", "no-address")


def test_the_trace_of_a_dropped_port_names_the_last_router(traced, family):
    answer = traced(DROPPED)
    assert (answer["outcome"], answer["reason"]) == ("warning", "filtered")
    assert answer["facts"]["last_hop"] == ROUTER[family]
    assert answer["facts"]["hops"] == f"{ROUTER[family]},*"
    assert answer["facts"]["open_hops"] == f"{ROUTER[family]},{SERVER[family]}"
    assert answer["facts"]["hop_count"] == 2


def test_the_trace_of_a_rejected_port_names_who_rejects(traced, family):
    facts = traced(ADMIN)["facts"]
    assert (facts["last_hop"], facts["rejected_by"]) == (ROUTER[family], ROUTER[family])
    assert facts["hops"] == f"{ROUTER[family]},{ROUTER[family]}!"


def test_the_trace_does_not_run_when_nothing_is_blocked(network, family):
    answers = network.probes("client", f"{SERVER[family]}@{OPEN}+")
    assert {probe for _, probe, _ in answers} == {"endpoint-mapper", "wds-rpc"}
