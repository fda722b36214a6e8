"""What a leaf acknowledged arrives at its hub, once, whatever happens to hub and link; what cannot go on is counted."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
from pe_protos.v1 import report_pb2 as pb

from tests.collector.conftest import run_cli
from tests.delivery.cutting import Cut, Cutter
from tests.forward.conftest import an_id

COUNT = "SELECT count(*), coalesce(min(complete), 1) FROM report"


def load(leaf, reports: int, acknowledged) -> subprocess.CompletedProcess:
    return subprocess.run(loading(leaf, reports, acknowledged), capture_output=True, timeout=200, check=False)


def loading(leaf, reports: int, acknowledged) -> list[str]:
    return [
        *(sys.executable, "-m", "pe_collector", "loadgen", "--collector", leaf.address, "--tls"),
        *("--data", str(leaf.data), "--agents", "8", "--reports", str(reports), "--log-bytes", "2000"),
        *("--acks", str(acknowledged)),
    ]


def sending_to(leaf, reports: int, acknowledged) -> subprocess.Popen:
    return subprocess.Popen(loading(leaf, reports, acknowledged), stdout=subprocess.DEVNULL)


def check_all_there(house, acknowledged) -> None:
    """Every acknowledged report is at the hub, whole, its frames there once."""
    wanted = {line.strip() for line in acknowledged.read_text().splitlines()}
    assert wanted
    house.wait("hub", COUNT, [(len(wanted), 1)])
    assert {row[0] for row in house.rows("hub", "SELECT report_id FROM report")} == wanted
    assert house.rows("hub", "SELECT count(*) FROM frame") == house.rows("leaf", "SELECT count(*) FROM frame")
    logs = "SELECT report_id, sequence, expanded_bytes, codec FROM log_chunk ORDER BY 1, 2"
    assert house.rows("hub", logs) == house.rows("leaf", logs)


def test_a_report_goes_on_with_what_is_known_of_where_it_came_from(house, deliver):
    hub = house.start_hub()
    leaf = house.start_leaf(hub.address)
    deliver(leaf, 1)
    house.wait("hub", COUNT, [(1, 1)])
    columns = "report_id, peer, received_at, booted_at, outcome, verdict, stored_through"
    assert house.rows("hub", f"SELECT {columns} FROM report") == house.rows("leaf", f"SELECT {columns} FROM report")
    through = house.rows("hub", "SELECT token.name, token.role FROM forwarded JOIN token USING (token_id)")
    assert through == [("berlin", "leaf")]
    shown = json.loads(run_cli("show", an_id(1).hex(), "--format", "json", data=house.folders / "hub").stdout)
    assert shown["through"]["leaf"] == "berlin"
    house.wait("leaf", "SELECT through, state FROM forward", [(5, "open")])


def test_a_report_goes_on_while_it_grows(house, deliver, frames):
    hub = house.start_hub()
    leaf = house.start_leaf(hub.address)
    whole = frames.whole()
    deliver(leaf, 1, whole[:2])
    house.wait("hub", "SELECT stored_through, complete FROM report", [(2, 0)])
    deliver(leaf, 1, whole)
    house.wait("hub", "SELECT stored_through, complete FROM report", [(5, 1)])


def test_what_came_while_no_hub_was_there_goes_on_later(house, deliver, tmp_path):
    hub = house.start_hub()
    port = int(hub.address.rpartition(":")[2])
    hub.stop()
    leaf = house.start_leaf(hub.address)
    for number in range(1, 6):
        deliver(leaf, number)
    assert leaf.process.poll() is None
    house.start_hub(port)
    house.wait("hub", COUNT, [(5, 1)])


def test_the_next_hub_is_taken_when_one_is_away(house, deliver):
    hub = house.start_hub()
    leaf = house.start_leaf("127.0.0.1:9", hub.address)
    deliver(leaf, 1)
    house.wait("hub", COUNT, [(1, 1)])


def kill_hub_under_load(house, tmp_path, reports: int, kills: int) -> None:
    hub = house.start_hub()
    port = int(hub.address.rpartition(":")[2])
    leaf = house.start_leaf(hub.address)
    acknowledged = tmp_path / "acknowledged"
    sending = sending_to(leaf, reports, acknowledged)
    for kill in range(1, kills + 1):
        until_s = time.monotonic() + 60
        least = reports * kill // (kills + 2)
        while house.rows("hub", "SELECT count(*) FROM report")[0][0] < least and time.monotonic() < until_s:
            time.sleep(0.01)
        hub.stop(signal.SIGKILL)
        hub = house.start_hub(port)
    assert sending.wait(200) == 0
    check_all_there(house, acknowledged)


def test_nothing_is_missing_when_the_hub_is_killed(house, tmp_path):
    kill_hub_under_load(house, tmp_path, 60, 2)


@pytest.mark.slow
@pytest.mark.parametrize("_round", range(20))
def test_nothing_is_missing_however_often_the_hub_is_killed(house, tmp_path, _round):
    kill_hub_under_load(house, tmp_path, 400, 5)


CUTS = (1, 300, 2_000, 6_000, 20_000)


def shake(house, tmp_path, seed: int, reports: int, cuts: tuple[int, int]) -> None:
    """Cut the link again and again at random places and ways, and kill the hub between."""
    print("seed", seed)
    rng = random.Random(seed)
    # Reports go up, receipts come down: an acknowledgement is small. Of most connections something comes through.
    ways = rng.choices([("upward", 3.5, 4.6), ("downward", 3.4, 3.8)], k=rng.randint(*cuts))
    turns = [Cut(**{way: round(10 ** rng.uniform(least, most))}) for way, least, most in ways]
    hub = house.start_hub()
    port = int(hub.address.rpartition(":")[2])
    with Cutter(hub.address) as cutter:
        leaf = house.start_leaf(cutter.listen(*turns))
        acknowledged = tmp_path / "acknowledged"
        sending = sending_to(leaf, reports, acknowledged)
        for _ in range(rng.randint(1, 3)):
            time.sleep(rng.uniform(0.5, 4.0))
            hub.stop(signal.SIGKILL)
            hub = house.start_hub(port)
        assert sending.wait(200) == 0
        wanted = len(acknowledged.read_text().splitlines())
        until_s = time.monotonic() + 240
        while house.rows("hub", COUNT) != [(wanted, 1)] and time.monotonic() < until_s:
            time.sleep(0.2)
        check_all_there(house, acknowledged)
        assert cutter.begun > 3, turns
        leaf.stop()


def test_nothing_is_missing_however_the_link_is_shaken(house, tmp_path):
    shake(house, tmp_path, 1, 100, (4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("_round", range(10))
def test_nothing_is_missing_wherever_the_link_is_shaken(house, tmp_path, _round):
    shake(house, tmp_path, random.SystemRandom().randrange(1 << 32), 300, (5, 20))


def test_what_is_let_go_during_a_long_cut_is_what_is_counted_and_every_verdict_arrives(house, tmp_path):
    hub = house.start_hub()
    port = int(hub.address.rpartition(":")[2])
    hub.stop()
    leaf = house.start_leaf(hub.address)
    acknowledged = tmp_path / "acknowledged"
    done = load(leaf, 60, acknowledged)
    assert done.returncode == 0, done.stderr
    leaf.stop()
    ((waits, of_logs),) = house.rows("leaf", "SELECT sum(w.octets), (SELECT sum(length(coalesce(b.octets, c.data))) "
        "FROM log_chunk c LEFT JOIN log_blob b ON b.address=c.blob) FROM forward_waiting w")  # fmt: skip
    # Room for all verdicts and answers, not for all logs.
    leaf = house.start_leaf(hub.address, forward_budget_octets=waits - of_logs // 2)
    until_s = time.monotonic() + 60
    while not house.rows("leaf", "SELECT 1 FROM forward_loss") and time.monotonic() < until_s:
        time.sleep(0.2)
    # Technicians at the site are answered meanwhile.
    answer = json.loads(run_cli("machines", "--format", "json", "--limit", "1000", data=leaf.data).stdout)
    assert len(answer) == house.rows("leaf", "SELECT count(*) FROM machine")[0][0] > 0
    house.start_hub(port)
    wanted = len(acknowledged.read_text().splitlines())
    house.wait("hub", COUNT, [(wanted, 1)])
    verdicts = "SELECT report_id, outcome, verdict FROM report ORDER BY 1"
    assert house.rows("hub", verdicts) == house.rows("leaf", verdicts)
    lost = house.rows("leaf", "SELECT what, times FROM forward_loss")
    left_out = "SELECT count(DISTINCT report_id || path) FROM log_chunk WHERE codec='left-out'"
    assert lost == [("log", house.rows("hub", left_out)[0][0])]
    assert lost[0][1] > 0


def cut_link(house, tmp_path, cut: Cut, reports: int) -> None:
    hub = house.start_hub()
    with Cutter(hub.address) as cutter:
        leaf = house.start_leaf(cutter.listen(cut))
        acknowledged = tmp_path / "acknowledged"
        done = load(leaf, reports, acknowledged)
        assert done.returncode == 0, done.stderr
        check_all_there(house, acknowledged)
        # Before the proxy goes: what a leaf says to nobody is no test.
        leaf.stop()


@pytest.mark.parametrize("octets", CUTS[2:4])
def test_nothing_is_missing_when_the_link_is_cut(house, tmp_path, octets):
    cut_link(house, tmp_path, Cut(upward=octets), 20)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["upward", "downward"])
@pytest.mark.parametrize("octets", [*CUTS, *range(500, 12_000, 571)])
def test_nothing_is_missing_wherever_the_link_is_cut(house, tmp_path, octets, way):
    cut_link(house, tmp_path, Cut(**{way: octets}), 20)


def test_a_foreign_authority_or_token_loses_nothing(house, deliver, folders):
    hub = house.start_hub()
    wrong = house.start_leaf(hub.address, forward_ca="ca.pem")
    deliver(wrong, 1)
    wrong.stop()
    (folders / "leaf" / "wrong.token").write_bytes((folders / "leaf" / "first.token").read_bytes())
    foreign = house.start_leaf(hub.address, forward_token_file="wrong.token")
    deliver(foreign, 2)
    foreign.stop()
    assert house.rows("hub", "SELECT count(*) FROM report") == [(0,)]
    house.start_leaf(hub.address)
    house.wait("hub", COUNT, [(2, 1)])


def test_a_report_that_is_somebody_elses_is_refused_and_the_others_go_on(house, deliver):
    hub = house.start_hub()
    deliver(hub, 1)
    leaf = house.start_leaf(hub.address)
    deliver(leaf, 1)
    deliver(leaf, 2)
    house.wait("leaf", "SELECT report_id, state FROM forward ORDER BY 1", [
        (an_id(1).hex(), "refused"), (an_id(2).hex(), "open")
    ])  # fmt: skip
    (reason,) = house.rows("leaf", "SELECT reason FROM forward WHERE state='refused'")[0]
    assert "foreign-report" in reason
    assert house.rows("hub", "SELECT count(*) FROM forwarded") == [(1,)]


def test_a_hello_that_the_hub_does_not_take_holds_up_nobody(house, deliver, frames, folders):
    """The hub's bounds are narrower than the leaf's."""
    (folders / "hub" / "collector.toml").write_text("list_members = 4\n")
    hub = house.start_hub()
    leaf = house.start_leaf(hub.address)
    hello = frames.hello(leaf.token, an_id(1))
    hello.hello.identity.macs[:] = [f"52:54:00:00:00:{n:02x}" for n in range(6)]
    from tests.collector.conftest import Client

    with leaf.channel() as channel:
        sender = Client(channel).send(hello, *frames.whole()).end()
        sender.stored_through(5)
        sender.refusal()
    for number in (2, 3):
        deliver(leaf, number)
    house.wait("leaf", "SELECT state, count(*) FROM forward GROUP BY state ORDER BY 1", [("open", 2), ("refused", 1)])
    house.wait("hub", COUNT, [(2, 1)])


def test_a_rotated_token_goes_on_with_its_reports(house, deliver, frames, folders):
    hub = house.start_hub()
    leaf = house.start_leaf(hub.address)
    whole = frames.whole()
    deliver(leaf, 1, whole[:2])
    house.wait("hub", "SELECT stored_through FROM report", [(2,)])
    leaf.stop()
    (token_id,) = house.rows("hub", "SELECT token_id FROM token WHERE role='leaf'")[0]
    done = run_cli("tokens", "rotate", token_id, data=folders / "hub")
    assert done.returncode == 0, done.stderr
    (folders / "leaf" / "hub.token").write_bytes(done.stdout.splitlines()[0] + b"\n")
    again = house.start_leaf(hub.address)
    deliver(again, 1, whole)
    house.wait("hub", "SELECT stored_through, complete FROM report", [(5, 1)])


def test_a_hub_hides_what_a_leafs_quarantined_token_sent(house, deliver, folders):
    hub = house.start_hub()
    leaf = house.start_leaf(hub.address)
    deliver(leaf, 1)
    house.wait("hub", COUNT, [(1, 1)])
    (token_id,) = house.rows("hub", "SELECT token_id FROM token WHERE role='leaf'")[0]
    done = run_cli("tokens", "quarantine", token_id, "--since", "1h", data=folders / "hub")
    assert done.returncode == 0, done.stderr
    deliver(leaf, 2)
    time.sleep(2.0)
    assert house.rows("hub", "SELECT count(*) FROM report") == [(0,)]


def test_a_parcel_of_a_plain_token_is_not_believed_where_it_came_from(house, frames):
    import queue

    hub = house.start_hub()
    told = [frames.hello("", an_id(1)), *frames.whole()]
    parcels = queue.SimpleQueue()
    parcel = pb.Parcel(
        token=hub.token, frames=[f.SerializeToString() for f in told], peer="ipv4:10.9.9.9:1", received_at=1.0
    )
    parcels.put(parcel.SerializeToString())
    with hub.channel() as channel:
        call = channel.stream_stream("/pe.v1.Ingest/Forward", response_deserializer=pb.ParcelReceipt.FromString)
        receipts = call(iter(parcels.get, None), timeout=60)
        assert next(receipts).receipt.complete
        parcels.put(None)
        list(receipts)
    ((peer, received_at),) = house.rows("hub", "SELECT peer, received_at FROM report")
    assert peer.startswith("ipv4:127.0.0.1:")
    assert received_at > 1.7e9


def test_a_leaf_token_opens_nothing_else(house, frames):
    from tests.collector.conftest import Client

    hub = house.start_hub()
    token = (house.folders / "leaf" / "hub.token").read_text().strip()
    with hub.channel() as channel:
        code, said = Client(channel).send(frames.hello(token, an_id(1))).end().refusal()
    assert code.name == "UNAUTHENTICATED"
    assert "leaf token" in said
