import ipaddress
import re

import pytest
from pe_agent import wire
from pe_agent.model import Status
from pe_collector.boots import Boot
from pe_collector.findings.look import find_patterns
from pe_collector.fleet import FAULT_PREFIX, FAULT_SERVER, FAULT_SIGNATURE, simulate_fleet, write_fleet

NOW_S = 1_763_838_000.0
COLUMNS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?), (.{10}) (\[0x[0-9A-Fa-f]{6}\]| {10}) (.{6}) (.*)")


@pytest.fixture(scope="module")
def reports():
    return [wire.decode_report(message) for message in simulate_fleet(7, 300, 2000, NOW_S)]


def facts(report, probe):
    return next((o.facts for o in report.observations if o.probe == probe), {})


def as_boot(report):
    place, target = facts(report, "address"), facts(report, "target")
    address = place.get("address", "")
    subnet = str(ipaddress.ip_network(f"{address}/{place['prefix_length']}", strict=False)) if address else ""
    attributes = {
        "server": target.get("server", ""),
        "gateway": place.get("gateway", ""),
        "dhcp_server": place.get("dhcp_server", ""),
        "model": report.opening.identity.model,
        "image": report.opening.boot.image_name,
    }
    return Boot(
        report.opening.report_id.hex(),
        report.opening.identity.serial,
        report.opening.boot.began.wall_ms / 1000,
        address,
        subnet,
        attributes,
        {f.id: f.evidence[0].target for f in report.findings},
        report.verdict.status is Status.HEALTHY,
        frozenset(o.probe for o in report.observations),
    )


def test_the_injected_fault_is_the_only_pattern(reports):
    (found,) = find_patterns([as_boot(r) for r in reports])
    assert found.signature == (FAULT_SIGNATURE,)
    assert dict(found.conditions) == {"prefix": FAULT_PREFIX, "server": FAULT_SERVER}
    assert 0 <= found.onset_s - (NOW_S - 6 * 3600) < 1800


def test_the_same_seed_gives_the_same_reports():
    once, again = ([m.SerializeToString(deterministic=True) for m in simulate_fleet(3, 20, 40, NOW_S)] for _ in "ab")
    assert once == again
    assert once != [m.SerializeToString(deterministic=True) for m in simulate_fleet(4, 20, 40, NOW_S)]


def test_identifiers_are_version_7_and_each_its_own(reports):
    identifiers = [r.opening.report_id for r in reports]
    assert len(set(identifiers)) == len(reports)
    assert all(i[6] >> 4 == 7 and i[8] >> 6 == 2 for i in identifiers)
    assert all(int.from_bytes(r.opening.report_id[:6], "big") == r.opening.boot.began.wall_ms for r in reports)


def test_every_machine_keeps_its_own_marks(reports):
    marks = {(r.opening.identity.serial, r.opening.identity.macs, r.opening.identity.smbios_uuid) for r in reports}
    assert len(marks) == len({m[0] for m in marks}) == len({m[1] for m in marks}) == len({m[2] for m in marks})
    assert all(re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac) for m in marks for mac in m[1])


def test_reports_lie_in_the_day_before_now_in_order_and_end_before_it(reports):
    began = [r.opening.boot.began.wall_ms / 1000 for r in reports]
    assert began == sorted(began)
    assert began[0] >= NOW_S - 86400
    assert began[-1] + 100 <= NOW_S
    for message in simulate_fleet(7, 30, 50, NOW_S):
        hello, start = message.hello, message.hello.boot.began
        lasted_s = hello.clock.uptime_s - start.uptime_s
        assert lasted_s == pytest.approx((hello.clock.wall_ms - start.wall_ms) / 1000, abs=0.002)
        assert hello.clock.uptime_s == message.summary.finished_at_s


def test_noise_is_about_one_percent(reports):
    noisy = [r for r in reports if r.verdict.status is Status.FAULT and r.verdict.finding_id != FAULT_SIGNATURE]
    assert 5 <= len(noisy) <= 45


def test_the_log_of_a_blocked_boot_has_the_columns_of_setupact_log(reports):
    blocked = next(r for r in reports if r.verdict.finding_id == FAULT_SIGNATURE)
    text = blocked.logs[0].octets.decode()
    matches = [COLUMNS.fullmatch(line) for line in text.split("\r\n")[:-1]]
    assert len(matches) == 4
    assert all(matches)
    assert "[0x800706BA]" in matches[1][5]
    evidence = blocked.findings[0].evidence[1]
    assert evidence.text == text.split("\r\n")[evidence.line - 1]


def test_written_lines_are_read_back_as_the_same_reports(tmp_path):
    path = tmp_path / "fleet.jsonl"
    assert write_fleet(path, 5, 30, 60, NOW_S) == 60
    read = [wire.report_from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert read == list(simulate_fleet(5, 30, 60, NOW_S))
