"""How much memory can somebody with a token make a live collector take? Little on the wire must be little here."""

import asyncio
import re
import sys
import threading
from pathlib import Path

import grpc
import pytest
from pe_collector.budget import Budget
from pe_collector.refusal import Refused
from pe_protos.v1 import report_pb2 as pb

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MIB = 1024 * 1024
STREAMS, BATCHES, FRAMES = 12, 4, 4096


def peak_octets(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def many_small_frames(first):
    """A batch whose frames have nine octets on the wire, and nothing in them."""
    events = [pb.Frame(sequence=n, event=pb.Event()).SerializeToString() for n in range(first, first + FRAMES)]
    return pb.Frame(batch=pb.Batch(frames=events)).SerializeToString()


def test_a_flood_of_tiny_frames_costs_no_more_than_the_budget(collector, frames):
    batches = [many_small_frames(1 + number * FRAMES) for number in range(BATCHES)]
    clients = [collector.client().send(frames.hello(collector.token, bytes(15) + bytes([n]))) for n in range(STREAMS)]
    for client in clients:
        client.receipt()
    before = peak_octets(collector.process)
    told = [threading.Thread(target=lambda c=client: c.send(*batches).end().refusal()) for client in clients]
    for thread in told:
        thread.start()
    for thread in told:
        thread.join(120)
    statuses = [client.call.code() for client in clients]
    assert statuses == [grpc.StatusCode.OK] * STREAMS
    grown = peak_octets(collector.process) - before
    assert grown < 96 * MIB, f"{grown / MIB:.0f} MiB for {STREAMS * sum(map(len, batches)) / MIB:.1f} MiB on the wire"


def test_whoever_waits_longest_is_let_in_first_also_with_more_than_fits():
    async def play():
        budget, order = Budget(100), []

        async def one(name, octets):
            await budget.take(octets)
            order.append(name)
            return octets

        await budget.take(60)
        told = [asyncio.create_task(one(name, octets)) for name, octets in (("large", 300), ("small", 10))]
        await asyncio.sleep(0)
        budget.give(60)
        budget.give(await told[0])
        await told[1]
        return order

    assert asyncio.run(play()) == ["large", "small"]


def test_those_who_wait_may_hold_so_much_and_no_more():
    async def play():
        budget = Budget(100, most_held=50)
        await budget.take(100)
        first = asyncio.create_task(budget.take(40, held=40))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="waits for the disk"):
            await budget.take(40, held=40)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        # Who went away holds nothing, and takes nothing when there is room.
        second = asyncio.create_task(budget.take(40, held=40))
        await asyncio.sleep(0)
        budget.give(100)
        await second
        await budget.take(60)

    asyncio.run(play())
