"""One of several collectors before a database: puts batches in until its input closes, prints what was acknowledged.

`python -m tests.store.hub FOLDER NUMBER`, the store in PE_COLLECTOR_STORE. A batch that fails comes again.
"""

import select
import sys
import time
from pathlib import Path

from pe_agent.errors import PeError
from pe_collector import store
from pe_collector.store.store import Store
from pe_protos.v1 import report_pb2 as pb

FRAMES, AT_ONCE = 5, 10
_APART = 1_000_000


def batch_of(first: int) -> list[tuple[store.Arrived, list[store.Filed]]]:
    made = []
    for number in range(first, first + AT_ONCE):
        hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"))
        hello.identity.serial = f"SERIAL{number}"
        arrived = store.Arrived(hello, "hub", "", time.time())
        frames = [pb.Frame(sequence=n, event=pb.Event(kind="link-up")) for n in range(1, FRAMES + 1)]
        made.append((arrived, [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in frames]))
    return made


def main(folder: Path, number: int) -> None:
    first = number * _APART
    with Store(folder) as opened:
        while not select.select([sys.stdin], [], [], 0)[0]:
            batch = batch_of(first)
            try:
                opened.put_batch(batch)
            except PeError:
                time.sleep(0.05)
                continue
            for arrived, _ in batch:
                print(arrived.report_id, flush=True)
            first += AT_ONCE


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
