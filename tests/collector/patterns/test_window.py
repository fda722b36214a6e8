"""A look that reads only what changed finds what a look at everything anew finds, whatever happened in between."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from pe_collector import quarantine, sites, store
from pe_collector.findings import shelf
from pe_collector.findings.documents import document_of
from pe_collector.findings.live import noted_from_json
from pe_collector.findings.look import look_at
from pe_collector.findings.server_events import ATTRIBUTE
from pe_collector.findings.shelf import Shelf
from pe_collector.findings.silence import silent_boots
from pe_collector.findings.window import Window
from pe_collector.looking import Looker
from pe_collector.server_logs import ServerEvent
from pe_collector.server_side import store_events
from pe_collector.store.addresses import key_range
from pe_collector.store.frames import store_frames
from pe_collector.tokens import new_token
from pe_collector.upkeep.prune import Keep, prune
from pe_protos.v1 import report_pb2 as pb

from tests.collector.patterns.anew import boots_anew, with_server_events

BEGAN_S = 1_763_800_000.0
MOST = 60
HOUR_S = 3600.0


def frames_of(subnet, host, bad):
    place = pb.Observation(probe="address", target="Ethernet", outcome="ok", reason="answered", started_at_s=1.0)
    place.facts["address"].text = f"10.1.{subnet}.{host}"
    place.facts["prefix_length"].integer = 24
    place.facts["wait_s"].real = 31.0 if host % 7 == 0 else 2.0
    said = [pb.Frame(sequence=1, observation=place)]
    if bad:
        evidence = pb.Evidence(target="10.1.0.9:5040", text="filtered")
        said.append(
            pb.Frame(sequence=2, finding=pb.Finding(id="wds-rpc-filtered", confidence=0.9, evidence=[evidence]))
        )
    summary = pb.Summary(status="fault" if bad else "healthy", finding_id="wds-rpc-filtered" if bad else "")
    return [*said, pb.Frame(sequence=len(said) + 1, summary=summary)]


def whole(found):
    """All that a look tells: its patterns, and each boot with what it is searched by."""
    columns = found.seen.columns
    names = [name for name in columns if (columns[name].codes >= 0).any()]
    boots = []
    for row, boot in enumerate(found.seen.boots):
        words = {n: columns[n].values[columns[n].codes[row]] for n in names if columns[n].codes[row] >= 0}
        own = {name: value for name, value in boot.attributes.items() if name != ATTRIBUTE}
        boots.append((boot.report_id, boot.at_s, boot.address, boot.failures, boot.outcome, own, words))
    return [document_of(pattern, found.seen) for pattern in found.patterns], boots, found.whole_since_s


class Store:
    """A collector's database into which things come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = store.open_writer(store.create(folder))
        self.connection.execute("PRAGMA synchronous=OFF")
        self.unfinished: list[tuple[str, list[pb.Frame]]] = []
        self.number = 0
        self.now_s = BEGAN_S
        self.tokens = [new_token(self.connection, name, BEGAN_S).partition(".")[0] for name in "ab"]

    def open(self, machine, at_s, token=0):
        self.number += 1
        hello = pb.Hello(protocol=1, report_id=self.number.to_bytes(16, "big"))
        hello.identity.serial = f"S{machine}"
        hello.clock.wall_ms = int(at_s * 1000)
        store.open_report(self.connection, store.Arrived(hello, "10.9.9.9", self.tokens[token], at_s))
        return hello.report_id.hex()

    def bring(self, report_id, frames):
        self.now_s += 1.0
        filed = [store.file_frame(report_id, frame, frame.SerializeToString()) for frame in frames]
        self.connection.execute("BEGIN IMMEDIATE")
        store_frames(self.connection, filed, self.now_s)
        self.connection.execute("COMMIT")

    def come(self, machine, at_s, subnet, *, bad, token=0, only=None):
        report_id = self.open(machine, at_s, token)
        frames = frames_of(subnet, machine % 200 + 1, bad)
        self.bring(report_id, frames[:only])
        if only is not None:
            self.unfinished.append((report_id, frames[only:]))

    def logged(self, at_s, number, mac="", ip="", level="Info"):
        self.number += 1
        text = f"line {number}"
        event = ServerEvent("wds-events", at_s, mac, ip, number, text, level, "", "e.xml", self.number)
        store_events(self.connection, [event])

    def cold(self):
        """A look at everything anew."""
        boots, whole_since_s = boots_anew(self.connection, MOST)
        silent = [boot for boot in silent_boots(self.connection, 0.0, None) if boot.at_s >= whole_since_s]
        found = look_at(Shelf.of((*with_server_events(self.connection, boots), *silent)))
        return replace(found, whole_since_s=whole_since_s)


class Looks(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.kept = Path(tempfile.mkdtemp())
        self.store = Store(self.kept)
        self.window = Window(MOST)
        self.at_s = BEGAN_S

    def teardown(self):
        self.look()
        self.store.connection.close()
        shutil.rmtree(self.kept)

    @rule(count=st.integers(1, 12), subnet=st.integers(0, 2), bad=st.booleans(), late_h=st.integers(0, 3))
    def reports_come(self, count, subnet, bad, late_h):
        for machine in range(count):
            self.at_s += 47.0
            self.store.come(10 * subnet + machine, self.at_s - late_h * HOUR_S, subnet, bad=bad, token=int(bad))

    @rule(wait_h=st.integers(1, 30))
    def time_goes_by(self, wait_h):
        self.at_s += wait_h * HOUR_S

    @rule(machine=st.integers(0, 30), only=st.integers(0, 2))
    def a_report_begins(self, machine, only):
        self.at_s += 5.0
        self.store.come(machine, self.at_s, machine // 10, bad=True, only=only)

    @rule()
    def a_report_goes_on(self):
        if self.store.unfinished:
            report_id, frames = self.store.unfinished.pop()
            self.store.bring(report_id, frames)

    @rule(hidden=st.booleans(), token=st.integers(0, 1))
    def a_token_is_quarantined_or_not_any_more(self, hidden, token):
        name = self.store.tokens[token]
        asked = "SELECT 1 FROM quarantine WHERE token_id=? AND lifted IS NULL"
        known = self.store.connection.execute(asked, (name,)).fetchone()
        if hidden:
            quarantine.hide(self.store.connection, name, 0.0, self.at_s)
        elif known:
            quarantine.lift(self.store.connection, name, self.at_s)

    @rule(keep_h=st.integers(1, 20))
    def what_is_old_goes(self, keep_h):
        keep_s = keep_h * HOUR_S
        prune(self.store.folder, Keep(keep_s, keep_s, keep_s, keep_s), self.at_s, pause=lambda _: None)
        self.store.unfinished.clear()

    @rule(names=st.lists(st.sampled_from(["Berlin", "Hamburg"]), min_size=1, max_size=3))
    def places_are_named(self, names):
        places = [sites.SitePrefix(key_range(f"10.1.{n}.0/24"), name, "", "") for n, name in enumerate(names)]
        sites.store_sites(self.store.connection, places)

    @rule(number=st.integers(1, 3), before_s=st.integers(0, 300), level=st.sampled_from(["Info", "Error"]))
    def a_server_logs(self, number, before_s, level):
        self.store.logged(self.at_s - before_s, str(number), level=level)

    @rule(machines=st.integers(1, 6), before_h=st.integers(2, 5))
    def machines_boot_and_say_nothing(self, machines, before_h):
        for n in range(machines):
            ip = f"10.1.3.{n + 9}"
            self.store.logged(self.at_s - before_h * HOUR_S, "4096", mac=f"52:54:00:00:01:{n:02x}", ip=ip)

    @rule()
    def look(self):
        assert whole(self.window.look(self.store.connection)) == whole(self.store.cold())


TestLooks = Looks.TestCase
TestLooks.settings = settings(max_examples=12, stateful_step_count=20, phases=[Phase.generate, Phase.shrink])


def filled(folder, bad=6):
    """Two subnets, in one of which every boot fails since an hour."""
    made = Store(folder)
    for n in range(30):
        made.come(n % 6, BEGAN_S + 600.0 * n, 1, bad=False)
        made.come(10 + n % 6, BEGAN_S + 600.0 * n + 60.0, 2, bad=False)
    for n in range(bad):
        made.come(n, BEGAN_S + 20_000.0 + 60.0 * n, 1, bad=True)
    return made


def test_a_look_without_anything_new_is_the_last_one_again(tmp_path):
    made, window = filled(tmp_path), Window()
    first = window.look(made.connection)
    assert [dict(one.conditions)["prefix"] for one in first.patterns] == ["10.1.1.0/24"]
    assert window.look(made.connection) is first
    made.come(20, BEGAN_S + 21_000.0, 2, bad=False)
    assert (
        window.look(made.connection).patterns[0].counts.boots_elsewhere == first.patterns[0].counts.boots_elsewhere + 1
    )


def test_a_finding_that_comes_before_the_verdict_is_seen(tmp_path):
    made, window = filled(tmp_path, bad=0), Window()
    for n in range(6):
        made.come(n, BEGAN_S + 20_000.0 + 60.0 * n, 1, bad=True, only=1)
    assert window.look(made.connection).patterns == ()
    for report_id, frames in made.unfinished:
        made.bring(report_id, frames[:1])
    found = window.look(made.connection)
    assert {boot.failures["wds-rpc-filtered"] for boot in found.seen.boots if boot.failures} == {"10.1.0.9:5040"}


def test_words_that_no_boot_has_any_more_are_let_go(tmp_path, monkeypatch):
    made, window = filled(tmp_path), Window(40)
    monkeypatch.setattr(shelf, "_STALE_AT_LEAST", 50)
    for n in range(300):
        made.come(1000 + n, BEGAN_S + 22_000.0 + n, n % 3, bad=False)
        if n % 20 == 0:
            anew = look_at(Shelf.of(boots_anew(made.connection, 40)[0]))
            assert whole(window.look(made.connection))[1] == whole(anew)[1]
    assert len(window.shelf.machines.names) < 250


def test_the_process_that_looks_goes_on_where_it_was(tmp_path):
    made = filled(tmp_path)
    looker = Looker(tmp_path / store.FILE_NAME)
    for _ in range(2):
        looker.ask(BEGAN_S + 25_000.0)
        answer = None
        while answer is None:
            answer = looker.answer(60.0)
        (live,) = noted_from_json(answer).live.values()
        assert live.cause.document["failed"] == 6
    assert looker.close() == ""
    made.connection.close()


def test_a_process_that_cannot_look_says_why_and_ends(tmp_path):
    looker = Looker(tmp_path / "nothing" / store.FILE_NAME)
    looker.ask(BEGAN_S)
    answer = None
    while answer is None:
        answer = looker.answer(60.0)
    assert answer == ""
    assert "pe-collector init" in looker.close()
