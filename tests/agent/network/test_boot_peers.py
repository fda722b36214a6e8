"""TFTP and boot servers as they behave in the field: small peers on loopback, each with its own fault."""

import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from types import SimpleNamespace

import pytest
from pe_agent.codec import dhcp, pxe, tftp
from pe_agent.host import Adapter, Address, Architecture, BootRecord, Lease
from pe_agent.model import Identity, Observation, Outcome, Reason
from pe_agent.probes import pxe as pxe_probe
from pe_agent.probes import tftp as tftp_probe
from pe_agent.probes.contract import Context, Target
from pe_agent.probes.dhcp import Server
from pe_agent.transport.dhcp import BROADCAST, UNICAST, Heard, Question
from pe_agent.transport.path import Endpoint, PathFailure
from pe_agent.transport.tftp import Refused, fetch_first_block
from pe_agent.transport.udp import open_udp

CLIENT = pxe.Client("02:00:00:00:00:01", "127.0.0.1", bytes(16), 7)
FILE = bytes(range(256)) * 40


@pytest.fixture
def peer():
    """Start a peer that is given its socket, each datagram and its sender; returns where it listens."""
    with ExitStack() as stack:

        def start(answer, address="127.0.0.1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                sock = stack.enter_context(closing(socket.socket(family, socket.SOCK_DGRAM)))
                sock.bind((address, 0))
            except OSError:
                pytest.skip(f"this machine has no {address}")
            stop = threading.Event()

            def serve():
                sock.settimeout(0.05)
                while not stop.is_set():
                    with suppress(TimeoutError):
                        octets, sender = sock.recvfrom(65535)
                        answer(sock, octets, sender)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(stop.set)
            return Endpoint(address, sock.getsockname()[1])

        yield start


class TftpServer:
    """Grants what it is asked for, from a port of its own (RFC 1350); blocks larger than `lose` never arrive."""

    def __init__(self, lose=1 << 16, options=True, forget=0):
        self.lose, self.options, self.forget = lose, options, forget
        self.ended = []

    def __call__(self, sock, octets, sender):
        if self.forget:
            self.forget -= 1
            return
        request = tftp.decode(octets)
        threading.Thread(target=self.transfer, args=(sock.family, request, sender), daemon=True).start()

    def transfer(self, family, request, sender):
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
            sock.settimeout(5)
            size = int(request.options["blksize"]) if self.options else 512
            if self.options:
                granted = {"blksize": str(size), "tsize": str(len(FILE))}
                sock.sendto(tftp.encode(tftp.OptionAck(granted)), sender)
                assert tftp.decode(sock.recv(600)) == tftp.Ack(0)
            if size <= self.lose:
                sock.sendto(tftp.encode(tftp.Data(1, FILE[:size])), sender)
            while not isinstance(packet := tftp.decode(sock.recv(600)), tftp.Error):
                pass
            self.ended.append(packet.code)


def test_the_first_block_is_fetched_and_the_transfer_ended(peer, soon):
    server = TftpServer()
    first = fetch_first_block(peer(server), b"boot\\x64\\wdsnbp.com", 1456, soon)
    assert (first.octets, first.block_bytes, first.tsize) == (FILE[:1456], 1456, len(FILE))
    until_s = time.monotonic() + 30
    while not server.ended and time.monotonic() < until_s:
        time.sleep(0.01)
    assert server.ended == [tftp.NOT_DEFINED]


def test_the_answering_port_is_told(peer, soon):
    endpoint = peer(TftpServer())
    assert fetch_first_block(endpoint, b"a", 512, soon).server_port != endpoint.port


def test_tftp_works_over_ipv6(peer, soon):
    assert fetch_first_block(peer(TftpServer(), "::1"), b"a", 1456, soon).octets == FILE[:1456]


def test_a_server_without_options_sends_512_octets(peer, soon):
    first = fetch_first_block(peer(TftpServer(options=False)), b"a", 1456, soon)
    assert (len(first.octets), first.block_bytes, first.tsize) == (512, 512, None)


def test_one_lost_request_is_no_silence(peer, soon):
    assert fetch_first_block(peer(TftpServer(forget=1)), b"a", 1456, soon).after_s > 0.5


def test_the_name_is_sent_octet_for_octet(peer, soon):
    heard = []
    endpoint = peer(lambda sock, octets, sender: (heard.append(octets), TftpServer()(sock, octets, sender)))
    fetch_first_block(endpoint, b"Boot\\\xe9x64\\A.com", 512, soon)
    assert tftp.decode(heard[0]).name == b"Boot\\\xe9x64\\A.com"


def test_a_block_that_never_comes_is_silence_after_an_agreement(peer, soon):
    with pytest.raises(PathFailure) as failed:
        fetch_first_block(peer(TftpServer(lose=1000)), b"a", 1456, soon.within(1))
    assert (failed.value.reason, failed.value.facts["granted_block_bytes"]) == (Reason.SILENT, 1456)


def test_a_transfer_that_the_server_has_closed_is_silence_and_no_refusal(peer, soon):
    def close_at_once(sock, octets, sender):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as transfer:
            transfer.sendto(tftp.encode(tftp.OptionAck({"blksize": "1456"})), sender)

    with pytest.raises(PathFailure) as failed:
        fetch_first_block(peer(close_at_once), b"a", 1456, soon.within(1))
    assert (failed.value.reason, failed.value.facts["granted_block_bytes"]) == (Reason.SILENT, 1456)


def test_the_servers_own_error_is_told(peer, soon):
    endpoint = peer(lambda s, _, sender: s.sendto(tftp.encode(tftp.Error(2, "no")), sender))
    with pytest.raises(Refused) as refused:
        fetch_first_block(endpoint, b"a", 512, soon)
    assert refused.value.error == tftp.Error(2, "no")


def test_garbage_is_malformed(peer, soon):
    with pytest.raises(PathFailure) as failed:
        fetch_first_block(peer(lambda s, _, sender: s.sendto(b"HTTP/1.1 400", sender)), b"a", 512, soon)
    assert failed.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_where_nobody_listens_refuses(soon, address):
    with closing(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind((address, 0))
        port = taken.getsockname()[1]
    with pytest.raises(PathFailure) as failed:
        fetch_first_block(Endpoint(address, port), b"a", 512, soon)
    assert failed.value.reason is Reason.REFUSED
    assert failed.value.facts["icmp_from"] == address


def test_octets_that_drip_in_do_not_move_the_deadline(peer, soon):
    def drip(sock, octets, sender):
        for _ in range(160):
            sock.sendto(tftp.encode(tftp.OptionAck({"blksize": "1456"})), sender)
            time.sleep(0.05)

    started_s = time.monotonic()
    with pytest.raises(PathFailure) as failed:
        fetch_first_block(peer(drip), b"a", 1456, soon.within(0.8))
    assert failed.value.reason is Reason.SILENT
    assert time.monotonic() - started_s < 6, "as long as it drips"


def test_a_port_that_is_taken_is_said_to_be():
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            open_udp("127.0.0.1", taken.getsockname()[1], "127.0.0.1")


def reply(request, **changes):
    fields = {"transaction": request.transaction, "siaddr": "10.10.9.20", "file": b"boot\\x64\\wdsmgfw.efi"}
    fields |= {"giaddr": "0.0.0.0"} | changes
    message = dhcp.DhcpMessage(
        operation=2, ciaddr="0.0.0.0", yiaddr="0.0.0.0", client_mac=request.client_mac, sname=b"",
        options={53: b"\5", 54: b"\x0a\x0a\x09\x14", 60: b"PXEClient"}, **fields,
    )  # fmt: skip
    return dhcp.encode_message(message)


def test_a_boot_server_names_its_program(peer, soon):
    endpoint = peer(lambda s, octets, sender: s.sendto(reply(dhcp.decode_message(octets)), sender))
    answer = pxe_probe.ask_boot_server(CLIENT, endpoint, soon)
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)
    assert (answer.facts["boot_file"], answer.facts["server_id"]) == ("boot\\x64\\wdsmgfw.efi", "10.10.9.20")


def test_a_boot_server_that_lost_the_first_request_is_asked_again(peer, soon):
    heard = []

    def second_time(sock, octets, sender):
        heard.append(octets)
        if len(heard) > 1:
            sock.sendto(reply(dhcp.decode_message(octets)), sender)

    answer = pxe_probe.ask_boot_server(CLIENT, peer(second_time), soon)
    assert (answer.outcome, answer.reason, answer.facts["repeats"]) == (Outcome.OK, Reason.ANSWERED, 1)
    assert heard[0] == heard[1], "one request, sent again"


def test_a_boot_program_for_other_firmware_is_a_mismatch(peer, soon):
    named = {"file": b"boot\\x64\\wdsnbp.com"}
    endpoint = peer(lambda s, octets, sender: s.sendto(reply(dhcp.decode_message(octets), **named), sender))
    assert pxe_probe.ask_boot_server(CLIENT, endpoint, soon).reason is Reason.MISMATCH


def test_an_answer_to_another_question_is_no_answer(peer, soon):
    def other(sock, octets, sender):
        request = dhcp.decode_message(octets)
        sock.sendto(reply(request, transaction=request.transaction ^ 1), sender)

    answer = pxe_probe.ask_boot_server(CLIENT, peer(other), soon.within(0.3))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.SILENT)


def test_a_boot_server_that_speaks_nonsense_is_malformed(peer, soon):
    answer = pxe_probe.ask_boot_server(CLIENT, peer(lambda s, _, sender: s.sendto(b"x" * 300, sender)), soon)
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.MALFORMED)


def context(lease=None, record=None, earlier=(), addresses=("10.10.9.20",)):
    adapter = Adapter("eth0", "02:00:00:00:00:01", True, (Address("10.10.1.5", 24),), lease=lease)
    host = SimpleNamespace(
        adapters=lambda: (adapter,),
        boot_record=lambda: record,
        identity=Identity,
        architecture=lambda: Architecture(firmware="x64", firmware_type="uefi"),
    )
    target = Target("wds01", addresses, "option")
    return Context(host, time.monotonic, time.monotonic() + 5, target, earlier=tuple(earlier))


def asked(found):
    return {str(endpoint): (file.name, file.named_by) for endpoint, file in found.items()}


def test_without_a_named_boot_file_the_usual_one_of_this_firmware_is_asked_for():
    assert asked(tftp_probe.boot_files(context())) == {"10.10.9.20:69": ("boot\\x64\\wdsmgfw.efi", "guess")}


def test_the_boot_record_outranks_the_lease_and_both_outrank_what_dhcp_says_now():
    request = dhcp.decode_message(pxe.discover(CLIENT, 1, as_pxe=True))
    record = BootRecord(boot_reply=reply(request), dhcp_ack=b"cut off")
    lease = Lease(server="10.10.9.10", boot_server="10.10.9.20", boot_file="from-lease.com")
    facts = {"boot_server": "10.10.9.30", "boot_file": "from-dhcp.com", "server_id": "10.10.9.10"}
    earlier = [Observation("dhcp", "10.10.9.10", Outcome.OK, Reason.ANSWERED, facts=facts)]
    by_dhcp = {"10.10.9.30:69": ("from-dhcp.com", "dhcp")}
    found = asked(tftp_probe.boot_files(context(lease, record, earlier)))
    assert found == {"10.10.9.20:69": ("boot\\x64\\wdsmgfw.efi", "boot_record")} | by_dhcp
    found = asked(tftp_probe.boot_files(context(lease, None, earlier)))
    assert found == {"10.10.9.20:69": ("from-lease.com", "lease")} | by_dhcp


@pytest.mark.parametrize(
    ("passed_on_by", "relay"), [("10.10.1.1", "10.10.1.1"), (CLIENT.address, None), ("0.0.0.0", None)]
)
def test_only_who_passed_a_broadcast_on_is_a_relay(passed_on_by, relay):
    def offer(via, giaddr):
        request = dhcp.decode_message(pxe.discover(CLIENT, 1, as_pxe=False))
        question = Question(via, False, 1, Endpoint("10.10.9.10", 67))
        return Heard(question, dhcp.decode_message(reply(request, giaddr=giaddr)), "10.10.9.10", 0.1)

    server = Server("10.10.9.10", (offer(UNICAST, "10.10.1.77"), offer(BROADCAST, passed_on_by)))
    assert server.facts(CLIENT).get("relay") == relay


def test_a_file_that_only_dhcp_names_is_asked_for_once_and_later():
    facts = {"boot_server": "127.0.0.1", "boot_file": "from-dhcp.com", "server_id": "127.0.0.1"}
    offered = Observation("dhcp", "127.0.0.1", Outcome.OK, Reason.ANSWERED, facts=facts)
    now = context(earlier=[offered], addresses=("127.0.0.1",))
    assert list(tftp_probe.run(now)) == []
    (first,) = tftp_probe.run_named_later(now)
    assert (first.target, first.facts["named_by"]) == ("127.0.0.1:69", "dhcp")
    assert list(tftp_probe.run_named_later(context(earlier=[offered, first], addresses=("127.0.0.1",)))) == []


def test_a_machine_without_an_address_asks_no_boot_server():
    nowhere = context(addresses=("10.10.9.20",))
    nowhere.host.adapters = tuple
    (skipped,) = pxe_probe.run(nowhere)
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, Reason.NO_ADDRESS)


def test_pxe_over_ipv6_is_not_asked_for():
    (skipped,) = pxe_probe.run(context(addresses=("fd10:9::20",)))
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, Reason.NOT_SUPPORTED)
