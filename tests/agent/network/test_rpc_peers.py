"""What the RPC probes make of peers that are right, wrong, slow or not RPC at all."""

import gc
import socket
import struct
import time
import warnings

import pytest
from pe_agent.codec import epm, rpc
from pe_agent.model import Outcome, Reason
from pe_agent.probes import endpoint_mapper, wds_rpc
from pe_agent.transport.connect import connect
from pe_agent.transport.passes import ask
from pe_agent.transport.path import Deadline, Endpoint, PathFailure


def wds(endpoint, within_s=5.0):
    return ask(endpoint, wds_rpc.ask_wds, Deadline(time.monotonic, time.monotonic() + within_s))


def mapper(endpoint, within_s=5.0):
    return ask(endpoint, endpoint_mapper.ask_mapper, Deadline(time.monotonic, time.monotonic() + within_s))


def read_pdu(sock):
    octets = b""
    while (length := rpc.fragment_octets(octets)) is None or len(octets) < length:
        octet = sock.recv(1)
        if not octet:
            raise ConnectionError("the probe has closed the connection")
        octets += octet
    return rpc.decode(octets)


def hang(sock):
    """Say nothing until the probe gives up."""
    while sock.recv(4096):
        pass


def ack(sock, result=0, reason=0):
    bind = read_pdu(sock)
    sock.sendall(rpc.encode(rpc.BindAck(bind.call, (rpc.ContextResult(result, reason, rpc.NDR32),))))


def says(octets):
    """A peer that reads something, answers these octets and closes."""

    def serve(sock):
        sock.recv(4096)
        sock.sendall(octets)

    return serve


def answers_call(make):
    """A peer that accepts the bind and answers the call with the PDU that `make` returns."""

    def serve(sock):
        ack(sock)
        sock.sendall(rpc.encode(make(read_pdu(sock))))
        sock.recv(1)

    return serve


# a right peer


def test_a_registered_interface_answers(impacket_peer):
    answer = wds(impacket_peer["wds"])
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)
    assert answer.facts["fault"] == "0x000006e4"
    assert answer.facts["pass"] == 1
    assert answer.facts["port"] == impacket_peer["wds"].port
    assert answer.facts["rtt_s"] > 0
    assert answer.facts["bytes_received"] > 60
    assert answer.facts["retransmits"] >= 0
    assert answer.facts["packet_bytes"] > 1500, "the loopback carries more than Ethernet"


def test_a_server_without_the_interface_rejects_the_bind(impacket_peer):
    answer = wds(impacket_peer["other"])
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.BIND_REJECTED)
    assert (answer.facts["bind_result"], answer.facts["provider_reason"]) == (1, 1)


def test_the_mapper_names_the_port(impacket_peer):
    answer = mapper(impacket_peer["mapper"])
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)
    assert answer.facts["rpc_port"] == 5040
    assert answer.facts["rpc_address"] == "10.10.9.20"
    assert answer.facts["status"] == "0x00000000"


def test_a_mapper_that_does_not_know_wds_says_not_registered(impacket_peer):
    answer = mapper(impacket_peer["mapper-empty"])
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.NOT_REGISTERED)
    assert answer.facts["status"] == "0x16c9a0d6"


# rejections inside RPC


def test_a_provider_rejection_of_the_interface_means_not_registered(listener):
    answer = wds(listener(lambda sock: ack(sock, 2, 1)))
    assert answer.reason is Reason.NOT_REGISTERED
    assert (answer.facts["bind_result"], answer.facts["provider_reason"]) == (2, 1)


def test_a_provider_rejection_of_the_transfer_syntax_is_a_rejected_bind(listener):
    answer = wds(listener(lambda sock: ack(sock, 2, 2)))
    assert answer.reason is Reason.BIND_REJECTED
    assert answer.facts["provider_reason"] == 2


@pytest.mark.parametrize("number", [0, 1, 4, 8])
def test_a_bind_nak_keeps_its_reason(listener, number):
    answer = wds(listener(says(rpc.encode(rpc.BindNak(1, number)))))
    assert answer.reason is Reason.BIND_REJECTED
    assert answer.facts["nak_reason"] == number


def test_a_bind_ack_without_any_result_is_malformed(listener):
    assert wds(listener(says(rpc.encode(rpc.BindAck(1, ()))))).reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("status", "outcome", "reason", "name"),
    [
        (0x1C010002, Outcome.OK, Reason.ANSWERED, "nca_s_op_rng_error"),
        (0x000006E4, Outcome.OK, Reason.ANSWERED, "RPC_S_CANNOT_SUPPORT"),
        (0x1C010003, Outcome.FAILED, Reason.NOT_REGISTERED, "nca_s_unk_if"),
        (0x1C010014, Outcome.WARNING, Reason.NOT_KNOWN, "nca_s_server_too_busy"),
        (0x1C000009, Outcome.WARNING, Reason.NOT_KNOWN, None),
        (0x000006F7, Outcome.WARNING, Reason.NOT_KNOWN, None),
    ],
)
def test_only_the_faults_of_a_good_server_are_good_answers(listener, status, outcome, reason, name):
    answer = wds(listener(answers_call(lambda call: rpc.Fault(call.call, status))))
    assert (answer.outcome, answer.reason) == (outcome, reason)
    assert (answer.facts["fault"], answer.facts.get("fault_name")) == (f"{status:#010x}", name)


def test_a_whole_answer_to_an_operation_that_does_not_exist_is_no_good_answer(listener):
    answer = wds(listener(answers_call(lambda call: rpc.Response(call.call, b""))))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.NOT_KNOWN)


def test_a_denied_call_is_access_denied(listener):
    answer = wds(listener(answers_call(lambda call: rpc.Fault(call.call, rpc.FAULT_ACCESS_DENIED))))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.ACCESS_DENIED)


def test_a_mapper_that_denies_is_access_denied(listener):
    answer = mapper(listener(answers_call(lambda call: rpc.Fault(call.call, rpc.FAULT_ACCESS_DENIED))))
    assert answer.reason is Reason.ACCESS_DENIED


def test_a_mapper_answer_that_cannot_be_read_is_malformed(listener):
    answer = mapper(listener(answers_call(lambda call: rpc.Response(call.call, b"\xff" * 60))))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.MALFORMED)


def test_a_tower_of_another_interface_is_not_ours(listener):
    reply = epm.MapReply(0, (epm.Tower(epm.EPM, 9999, "10.0.0.1"),))
    answer = mapper(listener(answers_call(lambda call: rpc.Response(call.call, epm.encode_map_reply(reply)))))
    assert answer.reason is Reason.NOT_REGISTERED
    assert "rpc_port" not in answer.facts


def test_a_result_in_two_fragments_is_put_together(listener):
    stub = epm.encode_map_reply(epm.MapReply(0, (epm.Tower(wds_rpc.WDS_INTERFACE, 6001, "10.0.0.1"),)))

    def serve(sock):
        ack(sock)
        call = read_pdu(sock).call
        sock.sendall(rpc.encode(rpc.Response(call, stub[:40], last=False)))
        sock.sendall(rpc.encode(rpc.Response(call, stub[40:], first=False)))

    assert mapper(listener(serve)).facts["rpc_port"] == 6001


def test_a_result_that_never_ends_is_malformed(listener):
    def serve(sock):
        ack(sock)
        call = read_pdu(sock).call
        while True:
            sock.sendall(rpc.encode(rpc.Response(call, bytes(5000), last=False)))

    assert mapper(listener(serve)).reason is Reason.MALFORMED


@pytest.mark.parametrize("pause_s", [0.0, 0.02])
def test_empty_fragments_without_end_do_not_extend_the_deadline(listener, pause_s):
    def serve(sock):
        ack(sock)
        fragment = rpc.encode(rpc.Response(read_pdu(sock).call, b"", last=False))
        while True:
            sock.sendall(fragment)
            time.sleep(pause_s)

    started_s = time.monotonic()
    answer = wds(listener(serve), within_s=1.0)
    assert answer.reason in {Reason.MALFORMED, Reason.TRUNCATED}
    assert time.monotonic() - started_s < 3


def test_octets_that_wait_do_not_extend_the_deadline(listener):
    now_s = [0.0]
    with connect(
        listener(lambda sock: ([(sock.sendall(b"x"), time.sleep(0.05)) for _ in range(9)], hang(sock))),
        Deadline(lambda: now_s[0], 5.0),
    ) as connection:
        assert connection.receive()
        time.sleep(0.1)
        now_s[0] = 6.0
        with pytest.raises(PathFailure) as failure:
            connection.receive()
    assert failure.value.reason is Reason.SILENT


def test_operation_zero_is_never_called(listener):
    operations = []

    def serve(sock):
        ack(sock)
        while True:
            call = read_pdu(sock)
            operations.append(call.operation)
            sock.sendall(rpc.encode(rpc.Fault(call.call, rpc.FAULT_OPERATION_RANGE)))

    wds(listener(serve))
    assert operations == [0x7FFF]


# wrong peers


def test_a_closed_port_is_refused_in_the_first_pass():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        endpoint = Endpoint("127.0.0.1", unused.getsockname()[1])
    answer = wds(endpoint)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.REFUSED)
    assert answer.facts["pass"] == 1


def test_a_peer_that_accepts_and_says_nothing_is_silent(listener):
    answer = wds(listener(hang), within_s=4)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.SILENT)
    assert answer.facts["pass"] == 2
    assert answer.facts["bytes_received"] == 0


def test_a_peer_that_wakes_up_for_the_second_pass_is_good(listener):
    seen = []

    def serve(sock):
        seen.append(sock)
        if len(seen) == 1:
            hang(sock)
        answers_call(lambda call: rpc.Fault(call.call, rpc.FAULT_OPERATION_RANGE))(sock)

    answer = wds(listener(serve))
    assert (answer.reason, answer.facts["pass"]) == (Reason.ANSWERED, 2)


def test_a_reset_after_some_octets_is_a_reset_and_counts_them(listener):
    def serve(sock):
        bind = read_pdu(sock)
        sock.sendall(rpc.encode(rpc.BindAck(bind.call, (rpc.ContextResult(0, 0, rpc.NDR32),)))[:24])
        time.sleep(0.1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    answer = wds(listener(serve))
    assert (answer.reason, answer.facts["bytes_received"]) == (Reason.RESET, 24)


def test_a_close_before_any_answer_is_a_reset(listener):
    answer = wds(listener(read_pdu))
    assert (answer.reason, answer.facts["bytes_received"]) == (Reason.RESET, 0)


def test_a_close_within_a_pdu_is_truncated(listener):
    answer = wds(listener(says(rpc.encode(rpc.BindNak(1, 4))[:18])))
    assert (answer.reason, answer.facts["bytes_received"]) == (Reason.TRUNCATED, 18)


def test_silence_within_a_pdu_is_truncated(listener):
    def serve(sock):
        says(rpc.encode(rpc.BindNak(1, 4))[:18])(sock)
        hang(sock)

    assert wds(listener(serve)).reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("octets", "spoken"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http"),
        (b"\x15\x03\x03\x00\x02\x02\x32", "tls"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "ssh"),
        (b"220 mail ESMTP\r\n", "other"),
    ],
)
def test_a_peer_that_speaks_something_else_is_named(listener, octets, spoken):
    answer = wds(listener(says(octets)))
    assert (answer.outcome, answer.reason, answer.facts["spoken"]) == (Outcome.FAILED, Reason.NOT_RPC, spoken)


def test_a_peer_that_echoes_is_not_rpc(listener):
    def serve(sock):
        while octets := sock.recv(4096):
            sock.sendall(octets)

    assert wds(listener(serve)).reason is Reason.NOT_RPC


def test_a_pdu_that_is_damaged_inside_is_malformed(listener):
    octets = bytearray(rpc.encode(rpc.BindAck(1, (rpc.ContextResult(0, 0, rpc.NDR32),))))
    struct.pack_into("<H", octets, 24, 60000)
    assert wds(listener(says(bytes(octets)))).reason is Reason.MALFORMED


def test_octets_that_drip_do_not_extend_the_deadline(listener):
    def serve(sock):
        read_pdu(sock)
        for octet in rpc.encode(rpc.BindAck(1, (rpc.ContextResult(0, 0, rpc.NDR32),), b"x" * 4000)):
            sock.sendall(bytes((octet,)))
            time.sleep(0.02)

    started_s = time.monotonic()
    answer = wds(listener(serve), within_s=1.0)
    assert answer.reason is Reason.TRUNCATED
    assert time.monotonic() - started_s < 30, "as long as it drips"


def test_an_answer_in_single_octets_is_put_together(listener):
    def serve(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        octets = rpc.encode(rpc.BindAck(read_pdu(sock).call, (rpc.ContextResult(0, 0, rpc.NDR32),)))
        octets += rpc.encode(rpc.Fault(2, rpc.FAULT_OPERATION_RANGE))
        for octet in octets:
            sock.sendall(bytes((octet,)))
            time.sleep(0.002)
        time.sleep(1)

    assert wds(listener(serve)).reason is Reason.ANSWERED


def test_large_data_that_is_never_answered_is_told_from_silence(listener):
    def serve(sock):
        ack(sock)
        call = read_pdu(sock)
        if len(call.stub) > 1000:
            hang(sock)
        sock.sendall(rpc.encode(rpc.Fault(call.call, rpc.FAULT_OPERATION_RANGE)))

    answer = wds(listener(serve), within_s=4)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.LARGE_DATA_LOST)
    assert answer.facts["large_bytes"] == 3000


def test_a_slow_server_is_not_accused_of_losing_large_data(listener):
    def serve(sock):
        sock.recv(4096)
        time.sleep(1.2)
        sock.sendall(rpc.encode(rpc.BindAck(1, (rpc.ContextResult(0, 0, rpc.NDR32),))))
        call = read_pdu(sock)
        time.sleep(1.2)
        sock.sendall(rpc.encode(rpc.Fault(call.call, rpc.FAULT_OPERATION_RANGE)))

    answer = wds(listener(serve), within_s=8)
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)
    assert answer.facts["large_undecided"] is True


def test_a_deadline_that_has_passed_accuses_nobody(impacket_peer):
    assert wds(impacket_peer["wds"], within_s=-1).reason is Reason.TIMED_OUT


def test_a_name_in_place_of_an_address_is_unresolved(soon):
    with pytest.raises(PathFailure) as failure:
        connect(Endpoint("no-address", 135), soon)
    assert failure.value.reason is Reason.UNRESOLVED


def test_no_socket_stays_open_after_a_failure(listener):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wds(listener(says(b"HTTP/1.1 400\r\n")))
        test_a_closed_port_is_refused_in_the_first_pass()
        gc.collect()
    assert [w for w in caught if w.category is ResourceWarning] == []


@pytest.mark.parametrize("text", ["10.10.9.20:5040", "[fd10:9::20]:135", "[fe80::1%eth0]:135"])
def test_an_endpoint_is_read_back_from_its_text(text):
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize("text", ["", "eth0", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", ":135", "host:135"])
def test_what_is_not_an_endpoint_is_none(text):
    assert Endpoint.parse(text) is None
