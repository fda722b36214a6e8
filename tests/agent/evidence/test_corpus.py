from __future__ import annotations

from pathlib import Path

import pytest
from pe_agent import signatures
from pe_agent.signatures import SignatureSet

from .cases import CORPUS, judged, marks_of, read_case

CASES = sorted(path for path in CORPUS.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def rows() -> SignatureSet:
    return signatures.load()


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_case_yields_exactly_what_it_expects(folder: Path, rows: SignatureSet) -> None:
    case = read_case(folder)
    judgement = judged(case, rows)
    found = {
        "status": judgement.verdict.status,
        "owner": judgement.verdict.owner,
        "findings": [finding.id for finding in judgement.findings],
        "marks": sorted(marks_of(case, rows)),
        "ruled_out": [ruled_out.id for ruled_out in judgement.verdict.ruled_out],
    }
    expected = {name: value for name, value in case.expected.items() if name != "near"}
    assert found == expected


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_case_does_not_meet_what_it_only_comes_close_to(folder: Path, rows: SignatureSet) -> None:
    case = read_case(folder)
    assert not marks_of(case, rows) & set(case.expected.get("near", []))


@pytest.mark.parametrize("key", ["marks", "near"])
def test_every_signature_about_probes_has_a_case_and_a_near_miss(key: str, rows: SignatureSet) -> None:
    """Those about logs have theirs in rows/."""
    shown = {name for folder in CASES for name in read_case(folder).expected.get(key, [])}
    assert {signature.id for signature in rows.signatures if signature.when.probe} <= shown


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_no_sentence_of_a_case_lacks_a_value(folder: Path, rows: SignatureSet) -> None:
    judgement = judged(read_case(folder), rows)
    sentences = [s for f in judgement.findings for s in (f.title, f.advice)]
    sentences += [r.because for r in judgement.verdict.ruled_out]
    assert not [s for s in sentences if "(not known)" in s or "$" in s]


@pytest.mark.parametrize("name", ["open-now-log-says-closed", "asked-after-address"])
def test_a_server_that_answers_again_is_not_called_blocked(name: str, rows: SignatureSet) -> None:
    verdict = judged(read_case(CORPUS / name), rows).verdict
    assert "answers on TCP 5040 now" in verdict.title
    assert "no session with the WDS server at " in verdict.title
    assert verdict.advice.startswith("Start Setup again.")
    assert "restart of the WDSServer service" in verdict.advice
    assert "Check that TCP 135" not in verdict.advice
