"""Which machine is it?"""

from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.identity import Told, marks_of, resolve_machines, score
from pe_collector.reports import clashes_of
from pe_protos.v1 import report_pb2 as pb

UUID_A, UUID_B = "4c4c4544-0042-4710-8052-b4c04f305332", "4c4c4544-0042-4710-8052-b4c04f305333"
MAC_A, MAC_B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"


@pytest.fixture
def connection(tmp_path):
    with closing(store.open_writer(store.create(tmp_path))) as opened:
        yield opened


def machine(connection, uuid="", serial="", macs=(), report_id="r"):
    told = Told(pb.Identity(smbios_uuid=uuid, serial=serial, macs=macs), report_id, 1000.0)
    return resolve_machines(connection, [told])[0]


def test_a_machine_with_another_adapter_is_the_same_machine(connection):
    assert machine(connection, UUID_A, "S1", [MAC_A]) == machine(connection, UUID_A, "S1", [MAC_B])


def test_a_shared_usb_adapter_makes_two_machines_no_one(connection):
    first = machine(connection, UUID_A, "", [MAC_A])
    second = machine(connection, UUID_B, "", [MAC_A])
    assert first != second
    assert clashes_of(connection, first) == [{"kind": "mac", "value": MAC_A, "shared_with": second}]


def test_a_cloned_uuid_makes_two_machines_no_one(connection):
    first = machine(connection, UUID_A, "S1", [MAC_A])
    second = machine(connection, UUID_A, "S2", [MAC_B])
    assert first != second
    assert [clash["kind"] for clash in clashes_of(connection, second)] == ["uuid"]


def test_a_new_main_board_with_the_old_serial_and_adapter_is_the_same_machine(connection):
    assert machine(connection, UUID_A, "S1", [MAC_A]) == machine(connection, UUID_B, "S1", [MAC_A])


def test_the_best_of_several_candidates_wins(connection):
    machine(connection, "", "", [MAC_A])
    full = machine(connection, UUID_A, "S1", [MAC_B])
    assert machine(connection, UUID_A, "S1", [MAC_A, MAC_B]) == full


def test_machines_without_any_mark_stay_apart(connection):
    assert machine(connection, report_id="r1") != machine(connection, report_id="r2")


@pytest.mark.parametrize(
    "identity",
    [
        pb.Identity(smbios_uuid="03000200-0400-0500-0006-000700080009"),
        pb.Identity(smbios_uuid="FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        pb.Identity(serial="To be filled by O.E.M."),
        pb.Identity(serial=" Default  string "),
        pb.Identity(serial="0000000"),
        pb.Identity(macs=["00:00:00:00:00:00"]),
    ],
    ids=str,
)
def test_what_whole_series_share_is_no_mark(identity):
    assert marks_of(identity) == {}


def test_a_computer_name_finds_a_machine_but_makes_two_no_one(connection):
    names = ["MININT-AAA", "minint-bbb"]
    first, second = (
        resolve_machines(connection, [Told(pb.Identity(serial=f"S{n}", computer_name="MININT-AAA"), f"r{n}", 1000.0)])[
            0
        ]
        for n in range(2)
    )
    assert first != second
    assert clashes_of(connection, first) == []
    again = resolve_machines(connection, [Told(pb.Identity(serial="S0", computer_name=names[1]), "r3", 1001.0)])[0]
    assert again == first
    rows = connection.execute("SELECT machine_id, value FROM machine_mark WHERE kind='name' ORDER BY value")
    assert [tuple(row) for row in rows] == [(second, "minint-aaa"), (first, "minint-bbb")]


def test_spelling_does_not_make_another_mark():
    spelt = pb.Identity(smbios_uuid=UUID_A.upper(), macs=[MAC_A.upper().replace(":", "-")])
    assert marks_of(spelt) == {"uuid": {UUID_A}, "mac": {MAC_A}}


def test_a_mark_that_one_side_lacks_weighs_nothing():
    assert score({"uuid": frozenset({UUID_A})}, {"serial": frozenset({"s1"})}) == 0
