"""Somebody sends and never takes a receipt: the stream ends, is counted, and nobody else notices."""

import contextlib
import sqlite3
import struct
import time

from pe_protos.v1 import report_pb2 as pb

from tests.delivery import strangers
from tests.delivery.loading import acknowledged, finished, loadgen, stored

# SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.5.2): not one octet of data may come back.
NOTHING_BACK = strangers.h2_frame(strangers.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))


def refusals(collector):
    with contextlib.closing(sqlite3.connect(collector.data / "collector.sqlite")) as connection:
        return dict(connection.execute("SELECT reason, times FROM refusal"))


def test_who_takes_no_receipt_is_sent_away(stopped_collector, tmp_path):
    collector = stopped_collector
    collector.plain = True
    (collector.data / "collector.toml").write_text("slow_reader_s = 0.5\n")
    collector.start()
    hello = pb.Frame(hello=pb.Hello(protocol=1, report_id=bytes(15) + b"\x01", token=collector.token))
    call = strangers.PREFACE + NOTHING_BACK + strangers.request(1)
    call += strangers.h2_frame(strangers.DATA, 0, 1, strangers.message(hello.SerializeToString()))
    with contextlib.ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(strangers.connect(collector.address)).sendall(call)
            time.sleep(0.1)
        code, told, complained = finished(loadgen(collector, tmp_path / "acks", "--agents", 2, "--reports", 2))
        assert code == 0, told + complained
        assert acknowledged(tmp_path / "acks") <= stored(collector)
        time.sleep(6.0)
    collector.stop()
    # Of the same report the later stream takes over; each of them ends, the last for being slow at the latest.
    assert refusals(collector).get("slow-reader", 0) >= 1
