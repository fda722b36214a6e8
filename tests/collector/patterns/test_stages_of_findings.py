from dataclasses import replace

import pytest
from pe_agent.model import Reason
from pe_agent.probes import PROBES
from pe_agent.signatures import load
from pe_collector.boots import Boot, host_of_peer
from pe_collector.engine import nodes
from pe_collector.findings.rows import Seen, ground_of
from pe_collector.findings.sentences import words
from pe_collector.findings.stages import fault_of, probe_stages, stages_for, warning_of

BOOT = Boot("r", "m", 0.0, outcome="fault")


def test_every_signature_of_the_agent_has_a_stage():
    assert [row.id for row in load().signatures if row.id not in nodes.stages().order] == []


def test_every_answer_that_no_signature_explains_has_the_stage_of_its_probe():
    assert {probe.name for probe in PROBES} <= probe_stages().keys()
    assert set(probe_stages().values()) <= set(nodes.stages().names)
    answers = [f"{probe.name}-{reason}" for probe in PROBES for reason in Reason]
    known = stages_for(answers).order
    assert [name for name in answers if name not in known] == []


def test_every_title_is_about_a_signature_that_exists():
    assert [name for name in words() if name not in nodes.stages().order] == ["endpoint-mapper-refused"]


def test_the_fault_at_the_earliest_stage_speaks_for_a_boot():
    boot = replace(BOOT, failures={"smb-port-filtered": "", "wds-rpc-filtered": "", "no-address": ""})
    assert fault_of(boot) == "no-address"


def test_at_one_stage_the_verdict_of_the_machine_decides():
    failures = {"wds-rpc-filtered": "", "wds-client-no-path": ""}
    for verdict in failures:
        assert fault_of(replace(BOOT, failures=failures, verdict=verdict)) == verdict


def test_a_warning_is_no_fault_unless_it_is_the_verdict_of_a_boot_that_failed():
    boot = replace(BOOT, failures={"late-address": "", "wds-rpc-filtered": ""})
    assert (fault_of(boot), warning_of(boot)) == ("wds-rpc-filtered", "late-address")
    assert fault_of(replace(boot, verdict="late-address")) == "late-address"


@pytest.mark.parametrize("outcome", ["healthy", "warning"])
def test_a_blocked_path_beside_one_that_works_is_a_warning(outcome):
    boot = replace(BOOT, failures={"wds-rpc-filtered": ""}, outcome=outcome)
    assert (fault_of(boot), warning_of(boot)) == ("", "wds-rpc-filtered")


def test_a_guess_counts_only_where_nothing_better_is_known():
    guess = {"wds-rpc-truncated": ""}
    assert fault_of(replace(BOOT, doubtful=guess)) == "wds-rpc-truncated"
    assert fault_of(replace(BOOT, doubtful=guess, failures={"no-address": ""})) == "no-address"
    assert fault_of(replace(BOOT, doubtful=guess, outcome="healthy")) == ""


def machines_of(boots):
    """How many machines the boots are taken for, those without a finding being well."""
    seen = Seen.of(boots)
    return len(set(ground_of(seen, seen.faults).table.machines.tolist()))


def sent(count, failed, **words):
    return [
        Boot(
            f"r{n}", f"m{n}", float(n), failures={"no-address": ""} if n < failed else {}, healthy=n >= failed, **words
        )
        for n in range(count)
    ]


def test_an_address_that_only_ever_sent_failures_of_many_machines_counts_as_one():
    assert machines_of(sent(6, 6, source="10.9.9.9")) == 1
    assert machines_of([*sent(6, 6, source="10.9.9.9"), Boot("r", "m", 9.0, healthy=True)]) == 2


def test_a_few_machines_behind_one_address_are_believed():
    assert machines_of(sent(3, 3, source="10.9.9.9")) == 3


def test_a_room_behind_one_address_has_healthy_boots_and_is_believed():
    assert machines_of(sent(8, 5, source="10.9.9.9")) == 8


def test_reports_that_a_file_brought_are_not_of_one_source():
    assert machines_of(sent(6, 6)) == 6


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.1.1.5:5123", "10.1.1.5"),
        ("ipv6:%5B2001:db8::5%5D:5123", "2001:db8::5"),
        ("10.1.1.5:5123", "10.1.1.5"),
        ("[2001:db8::5]:5123", "2001:db8::5"),
        ("fleet.jsonl", "fleet.jsonl"),
    ],
)
def test_the_host_of_a_peer_is_its_address(peer, host):
    assert host_of_peer(peer) == host
