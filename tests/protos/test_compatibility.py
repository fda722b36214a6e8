"""The report stream only ever changes in ways that old boot images and old collectors survive.

`frozen/` holds the descriptor of each released version: run this file as a script to freeze the present one.
"""

import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import Parse
from pe_agent import model, wire
from pe_protos.v1 import report_pb2 as pb

FROZEN = sorted((Path(__file__).parent / "frozen").glob("*.json"))


def present():
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    return file


def frozen(path):
    return Parse(path.read_text(), descriptor_pb2.FileDescriptorProto())


def broken_promises(old, new):
    """What a reader or writer of `old` would trip over in `new`."""
    messages = {m.name: m for m in new.message_type}
    for before in old.message_type:
        after = messages.get(before.name)
        if after is None:
            yield f"message {before.name} is gone"
            continue
        numbers = {f.number: f for f in after.field}
        reserved = {n for r in after.reserved_range for n in range(r.start, r.end)}
        for field in before.field:
            now = numbers.get(field.number)
            if now is None and field.number not in reserved:
                yield f"{before.name}.{field.name} is gone and its number {field.number} is not reserved"
            elif now is not None and (now.name, now.type, now.label, now.type_name) != (
                field.name,
                field.type,
                field.label,
                field.type_name,
            ):
                yield f"{before.name} number {field.number}: {field.name} became {now.name} or another type"


@pytest.mark.parametrize("path", FROZEN, ids=lambda p: p.stem)
def test_no_field_of_a_released_version_changed(path):
    assert list(broken_promises(frozen(path), present())) == []


def test_there_is_a_frozen_version_to_hold_against():
    assert FROZEN


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda f: f.field[0].__setattr__("number", 99), "is gone"),
        (lambda f: f.field[0].__setattr__("name", "other"), "became other"),
        (lambda f: f.field[0].__setattr__("type", 4), "became"),
        (lambda f: f.field.__delitem__(0), "is gone"),
    ],
)
def test_a_spoilt_change_is_noticed(spoil, complaint):
    changed = present()
    spoil(changed.message_type[1])
    assert any(complaint in promise for promise in broken_promises(present(), changed))


def newer_version():
    """This version with a field more in Observation and in Hello, and a body more in Frame."""
    file = present()
    file.name = "newer/report.proto"
    file.package = "pe.newer"
    for message in file.message_type:
        nested = [field for kind in message.nested_type for field in kind.field]
        for field in (f for f in (*message.field, *nested) if f.type_name):
            field.type_name = field.type_name.replace(".pe.v1.", ".pe.newer.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(".pe.v1.", ".pe.newer.")
            method.output_type = method.output_type.replace(".pe.v1.", ".pe.newer.")
    messages = {m.name: m for m in file.message_type}
    text, optional = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    messages["Observation"].field.add(name="mood", number=40, type=text, label=optional)
    messages["Frame"].field.add(name="weather", number=41, type=text, label=optional, oneof_index=0)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pe.newer.Frame"))


def test_a_newer_agents_fields_are_ignored_and_kept():
    newer = newer_version()(sequence=3)
    newer.observation.probe = "wds-rpc"
    newer.observation.reason = "a word of tomorrow"
    newer.observation.mood = "sunny"
    octets = newer.SerializeToString()
    frame = wire.parse_frame(octets)
    record = wire.decode_record(frame)
    assert (record.probe, record.reason) == ("wds-rpc", model.Reason.NOT_KNOWN)
    assert sorted(frame.SerializeToString()) == sorted(octets)


def test_a_newer_agents_kind_of_record_is_kept_and_not_mistaken():
    newer = newer_version()(sequence=4, weather="rain")
    frame = wire.parse_frame(newer.SerializeToString())
    assert wire.decode_record(frame) is None
    assert frame.SerializeToString() == newer.SerializeToString()


if __name__ == "__main__":
    from google.protobuf.json_format import MessageToJson

    target = Path(__file__).parent / "frozen" / f"{sys.argv[1]}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(MessageToJson(present(), indent=1) + "\n")
