"""A damaged export says which file, and what to do; it is never written over with less."""

import math
import resource
import shutil

import pytest
from pe_agent.errors import UsageError
from pe_collector.analytics import duck
from pe_collector.analytics.parquet import FILE, export
from pe_collector.questions import question_named
from pe_collector.store import StoreError

# What SQLite needs to read beside a writer: with less it could not be asked.
SHARED_OCTETS = 40_000
MACHINES = question_named("machines")


def overwritten(octets):
    return bytes(len(octets))


def cut_off(octets):
    return octets[: len(octets) // 2]


def emptied(_octets):
    return b""


@pytest.fixture
def history(data):
    export(data, data / "history", 0.0, math.inf)
    return data / "history"


def damage(history, how):
    file = next(history.glob(f"reports/*/{FILE}"))
    file.write_bytes(how(file.read_bytes()))
    return file


@pytest.mark.parametrize("how", [overwritten, cut_off, emptied])
def test_whoever_asks_is_told_the_file(history, how):
    file = damage(history, how)
    with pytest.raises(StoreError, match=rf"gives no answer: .*{file}.*bring a damaged file back") as told:
        duck.ask_export(history, MACHINES, {"since": "3650d"})
    assert "\n" not in str(told.value)
    with pytest.raises(UsageError, match=str(file)):
        duck.ask_sql(history, "SELECT count(*) FROM reports", {})


@pytest.mark.parametrize("how", [overwritten, cut_off, emptied])
def test_the_next_export_leaves_it_and_says_so_and_goes_on_without_it(data, history, how):
    file = damage(history, how)
    left = file.read_bytes()
    with pytest.raises(StoreError, match=f"{file} is damaged: bring .* or delete it"):
        export(data, history, 0.0, math.inf)
    assert file.read_bytes() == left
    file.unlink()
    assert export(data, history, 0.0, math.inf).written == 1
    assert duck.ask_sql(history, "SELECT count(*) FROM reports", {}).rows > ((0,),)


def test_damage_in_the_middle_is_told_by_who_reads_it(history):
    file = next(history.glob(f"observations/*/{FILE}"))
    octets = bytearray(file.read_bytes())
    octets[100:-2000] = bytes(len(octets) - 2100)
    file.write_bytes(octets)
    with pytest.raises(StoreError, match="the export gives no answer: "):
        duck.ask_export(history, question_named("probes"), {"since": "3650d"})


def test_a_disk_that_is_full_is_said_and_leaves_what_was_there(data, history):
    shutil.rmtree(history / "observations")
    before = {file: file.read_bytes() for file in history.rglob("*.parquet")}
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SHARED_OCTETS, room[1]))
    try:
        with pytest.raises(StoreError, match=r"not exported: .*too large.*the next export goes on"):
            export(data, history, 0.0, math.inf)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert {file: file.read_bytes() for file in history.rglob("*.parquet")} == before
    assert not list(history.rglob("*.tmp"))


def test_a_folder_that_cannot_be_made_is_named(data):
    with pytest.raises(StoreError, match=r"/proc/nowhere: not exported: .*No such file"):
        export(data, data.__class__("/proc/nowhere"), 0.0, math.inf)
