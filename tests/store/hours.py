"""Reports that come at any time, hours that are counted, and whether both say the same."""

from pe_collector import sites, store
from pe_collector.questions import asking
from pe_collector.questions.contract import Asked
from pe_collector.questions.counted import counted, of_reports
from pe_collector.questions.filters import Filters
from pe_collector.questions.rollup import DELIVERY_HOURS, PORT_DAYS, SITE_HOURS, SUBNET_DAYS, prefix_hours
from pe_collector.store.addresses import key_range
from pe_collector.store.folding import fold
from pe_collector.store.frames import store_frames
from pe_collector.store.prefix_tree import COUNTED
from pe_protos.v1 import report_pb2 as pb

NOW = 1_763_000_000.0
DAY_S = 86400.0
OF_SITES = {"site-hours": SITE_HOURS, "subnet-days": SUBNET_DAYS, "ports": PORT_DAYS}
ROLLUPS = {
    **OF_SITES,
    "delivery": DELIVERY_HOURS,
    **{f"map {level}": prefix_hours(level, "") for level in range(COUNTED)},
}
CELLS = ("rate_site_hour", "rate_subnet_day", "rate_port_day", "rate_prefix_hour", "rate_delivery_hour")


# Of each level of the heat map's tree more than one.
NETWORKS = (("10.1.0.{}", 24), ("10.1.1.{}", 24), ("10.77.32.{}", 24), ("2001:db8:1:2300::{}", 64))


def frames_of(number, status, subnet, port):
    address = pb.Observation(probe="address", target="Ethernet", outcome="ok", reason="answered", started_at_s=1.0)
    form, length = NETWORKS[subnet]
    facts = {"address": form.format(number % 200 + 1), "prefix_length": length, "link_up": True}
    for name, value in facts.items():
        kind = "flag" if isinstance(value, bool) else "integer" if isinstance(value, int) else "text"
        setattr(address.facts[name], kind, value)
    address.facts["wait_s"].real = 30.0 if number % 3 == 0 else 2.0
    rpc = pb.Observation(probe="wds-rpc", target=f"10.1.0.9:{port}", outcome="failed" if status == "fault" else "ok")
    summary = pb.Summary(status=status, finding_id="x" if status == "fault" else "")
    return [
        pb.Frame(sequence=1, observation=address),
        pb.Frame(sequence=2, observation=rpc),
        pb.Frame(sequence=3, summary=summary),
    ]


def come(connection, number, at_s, *told, frames=slice(None), **how):
    """A report of machine `number` modulo 5, or some of its frames; `told` is status, subnet and port."""
    status, subnet, port = told or ("healthy", 1, 5040)
    hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"), identity=pb.Identity(serial=f"S{number % 5}"))
    hello.clock.wall_ms = int(at_s * 1000) + number
    connection.execute("BEGIN IMMEDIATE")
    store.open_report(connection, store.Arrived(hello, "here", f"t{number % 2}", at_s, **how))
    name = hello.report_id.hex()
    filed = [store.file_frame(name, f, f.SerializeToString()) for f in frames_of(number, status, subnet, port)[frames]]
    store_frames(connection, filed, at_s + 15.0 * len(filed))
    connection.execute("COMMIT")


def fold_now(connection, now_s):
    step = fold(connection, now_s, 60.0)
    connection.execute("BEGIN IMMEDIATE")
    stored = step(connection)
    connection.execute("COMMIT")
    return stored


def check(folder):
    with asking.connected(folder) as connection:
        asked = Asked(connection, Filters(), {}, NOW)
        for name, rollup in ROLLUPS.items():
            assert rounded(counted(asked, rollup)) == rounded(of_reports(connection, rollup, Filters(), ())), name


def rounded(cells):
    """An average depends in its last digit on the order in which it was added up."""
    return {key: [float(f"{v:.9g}") if isinstance(v, float) else v for v in values] for key, values in cells.items()}


def cells(connection):
    return {table: sorted(tuple(row) for row in connection.execute(f"SELECT * FROM {table}")) for table in CELLS}


def given_sites(connection, number):
    rows = [sites.SitePrefix(key_range(f"10.1.{n}.0/24"), f"site{n % number}") for n in range(4)]
    sites.store_sites(connection, rows)
