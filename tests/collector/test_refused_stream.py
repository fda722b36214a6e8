"""A report that is refused only when it is written: what its stream read meanwhile must not trouble the others."""

import asyncio
from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.budget import Budget
from pe_collector.intake import ALL_IN_FLIGHT_OCTETS, Intake
from pe_collector.refusal import Reason, Refused
from pe_collector.reserve import Floors, Reserve
from pe_protos.v1 import report_pb2 as pb

HIDDEN = bytes(15) + b"\x01"


class Sender:
    """Never stops sending frames, one at a time."""

    def __init__(self):
        self.sequence = 0

    async def read(self):
        await asyncio.sleep(0)
        self.sequence += 1
        return pb.Frame(sequence=self.sequence, event=pb.Event(kind="link-up")).SerializeToString()

    async def write(self, _receipt):
        await asyncio.sleep(0)


class Told(store.Writer):
    """A writer that remembers how many orders it was brought."""

    brought = 0

    def bring(self, *order):
        self.brought += 1
        super().bring(*order)


def test_nothing_of_a_refused_report_is_ordered_any_more(tmp_path):
    path = store.create(tmp_path)
    budget = Budget(ALL_IN_FLIGHT_OCTETS)

    async def play(intake):
        hello = pb.Hello(protocol=1, report_id=HIDDEN)
        beginning = await intake.open(hello, "ipv4:10.1.2.3:4711", "t")
        with pytest.raises(Refused) as refused:
            await intake.stream(hello, beginning).run(Sender(), budget)
        # Everything was given back: all of it is there for the next.
        await asyncio.wait_for(budget.take(ALL_IN_FLIGHT_OCTETS), 5)
        return refused.value.reason

    with closing(Told(path)) as writer, closing(store.open_reader(path)) as reader:
        writer.run(lambda c: c.execute("INSERT INTO hidden_report VALUES (?,'t')", (HIDDEN.hex(),))).result(10)
        intake = Intake(writer, reader, Reserve(tmp_path, Floors(0, 0)))
        assert asyncio.run(play(intake)) is Reason.QUARANTINED
        assert writer.brought == 1
