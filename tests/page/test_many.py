"""The board of more machines than it has rows."""

import json
import time
from contextlib import closing
from types import SimpleNamespace

import pytest
from pe_agent import wire
from pe_agent.model import Boot, Clock, Identity, Opening, Owner, Status, Verdict
from pe_collector import store
from pe_collector.ops.state import OpsState
from pe_collector.store.frames import store_frames
from pe_collector.web.board import MOST_SHOWN, Boards

MACHINES, FAILED = 1500, 300


@pytest.fixture
def many(tmp_path):
    """A collector at which so many machines just booted, every fifth of them with a fault."""
    now_s = time.time()
    with closing(store.open_writer(store.create(tmp_path))) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(MACHINES):
            clock = Clock(9.0, int(now_s * 1000) - number)
            name = number.to_bytes(16, "big")
            opening = Opening(name, "0.1.0", "auto", Identity(serial=f"S{number:05d}"), Boot(clock))
            hello = wire.encode_hello(opening, clock)
            arrived = store.Arrived(hello.hello, "test", "", now_s - 60.0 + number / 100)
            store.open_report(connection, arrived)
            status = Status.FAULT if number % 5 == 0 else Status.HEALTHY
            frame = wire.encode_record(1, Verdict(status, "said", Owner.NETWORK))
            store_frames(connection, [store.file_frame(name.hex(), frame, frame.SerializeToString())], now_s)
        connection.execute("COMMIT")
    return OpsState(tmp_path, lambda step: step)


def test_the_numbers_above_the_board_are_those_of_all_and_it_says_how_many_it_shows(many):
    drawn = SimpleNamespace(**json.loads(Boards().rows(many, {})))
    assert drawn.counts == {"failed": FAILED, "running": 0, "warning": 0, "ok": MACHINES - FAILED}
    assert drawn.rows.count("<tr ") == MOST_SHOWN
    assert drawn.cut.startswith("The first 1,000 of 1,500")
    assert drawn.rows.count('class="failed"') == FAILED


def test_a_filter_that_leaves_fewer_shows_them_all(many):
    drawn = SimpleNamespace(**json.loads(Boards().rows(many, {"outcome": "fault"})))
    assert (drawn.counts["failed"], drawn.rows.count("<tr "), drawn.cut) == (FAILED, FAILED, "")
