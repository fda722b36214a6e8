"""SMB, DNS, NetBIOS and SNTP against peers on this machine that answer wrongly, in parts, or not at all."""

import socket
import struct
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from pe_agent.codec import dns
from pe_agent.host import Adapter, BootRecord, Lease
from pe_agent.model import Clock, Outcome, Reason
from pe_agent.probes import dns as dns_probe
from pe_agent.probes import netbios, smb, sntp
from pe_agent.probes.contract import Context
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

NEGOTIATE_TAIL = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 0, 9, 9, 9, 0, 0, 128, 0, 0)
NEGOTIATED = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, b"") + NEGOTIATE_TAIL
FRAMED = struct.pack(">I", len(NEGOTIATED)) + NEGOTIATED


@pytest.fixture
def udp_peer():
    """Start a peer on 127.0.0.1 that answers each datagram with what the given function makes of it."""
    sockets = []

    def serve(sock, answer):
        with sock:
            while True:
                octets, sender = sock.recvfrom(65535)
                if not octets:
                    return
                for reply in answer(octets):
                    sock.sendto(reply, sender)

    def start(answer):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        endpoint = Endpoint(*sock.getsockname())
        thread = threading.Thread(target=serve, args=(sock, answer), daemon=True)
        thread.start()
        sockets.append((endpoint, thread))
        return endpoint

    yield start
    for endpoint, thread in sockets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (endpoint.address, endpoint.port))
        thread.join(timeout=5)


def hang(client):
    while client.recv(1000):
        pass


def shortly():
    return Deadline(time.monotonic, time.monotonic() + 0.3)


# --- SMB -------------------------------------------------------------------------------------------------------------


def test_an_answer_byte_by_byte_is_an_answer(listener, soon):
    def drip(client):
        client.recv(1000)
        for octet in FRAMED:
            client.sendall(bytes((octet,)))

    answer = smb.ask_smb(listener(drip), soon, time.time)
    assert (answer.outcome, answer.reason, answer.facts["dialect"]) == (Outcome.OK, Reason.ANSWERED, "2.1")
    assert "skew_s" not in answer.facts


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", Reason.NOT_SMB),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.NOT_SMB),
        (b"\x15\x03\x03\x00\x02\x02\x28", Reason.NOT_SMB),
        (FRAMED[:40], Reason.TRUNCATED),
        (b"\0\0\0\x24\xffSMB" + bytes(32), Reason.MALFORMED),
        (b"\0\xff\xff\xff\xfeSMB", Reason.MALFORMED),
        (b"", Reason.RESET),
    ],
    ids=["ssh", "http", "tls", "cut", "SMB1", "too long", "nothing"],
)
def test_each_wrong_answer_on_445_has_its_own_reason(listener, soon, reply, reason):
    def serve(client):
        client.recv(1000)
        client.sendall(reply)

    with pytest.raises(PathFailure) as met:
        smb.ask_smb(listener(serve), soon, time.time)
    assert met.value.reason is reason


def test_a_server_that_accepts_and_says_nothing_is_silent(listener):
    with pytest.raises(PathFailure) as met:
        smb.ask_smb(listener(hang), shortly(), time.time)
    assert met.value.reason is Reason.SILENT


def test_a_server_that_refuses_every_dialect_says_its_status(listener, soon):
    refusal = NEGOTIATED[:8] + struct.pack("<I", 0xC00000BB) + NEGOTIATED[12:64]

    def serve(client):
        client.recv(1000)
        client.sendall(struct.pack(">I", len(refusal)) + refusal)

    answer = smb.ask_smb(listener(serve), soon, time.time)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.NOT_SUPPORTED)
    assert answer.facts["status"] == "0xc00000bb"


# --- DNS -------------------------------------------------------------------------------------------------------------


def name_server(known, rcode=3):
    """Answers A questions from a table of names."""

    def answer(query):
        name = next((n for n in known if query[12:].startswith(dns.encode_name(n))), None)
        is_a = query.endswith(b"\0\1\0\1")
        records = [b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 60, 4, socket.inet_aton(known[name]))] if name else []
        code = 0 if name else rcode
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records) if is_a else 0, 0, 0)
        yield head + query[12:] + (b"".join(records) if is_a else b"")

    return answer


def test_the_suffix_is_tried_first_and_the_bare_name_after_it(udp_peer, soon):
    wish = dns_probe.Wish("wds01", ("lab.test",))
    answer = dns_probe.ask_name(udp_peer(name_server({"wds01": "10.0.0.9"})), soon, wish)
    assert (answer.outcome, answer.facts["asked"]) == (Outcome.OK, "wds01")
    assert answer.facts["rcode_with_suffix"] == "nxdomain"


@pytest.mark.parametrize(
    ("rcode", "reason"),
    [(3, Reason.NO_SUCH_NAME), (5, Reason.NAME_REFUSED), (2, Reason.NAME_SERVER_FAILED), (0, Reason.NO_SUCH_NAME)],
)
def test_each_rcode_has_its_reason(udp_peer, soon, rcode, reason):
    answer = dns_probe.ask_name(udp_peer(name_server({}, rcode)), soon, dns_probe.Wish("x.test"))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, reason)


def test_an_address_that_nobody_expects_is_stale(udp_peer, soon):
    wish = dns_probe.Wish("wds01.lab.test", expected=("10.0.0.20",))
    answer = dns_probe.ask_name(udp_peer(name_server({"wds01.lab.test": "10.0.0.99"})), soon, wish)
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.STALE_NAME)


def test_a_forged_answer_is_waited_past(udp_peer, soon):
    def answer(query):
        yield b"\0\0" + query[2:]
        yield b"nonsense"
        yield from name_server({"x.test": "10.0.0.1"})(query)

    found = dns_probe.ask_name(udp_peer(answer), soon, dns_probe.Wish("x.test"))
    assert found.facts["addresses"] == "10.0.0.1"


def test_only_wrong_answers_are_malformed_and_none_at_all_is_filtered(udp_peer):
    for answer, reason in ((lambda query: [b"nonsense"], Reason.MALFORMED), (lambda query: [], Reason.FILTERED)):
        with pytest.raises(PathFailure) as met:
            dns_probe.ask_name(udp_peer(answer), shortly(), dns_probe.Wish("x.test"))
        assert met.value.reason is reason


class Machine:
    """A host with one adapter and perhaps a boot record."""

    def __init__(self, adapter, record=None):
        self._adapter, self._record = adapter, record

    def adapters(self):
        return (self._adapter,)

    def boot_record(self):
        return self._record

    def clock(self):
        return Clock(time.monotonic(), int(time.time() * 1000))


def observe(run, host):
    return list(run(Context(host, time.monotonic, time.monotonic() + 5)))


def test_names_are_taken_from_every_source_and_addresses_are_what_they_should_have():
    lease = Lease(boot_server="WDS01", next_server="10.10.9.20", domain_name="lab.test")
    host = Machine(Adapter("eth0", "", link_up=True, lease=lease), BootRecord("wds02", "10.10.9.21"))
    context = Context(host, time.monotonic, time.monotonic() + 5)
    wishes = dns_probe.wished(context, host.adapters())
    assert [wish.name for wish in wishes] == ["WDS01", "wds02"]
    assert wishes[0].expected == ("10.10.9.21", "10.10.9.20")
    assert wishes[0].questions() == ("WDS01.lab.test", "WDS01")


def test_a_named_server_without_any_dns_server_is_told():
    (answer,) = observe(dns_probe.run, Machine(Adapter("eth0", "", link_up=True, lease=Lease(boot_server="wds01"))))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.NO_NAME_SERVER)


def test_a_named_time_server_that_is_not_there_is_a_warning():
    adapter = Adapter("eth0", "", link_up=True, lease=Lease(time_servers=("127.0.0.1",)), gateways=("127.0.0.1",))
    if ":007B " in Path("/proc/net/udp").read_text(encoding="ascii"):
        pytest.skip("a time server runs on this machine")
    (answer,) = observe(sntp.run, Machine(adapter))
    assert (answer.target, answer.outcome, answer.reason) == ("127.0.0.1:123", Outcome.WARNING, Reason.REFUSED)


# --- NetBIOS and SNTP ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reply", "granted", "error"), [(b"\x82\0\0\0", True, None), (b"\x83\0\0\1\x82", False, 0x82)])
def test_a_session_service_grants_or_says_why_not(listener, soon, reply, granted, error):
    def serve(client):
        client.recv(1000)
        client.sendall(reply)

    answer = netbios.ask_session(listener(serve), soon)
    assert (answer.facts["granted"], answer.facts.get("session_error")) == (granted, error)


def test_a_time_server_that_is_not_synchronised_is_not_believed(udp_peer, soon):
    def answer(request):
        yield (
            struct.pack("!BBbbII4s", 0xC0 | 4 << 3 | 4, 0, 0, 0, 0, 0, b"INIT") + bytes(8) + request[40:48] + bytes(16)
        )

    found = sntp.ask_time(udp_peer(answer), soon, time.time)
    assert (found.outcome, found.facts["synchronised"], found.facts["refused"]) == (Outcome.OK, False, "INIT")
    assert "skew_s" not in found.facts


@pytest.mark.parametrize(("off_s", "reason"), [(299.0, Reason.ANSWERED), (301.0, Reason.CLOCK_SKEW)])
def test_a_clock_may_be_off_by_as_much_as_kerberos_allows(udp_peer, soon, off_s, reason):
    def answer(request, off_s):
        stamp = int((time.time() - off_s + 2_208_988_800) * 2**32).to_bytes(8, "big")
        yield struct.pack("!BBbbII4s", 4 << 3 | 4, 2, 0, 0, 0, 0, b"") + bytes(8) + request[40:48] + stamp * 2

    found = sntp.ask_time(udp_peer(partial(answer, off_s=off_s)), soon, time.time)
    assert found.reason is reason
    assert found.facts["skew_s"] == pytest.approx(off_s, abs=0.9)


def test_a_question_that_is_lost_is_asked_again(udp_peer, soon):
    heard = []

    def answer(octets):
        heard.append(octets)
        record = struct.pack("!HHHIH4s", 0xC00C, 1, 1, 60, 4, bytes((10, 10, 9, 20)))
        reply = octets[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0) + octets[12:] + record
        return [reply] if len(heard) > 1 else []

    found = dns_probe.ask_name(udp_peer(answer), soon, dns_probe.Wish("wds01.corp.example"))
    assert (found.reason, found.facts["addresses"]) == (Reason.ANSWERED, "10.10.9.20")
    assert (found.facts["repeats"], len(heard)) == (1, 2)


def test_a_time_that_was_asked_for_twice_is_no_wrong_time(udp_peer, soon):
    heard = []

    def answer(octets):
        heard.append(octets)
        now = int((time.time() + 2_208_988_800) * 2**32).to_bytes(8, "big")
        return [b"\x24\x02\x00\x00" + bytes(20) + octets[40:48] + now + now] if len(heard) > 1 else []

    found = sntp.ask_time(udp_peer(answer), soon, time.time)
    assert len(heard) == 2
    assert heard[0][40:] != heard[1][40:], "each question has a time stamp of its own"
    assert abs(found.facts["skew_s"]) < 0.5
