"""A connection that breaks after any number of octets: the report is stored whole, each record once."""

import contextlib
import os
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pe_agent import model, ship, wire

from tests.delivery.cutting import Cut, Cutter

CLOCK = model.Clock(100.0, 1_700_000_000_000)
RECORDS = (
    model.Observation("wds-rpc", "10.0.0.1:5040", model.Outcome.FAILED, model.Reason.FILTERED),
    model.Event(3.0, "eth0", model.EventKind.LINK_UP),
    model.LogChunk("X:\\setupact.log", 0, os.urandom(300), 300),
    model.Verdict(model.Status.FAULT, "TCP 5040 is filtered"),
)


def deliver(address, trust):
    """One report, its records one by one as an agent finds them."""
    opening = model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(serial="SN-1"), model.Boot(CLOCK))
    shipment = ship.Shipment(opening, lambda: CLOCK, (address,), trust)
    for number, record in enumerate(RECORDS, start=1):
        shipment.put(wire.encode_record(number, record))
    shipment.finish()
    stored = shipment.wait(120)
    return opening.report_id.hex(), stored.complete


@pytest.fixture
def plain_collector(stopped_collector):
    stopped_collector.plain = True
    yield stopped_collector.start()
    stopped_collector.stop()


def frames_of(collector):
    with contextlib.closing(sqlite3.connect(collector.data / "collector.sqlite")) as connection:
        return dict(connection.execute("SELECT report_id, count(*) FROM frame GROUP BY report_id"))


def some_or_all(total, every):
    seed = time.time_ns()
    print(f"seed {seed}")
    return range(1, total + 1) if every else sorted(random.Random(seed).sample(range(1, total + 1), 24))


@pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["some", "every"]
)
@pytest.mark.parametrize("way", ["upward", "downward"])
def test_a_connection_cut_after_any_number_of_octets_loses_nothing(plain_collector, way, every):
    with Cutter(plain_collector.address) as cutter, ThreadPoolExecutor(24) as pool:
        assert deliver(cutter.listen(Cut()), plain_collector.trust)[1]
        total = cutter.octets[way]
        assert total > 100
        addresses = [cutter.listen(Cut(**{way: octets})) for octets in some_or_all(total, every)]
        delivered = list(pool.map(lambda address: deliver(address, plain_collector.trust), addresses))
    assert all(complete for _, complete in delivered)
    frames = frames_of(plain_collector)
    assert {report_id: frames[report_id] for report_id, _ in delivered} == {
        report_id: len(RECORDS) + 1 for report_id, _ in delivered
    }
    assert len(frames) == len(delivered) + 1


def test_a_connection_through_tls_that_is_cut_in_its_handshake_is_tried_again(collector):
    with Cutter(collector.address) as cutter:
        for octets in (1, 100, 600, 1500):
            assert deliver(cutter.listen(Cut(upward=octets)), collector.trust)[1]
    assert len(collector.reports()) == 4
