"""Is what a machine sends inert wherever an answer shows it?"""

import csv
import io
import time

import pytest
from pe_agent.errors import UsageError
from pe_collector import questions, store
from pe_collector.questions import QUESTIONS
from pe_collector.questions.forms import FORMATS
from pe_collector.questions.log_lines import catch_up
from pe_collector.store.frames import store_frames
from pe_protos.v1 import report_pb2 as pb

EVIL = "=cmd|' /C calc'!A0\x1b]0;owned\x07\u202egnp.exe<script>alert(1)</script>\r\n\x9b31m"
LOG = f"2026-11-22 10:00:00, Error  needle {EVIL[:60]}\n".encode()


def hostile_report(now_s):
    hello = pb.Hello(protocol=1, agent_version=EVIL, report_id=bytes(15) + b"\x01", trigger=EVIL)
    hello.identity.CopyFrom(pb.Identity(serial=EVIL, model=EVIL, manufacturer=EVIL, macs=["02:00:00:00:00:01"]))
    hello.boot.CopyFrom(pb.Boot(image_build=EVIL, image_name=EVIL, boot_id=EVIL, os_version=EVIL))
    text = {name: pb.Value(text=EVIL) for name in ("driver", "hardware_id", "server", "switch", "switch_port")}
    place = {"address": pb.Value(text="10.10.1.9"), "prefix_length": pb.Value(integer=24), "wait_s": pb.Value(real=2.0)}
    bodies = [
        {"observation": pb.Observation(probe="address", target=EVIL, outcome="ok", reason=EVIL, facts=text | place)},
        {"observation": pb.Observation(probe="target", target=EVIL, outcome="ok", reason=EVIL, facts=text)},
        {"observation": pb.Observation(probe="switch-port", target=EVIL, outcome="failed", reason=EVIL, facts=text)},
        {"observation": pb.Observation(probe=EVIL, target="10.10.9.9:135", outcome="failed", reason=EVIL)},
        {"event": pb.Event(at_s=1.0, adapter=EVIL, kind=EVIL, detail=EVIL)},
        {"finding": pb.Finding(id=EVIL, title=EVIL, owner=EVIL, advice=EVIL, confidence=0.9)},
        {"log": pb.LogChunk(path=EVIL, data=LOG, expanded_bytes=len(LOG), file_bytes=len(LOG))},
        {"summary": pb.Summary(status="fault", finding_id=EVIL, title=EVIL, owner=EVIL, advice=EVIL)},
    ]
    return store.Arrived(hello, EVIL, "", now_s), [pb.Frame(sequence=n, **body) for n, body in enumerate(bodies, 1)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, now_s = tmp_path_factory.mktemp("hostile"), time.time()
    connection = store.open_writer(store.create(folder))
    connection.execute("BEGIN IMMEDIATE")
    arrived, frames = hostile_report(now_s)
    store.open_report(connection, arrived)
    store_frames(connection, [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in frames], now_s)
    catch_up(connection, now_s)(connection)
    connection.execute("COMMIT")
    connection.close()
    return folder


WORDS = {"machine": {"machine": "02:00:00:00:00:01"}, "timeline": {"boot": "000000000000"}, "logs": {"words": "needle"}}
SHOWING = [q for q in QUESTIONS if q.name not in ("why", "patterns", "changes", "silence", "delivery")]


@pytest.mark.parametrize("question", SHOWING, ids=lambda question: question.name)
def test_no_answer_steers_a_terminal_or_runs_in_a_spreadsheet(data, question):
    with questions.connected(data) as connection:
        answer = questions.ask(connection, question, WORDS.get(question.name, {}))
    shown = FORMATS["table"](answer)
    assert answer.rows
    assert not any(c in shown for c in "\x1b\x07\x9b\u202e\r")
    # The cells are those of real columns: something hostile was shown, and cleaned.
    assert "?" in shown or question.name in ("slow", "subnets", "site-hours", "subnet-days")
    for row in csv.reader(io.StringIO(FORMATS["csv"](answer), newline="")):
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row)


@pytest.mark.parametrize(
    "words", ['"', "needle OR", "NEAR(", "text:needle", "-needle", "ne*dle)", "'; DROP TABLE report", "*"]
)
def test_no_search_is_taken_for_the_search_s_own_language(data, words):
    with questions.connected(data) as connection:
        try:
            rows = questions.ask(connection, questions.question_named("logs"), {"words": words}).rows
        except UsageError:
            rows = ()
    assert all("needle" in row["text"] for row in rows)
