"""Log files travel octet for octet; a huge one travels in part, is read whole, and the report says so."""

import hashlib

from pe_agent import logs
from pe_agent.logs import LogFile
from pe_agent.model import Outcome, Reason


def collect(path):
    chunks = []
    log = LogFile("shown", path, chunks.append)
    read = b"".join(log.blocks())
    log.close()
    return log, chunks, read


def test_the_chunks_of_a_log_joined_are_the_file(tmp_path):
    path = tmp_path / "setupact.log"
    path.write_bytes(bytes(range(256)) * 3000)
    log, chunks, read = collect(path)
    assert b"".join(c.octets for c in chunks) == path.read_bytes() == read
    assert chunks[-1].sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert log.observation(0.0, 0.0).outcome is Outcome.OK


def test_an_empty_log_is_reported_as_empty(tmp_path):
    path = tmp_path / "setupact.log"
    path.touch()
    _, chunks, _ = collect(path)
    assert [(c.octets, c.file_bytes, c.sha256) for c in chunks] == [(b"", 0, hashlib.sha256().digest())]


def test_an_empty_log_is_a_warning_but_for_the_one_that_holds_errors_only(tmp_path):
    for name, expected in (
        ("setupact.log", (Outcome.WARNING, Reason.EMPTY)),
        ("setuperr.log", (Outcome.OK, Reason.ANSWERED)),
    ):
        (tmp_path / name).touch()
        seen = collect(tmp_path / name)[0].observation(0.0, 0.0)
        assert (seen.outcome, seen.reason) == expected


def test_of_a_huge_log_head_and_tail_travel_and_all_of_it_is_read(tmp_path):
    path = tmp_path / "setupact.log"
    size = 300 * 1024 * 1024
    with path.open("wb") as file:
        file.write(b"head")
        file.seek(size - 4)
        file.write(b"tail")
    seen = 0
    chunks = []
    log = LogFile("shown", path, chunks.append)
    for block in log.blocks():
        seen += len(block)
    log.close()
    assert seen == size
    assert chunks[0].octets.startswith(b"head")
    assert chunks[-1].octets.endswith(b"tail")
    assert sum(len(c.octets) for c in chunks) <= logs.HEAD_OCTETS + logs.TAIL_OCTETS
    left_out = log.observation(0.0, 0.0).facts["left_out_bytes"]
    assert left_out == size - log.collected_bytes
    assert left_out > 0


def test_a_log_that_grew_sends_only_what_is_new(tmp_path):
    path = tmp_path / "setupact.log"
    path.write_bytes(b"one\r\n")
    log, chunks, _ = collect(path)
    with path.open("ab") as file:
        file.write(b"two\r\n")
    assert b"".join(log.blocks()) == b"one\r\ntwo\r\n"
    assert [(c.offset_bytes, c.octets) for c in chunks] == [(0, b"one\r\n"), (5, b"two\r\n")]
    assert chunks[-1].sha256 == hashlib.sha256(b"one\r\ntwo\r\n").digest()


def test_a_log_the_system_refuses_is_a_warning_with_its_reason(tmp_path):
    log = LogFile("shown", tmp_path / "absent.log", lambda _: None)
    observation = log.observation(0.0, 0.0, PermissionError(13, "sharing violation"))
    assert (observation.outcome, observation.reason) == (Outcome.WARNING, Reason.ACCESS_DENIED)
    assert observation.facts["error"] == "sharing violation"
