"""What arrives while the page is open, what is done on it, and hostile words that come in through it."""

import hashlib
import os
import subprocess
import sys
import time

import pytest
from pe_agent import wire
from pe_protos.v1 import report_pb2 as pb
from selenium.webdriver.common.by import By

EVIL = "<img src=x onerror=\"alert(1)\"><script>alert(2)</script></code>{{ 7*7 }}' onfocus='alert(3)"
HIDDEN = "gpj.\u202etxt\x1b[31m"
SHOWN = "gpj.<U+202E>txt\u241b[31m"


def hostile_report():
    """Every text that a machine can send says the same evil thing."""
    log = f"2026-11-22 10:00:00, Error {EVIL}\r\n{HIDDEN}\r\n".encode()
    evidence = [pb.Evidence(file=f"X:\\{EVIL}.log", line=1, text=EVIL), pb.Evidence(probe=EVIL, target=EVIL, text=EVIL)]
    now_ms = int(time.time() * 1000)
    clock = pb.Clock(uptime_s=30, wall_ms=now_ms)
    return pb.Report(
        hello=pb.Hello(
            protocol=1,
            agent_version="0.1.0",
            report_id=os.urandom(16),
            trigger="report",
            identity=pb.Identity(serial=EVIL[:60], manufacturer=EVIL, model=EVIL, macs=["52:54:00:ee:ee:01"]),
            boot=pb.Boot(image_build=EVIL, image_name=EVIL, began=clock),
            clock=clock,
        ),
        events=[pb.Event(at_s=3.5, adapter=EVIL, kind="link-up", detail=HIDDEN)],
        observations=[pb.Observation(probe="wds-rpc", target=EVIL, outcome="failed", reason="filtered", elapsed_s=1)],
        logs=[
            pb.LogChunk(
                path=f"X:\\{EVIL}.log",
                data=log,
                expanded_bytes=len(log),
                file_bytes=len(log),
                sha256=hashlib.sha256(log).digest(),
            )
        ],
        findings=[pb.Finding(id="wds-rpc-filtered", title=EVIL, owner="network", advice=EVIL, evidence=evidence)],
        summary=pb.Summary(status="fault", finding_id="wds-rpc-filtered", title=EVIL, owner="network", advice=EVIL),
    )


@pytest.fixture(scope="module")
def hostile(visiting, tmp_path_factory):
    """The report, uploaded through the page; the path of its boot."""
    report = hostile_report()
    path = tmp_path_factory.mktemp("usb") / "carried.jsonl"
    path.write_text(wire.report_to_json(report) + "\n", encoding="utf-8")
    visiting.open("/upload")
    visiting.driver.find_element(By.ID, "file").send_keys(str(path))
    visiting.run("document.querySelector('#upload button').click()")
    visiting.wait(lambda: "Open report" in visiting.text("#uploaded"), "the upload")
    return f"/boot/{report.hello.report_id.hex()}"


def test_a_report_of_an_agent_shows_up_without_reload(visitor, served):
    visitor.open("/")
    visitor.run("window.kept = 'not reloaded'")
    visitor.wait(lambda: visitor.text("#live") == "live", "the stream")
    before = set(visitor.texts("#board tbody th a"))
    told = ("--agents", "1", "--reports", "1", "--log-bytes", "1000", "--acks", str(served.data / "acks"))
    command = [
        sys.executable,
        "-m",
        "pe_collector",
        "loadgen",
        "--collector",
        served.ingest,
        "--data",
        str(served.data),
    ]
    sent = subprocess.run([*command, *told], capture_output=True, timeout=120, check=False)
    assert sent.returncode == 0, sent.stderr
    visitor.wait(lambda: set(visitor.texts("#board tbody th a")) - before, "a new row")
    assert visitor.run("return window.kept") == "not reloaded"
    assert visitor.complaints() == []


def test_an_operator_follows_a_pattern_up(visitor, served, places):
    name = places["pattern"].rpartition("/")[2]
    visitor.open(places["pattern"])
    visitor.driver.find_element(By.CSS_SELECTOR, "form:has(input[value=label]) input[name=value]").send_keys("Labs <b>")
    visitor.run("document.querySelector('form:has(input[value=label])').requestSubmit()")
    visitor.wait(lambda: visitor.texts("h1") == ["Labs <b>"], "its new name")
    visitor.run("document.querySelector('form:has(input[value=ack])').requestSubmit()")
    visitor.wait(lambda: "acknowledged" in visitor.texts(".tag"), "the mark")
    row = served.cli("why", name)
    assert (row["label"], row["acknowledged"]) == ("Labs <b>", True)
    assert visitor.complaints() == []


def test_hostile_words_are_shown_and_do_nothing(visitor, served, hostile):
    visitor.open(hostile)
    assert visitor.texts("h1") == [EVIL]
    assert SHOWN in visitor.text()
    link = visitor.run("return document.querySelector('.finding a').getAttribute('href')")
    for path in (link, "/", "/q/machines?search=52:54:00:ee:ee:01", "/sql?query=SELECT+title+FROM+reports+LIMIT+5"):
        visitor.open(path)
        assert (
            visitor.run("return document.querySelectorAll('main img, main script, [onerror], [onfocus]').length") == 0
        )
    visitor.open(link)
    assert EVIL in visitor.texts(".convicting code")[0]
    assert SHOWN in visitor.text(".log")
    # A dialog would have made every step since then fail.
    assert visitor.complaints() == []
    assert visitor.asked_hosts() == {served.ops}


def test_hostile_words_in_the_address_are_shown_and_do_nothing(visitor):
    visitor.open("/machine/%3Cscript%3Ealert(1)")
    assert "<script>alert(1)" in visitor.text(".problem")
    visitor.open("/q/machines?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&site=%27%22%3E")
    assert (
        visitor.run("return document.querySelector('main input[name=search]').value") == '"><script>alert(1)</script>'
    )
    assert visitor.run("return document.querySelectorAll('main script').length") == 0
    assert [said for said in visitor.complaints() if "400" not in said] == []


def test_a_code_that_is_none_is_refused_in_words(visitor):
    visitor.open("/upload")
    visitor.driver.find_element(By.NAME, "code").send_keys("THIS IS NO CODE")
    visitor.run("document.querySelector('form[action=\"/upload/code\"]').requestSubmit()")
    visitor.wait(lambda: visitor.texts(".answer-said"), "the answer")
    assert visitor.complaints() == []


def test_the_policy_stops_a_script_that_a_page_would_hold(visitor):
    visitor.open("/q")
    visitor.run("const e = document.createElement('script'); e.textContent = 'window.ran = 1'; document.body.append(e)")
    visitor.wait(lambda: visitor.run("return window.violations.length"), "the breach")
    assert visitor.run("return window.ran") is None
    visitor.complaints()
