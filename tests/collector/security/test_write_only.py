"""Does anything on the ingest side give back what is stored?"""

import os

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from pe_agent.bundle import encode_bundle
from pe_collector.door import TOKENS
from pe_protos.v1 import report_pb2 as pb

from tests.collector.security.asking import ask, bearer

CANARY = "CanaryInTheStore"
# Everything a receipt can say: how far, whether whole, the report's own code, and what the sender showed or is to show.
SAID = {
    "Receipt": {"protocol", "stored_through", "complete", "code", "batch_bytes", "session", "logs_left_out", "wall_ms"},
    "ParcelReceipt": {"report_id", "receipt", "refused", "message"},
}
METHODS = [f"/pe.v1.Ingest/{method.name}" for method in pb.DESCRIPTOR.services_by_name["Ingest"].methods]
NOT_THERE = [
    "/pe.v1.Ingest/Show",
    "/pe.v1.Ingest/",
    "/pe.v1.Ops/Sql",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.health.v1.Health/Watch",
    "/grpc.channelz.v1.Channelz/GetServers",
]
PATHS = [
    "/",
    "/v1/reports",
    "/v1/reports/",
    "/api/",
    "/api/machines",
    "/api/sql",
    "/healthz",
    "/sign-in",
    "/docs",
    "/../",
]


@pytest.fixture(scope="module")
def canary_report(house):
    return os.urandom(16)


@pytest.fixture
def told(ops, frames, canary_report):
    """A report full of canaries is stored."""
    hello = frames.hello(ops.token, canary_report)
    hello.hello.identity.model = CANARY
    sender = ops.client().send(hello, frames.event(1, CANARY), frames.summary(2)).end()
    sender.refusal()
    return ops


def answers(collector, method, message):
    """All octets that come back for one message, and how the call ended."""
    with grpc.insecure_channel(collector.address) as channel:
        call = channel.stream_stream(method)(iter([message]), timeout=30)
        octets = b""
        try:
            for answer in call:
                octets += answer
        except grpc.RpcError:
            pass
        return octets + str(call.details()).encode(), call.code()


def test_every_call_is_known_to_the_door_and_answers_with_receipts_only():
    assert sorted(METHODS) == sorted(TOKENS)
    for method in pb.DESCRIPTOR.services_by_name["Ingest"].methods:
        assert {field.name for field in method.output_type.fields} == SAID[method.output_type.name]
        parts = [f.message_type.name for f in method.output_type.fields if f.type == FieldDescriptor.TYPE_MESSAGE]
        assert set(parts) <= set(SAID)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_that_names_a_stored_report_hears_nothing_of_what_is_in_it(told, frames, canary_report, method):
    hello = frames.hello("" if method.endswith("Forward") else told.token, canary_report)
    parcel = pb.Parcel(token=told.token, frames=[hello.SerializeToString()])
    message = parcel if method.endswith("Forward") else hello
    octets, code = answers(told, method, message.SerializeToString())
    assert code is grpc.StatusCode.OK, octets
    assert CANARY.encode() not in octets


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_a_good_token_hears_only_that(told, frames, canary_report, method):
    hello = frames.hello("", canary_report)
    parcel = pb.Parcel(token="x.y", frames=[hello.SerializeToString()])
    message = parcel if method.endswith("Forward") else hello
    octets, code = answers(told, method, message.SerializeToString())
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert CANARY.encode() not in octets


@pytest.mark.parametrize("method", NOT_THERE)
def test_no_other_call_exists(told, frames, method):
    octets, code = answers(told, method, frames.hello(told.token).SerializeToString())
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert CANARY.encode() not in octets


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_is_read_by_http_where_uploads_come_in(told, method):
    admin = (told.data / "admin.token").read_text().strip()
    for path in PATHS:
        for token in (told.token, admin):
            answer = ask(told.upload, method, path, **bearer(token))
            assert answer.status in (404, 405), path
            assert CANARY.encode() not in answer.body


def test_an_upload_of_a_stored_report_hears_only_its_receipt(told, frames, canary_report):
    body = encode_bundle([frames.hello("", canary_report).SerializeToString()])
    headers = {"content_type": "application/vnd.pe-report"} | bearer(told.token)
    answer = ask(told.upload, "POST", "/v1/reports", body, **headers)
    assert set(answer.document) == {"complete", "stored_through", "code", "report_id", "logs_left_out", "wall_ms"}
    assert CANARY.encode() not in answer.body


def test_the_ops_listener_takes_no_reports(told):
    assert ask(told.ops, "POST", "/v1/reports", "", **bearer(told.token)).status == 404
