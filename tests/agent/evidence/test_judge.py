from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pe_agent import signatures
from pe_agent.judge import judge
from pe_agent.model import Observation, Outcome, Owner, Reason, Status
from pe_agent.scan import MOST_HITS, scan_log
from pe_agent.signatures import SignatureSet

from .cases import CORPUS, Case, hits_of, judged, read_case


@pytest.fixture(scope="module")
def rows() -> SignatureSet:
    return signatures.load()


def case(name: str) -> Case:
    return read_case(CORPUS / name)


def test_a_dropped_port_names_port_server_router_and_who_must_act(rows: SignatureSet) -> None:
    verdict = judged(case("port-filtered-and-log"), rows).verdict
    assert all(part in verdict.title for part in ("TCP 5040", "WDS01", "10.10.9.20", "10.20.0.1"))
    assert (verdict.status, verdict.owner) == (Status.FAULT, Owner.NETWORK)


def test_probe_and_log_together_are_one_finding_with_both_evidences(rows: SignatureSet) -> None:
    (finding,) = judged(case("port-filtered-and-log"), rows).findings
    assert {e.probe for e in finding.evidence} >= {"wds-rpc", "path-trace"}
    assert {e.line for e in finding.evidence if e.file} == {1, 2, 3, 4}


def test_log_and_probe_that_agree_are_surer_than_the_probe_alone(rows: SignatureSet) -> None:
    alone = judged(case("port-filtered"), rows).verdict.confidence
    assert judged(case("port-filtered-and-log"), rows).verdict.confidence > alone


def test_a_late_address_leads_when_the_log_says_closed_and_the_port_is_open(rows: SignatureSet) -> None:
    judgement = judged(case("late-address-and-log"), rows)
    assert judgement.verdict.finding_id == "late-address"
    assert judgement.verdict.status is Status.FAULT
    timeline = [e.text for e in judgement.findings[0].evidence if e.probe == "timeline"]
    assert timeline[-1] == "address 10.20.3.44/24 at 34.4 s"


def test_a_port_that_is_closed_now_leads_before_an_address_that_came_late(rows: SignatureSet) -> None:
    seen = case("port-filtered-and-log")
    late = case("late-address").observations[0]
    judgement = judged(replace(seen, observations=(late, *seen.observations[1:])), rows)
    assert [f.id for f in judgement.findings] == ["wds-rpc-filtered", "late-address"]


def test_a_log_fault_is_less_sure_when_everything_is_open_now(rows: SignatureSet) -> None:
    alone = judged(case("seed-2008"), rows).verdict.confidence
    assert judged(case("open-now-log-says-closed"), rows).verdict.confidence < alone


def test_a_service_that_answers_on_135_is_ruled_out_as_the_cause(rows: SignatureSet) -> None:
    ruled_out = {r.id: r.because for r in judged(case("port-filtered"), rows).verdict.ruled_out}
    assert "answers on TCP 135" in ruled_out["wds-service-not-registered"]


def test_nothing_measured_is_not_known(rows: SignatureSet) -> None:
    skipped = Observation("wds-rpc", "", Outcome.SKIPPED, Reason.NO_TARGET)
    assert judge((), (), (), rows).verdict.status is Status.UNKNOWN
    assert judge((skipped,), (), (), rows).verdict.status is Status.UNKNOWN


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.WARNING, Outcome.CRASHED])
def test_a_bad_answer_that_no_row_knows_is_never_healthy(outcome: Outcome, rows: SignatureSet) -> None:
    odd = Observation("new-probe", "somewhere", outcome, Reason.MALFORMED)
    good = Observation("address", "eth0", Outcome.OK, Reason.ANSWERED)
    verdict = judge((good, odd), (), (), rows).verdict
    assert verdict.status in (Status.FAULT, Status.WARNING)
    assert "new-probe" in verdict.title


def test_one_address_that_answers_makes_the_others_silence_a_warning(rows: SignatureSet) -> None:
    second = Observation("wds-rpc", "[2001:db8::20]:5040", Outcome.FAILED, Reason.FILTERED, facts={"port": 5040})
    judgement = judge((*case("healthy").observations, second), (), (), rows)
    assert judgement.verdict.status is Status.WARNING
    assert "2001:db8::20" in judgement.verdict.title


def test_two_adapters_with_one_trouble_are_one_finding(rows: SignatureSet) -> None:
    adapters = [Observation("address", n, Outcome.FAILED, Reason.NO_LINK, facts={"adapter": n}) for n in ("a", "b")]
    (finding,) = judge(adapters, (), (), rows).findings
    assert [e.target for e in finding.evidence] == ["a", "b"]


def test_every_finding_has_evidence(rows: SignatureSet) -> None:
    for folder in CORPUS.iterdir():
        if folder.is_dir():
            assert all(f.evidence for f in judged(read_case(folder), rows).findings), folder.name


def test_the_verdict_carries_the_hash_of_the_rows(rows: SignatureSet) -> None:
    assert judge((), (), (), rows).verdict.signatures_sha256 == rows.sha256


def test_a_thousand_equal_lines_are_a_few_hits(rows: SignatureSet) -> None:
    log = case("seed-2008").logs["setupact.log"] * 1000
    failed = [h for h in scan_log("x", [log], rows) if h.row.id == "wds-client-session-failed"]
    assert len(failed) == MOST_HITS


def test_a_hit_comes_before_the_log_ends(rows: SignatureSet) -> None:
    log = case("seed-2008").logs["setupact.log"]

    def endless() -> Iterator[bytes]:
        while True:
            yield log

    assert next(scan_log("x", endless(), rows)).evidence.line == 1


def test_a_line_in_utf_16_convicts_like_one_in_utf_8(rows: SignatureSet) -> None:
    log = case("seed-2008").logs["setupact.log"]
    wide = b"\xff\xfe" + log.decode().encode("utf-16-le")
    narrow_lines = [h.evidence.line for h in hits_of(case("seed-2008"), rows)]
    assert [h.evidence.line for h in scan_log("x", [wide], rows)] == narrow_lines


def test_a_rejection_that_names_nobody_is_still_a_whole_sentence(rows: SignatureSet) -> None:
    silent = Observation("wds-rpc", "10.10.9.20:5040", Outcome.FAILED, Reason.REJECTED, facts={"errno": 13})
    verdict = judge((*case("port-filtered").observations[:4], silent), (), (), rows).verdict
    assert verdict.finding_id == "wds-rpc-rejected"
    assert "not known" not in verdict.title + verdict.advice
