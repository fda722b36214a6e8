"""The model and the messages say the same thing."""

import contextlib
import dataclasses
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent import model, plain, wire
from pe_agent.errors import DecodeError
from pe_protos.v1 import report_pb2 as pb

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
seconds = st.floats(0, 1e6)
observations = st.builds(
    model.Observation,
    probe=texts,
    target=texts,
    outcome=st.sampled_from(model.Outcome),
    reason=st.sampled_from(model.Reason),
    started_at_s=seconds,
    elapsed_s=seconds,
    facts=st.dictionaries(
        texts,
        st.one_of(
            st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), texts
        ),
        max_size=5,
    ),
)
events = st.builds(model.Event, seconds, texts, st.sampled_from(model.EventKind), texts, st.booleans())
chunks = st.builds(
    model.LogChunk,
    texts,
    st.integers(0, 2**40),
    st.binary(max_size=2000),
    st.integers(0, 2**40),
    st.binary(max_size=32),
)
evidence = st.builds(model.Evidence, texts, texts, st.integers(0, 2**40), texts, texts)
findings = st.builds(
    model.Finding,
    texts,
    texts,
    st.sampled_from(model.Owner),
    texts,
    st.floats(0, 1),
    st.lists(evidence, max_size=3).map(tuple),
)
ruled_out = st.lists(st.builds(model.RuledOut, texts, texts, texts), max_size=3).map(tuple)
verdicts = st.builds(
    model.Verdict,
    st.sampled_from(model.Status),
    texts,
    st.sampled_from(model.Owner),
    texts,
    texts,
    st.floats(0, 1),
    ruled_out,
    seconds,
    st.binary(max_size=32),
)
records = st.one_of(observations, events, chunks, findings, verdicts)
clocks = st.builds(model.Clock, seconds, st.integers(-(2**62), 2**62), st.integers(-840, 840))
identities = st.builds(model.Identity, texts, texts, texts, texts, st.lists(texts, max_size=3).map(tuple))
openings = st.builds(
    model.Opening,
    report_id=st.binary(min_size=16, max_size=16),
    agent_version=texts,
    trigger=texts,
    identity=identities,
    boot=st.builds(model.Boot, clocks, texts, texts, texts, texts),
    protocol=st.integers(1, 2**31),
)


@given(st.integers(1, 2**63), records)
def test_every_record_survives_the_wire(sequence, record):
    frame = wire.parse_frame(wire.encode_record(sequence, record).SerializeToString())
    assert frame.sequence == sequence
    assert wire.decode_record(frame) == record


@given(openings, clocks)
def test_the_opening_survives_the_wire(opening, clock):
    frame = wire.parse_frame(wire.encode_hello(opening, clock, "secret").SerializeToString())
    assert wire.decode_hello(frame.hello) == opening


@given(openings, st.lists(records, max_size=8), clocks)
def test_a_report_kept_without_protobuf_says_the_same(opening, given_records, clock):
    report = model.Report(opening, tuple(r for r in given_records if not isinstance(r, model.Verdict)))
    read = wire.decode_report(wire.report_from_json(plain.report_to_json(report, clock)))
    assert read.opening == opening
    for kind in (model.Event, model.Observation, model.LogChunk, model.Finding):
        assert [r for r in read.records if isinstance(r, kind)] == [r for r in report.records if isinstance(r, kind)]


PAIRS = [
    (model.Observation, pb.Observation, {}),
    (model.Event, pb.Event, {}),
    (model.LogChunk, pb.LogChunk, {"octets": "data"}),
    (model.Finding, pb.Finding, {}),
    (model.Verdict, pb.Summary, {}),
    (model.Evidence, pb.Evidence, {}),
    (model.RuledOut, pb.RuledOut, {}),
    (model.Identity, pb.Identity, {}),
    (model.Boot, pb.Boot, {}),
    (model.Clock, pb.Clock, {}),
    (model.Opening, pb.Hello, {}),
]
ONLY_ON_THE_WIRE = {pb.LogChunk: {"codec", "expanded_bytes"}, pb.Hello: {"token", "clock", "session"}}


@pytest.mark.parametrize(("model_type", "message", "renamed"), PAIRS, ids=lambda p: getattr(p, "__name__", ""))
def test_model_and_message_have_the_same_fields(model_type, message, renamed):
    names = {renamed.get(f.name, f.name) for f in dataclasses.fields(model_type)}
    assert names == set(message.DESCRIPTOR.fields_by_name) - ONLY_ON_THE_WIRE.get(message, set())


def test_a_flag_is_not_mistaken_for_a_number():
    record = model.Observation("p", "", model.Outcome.OK, model.Reason.ANSWERED, facts={"on": True, "count": 1})
    facts = wire.encode_record(1, record).observation.facts
    assert facts["on"].WhichOneof("kind") == "flag"
    assert facts["count"].WhichOneof("kind") == "integer"


def test_the_token_is_in_the_hello_and_never_in_a_report():
    opening = model.Opening(bytes(16), "0", "report", model.Identity(), model.Boot(model.Clock(0, 0)))
    frame = wire.encode_hello(opening, model.Clock(0, 0), "secret")
    assert frame.hello.token == "secret"
    assert "secret" not in wire.report_to_json(wire.frames_to_report([frame]))


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (pb.LogChunk(data=b"no zlib stream", codec="zlib", expanded_bytes=1), "damaged"),
        (pb.LogChunk(data=zlib.compress(bytes(10_000_000)), codec="zlib", expanded_bytes=100), "holds 101 octets"),
        (pb.LogChunk(data=b"abc", expanded_bytes=4), "holds 3 octets"),
        (pb.LogChunk(data=b"abc", codec="lz77", expanded_bytes=3), "'lz77' is not known"),
        (pb.LogChunk(expanded_bytes=wire.MAX_CHUNK_OCTETS + 1), "are allowed"),
    ],
)
def test_a_chunk_that_lies_about_itself_is_refused(chunk, message):
    with pytest.raises(DecodeError, match=message):
        wire.expand_chunk(chunk)


@given(st.binary(max_size=300))
def test_any_octets_are_a_frame_or_refused(octets):
    try:
        frame = wire.parse_frame(octets)
        wire.decode_record(frame)
    except DecodeError:
        pass


@given(st.text(max_size=200))
def test_any_text_is_a_report_or_refused(text):
    with contextlib.suppress(DecodeError):
        wire.report_from_json(text)
