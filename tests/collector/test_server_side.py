"""Servers' logs beside reports: what was imported, who never reported, and what a report's page says of it.

All logs here are synthetic.
"""

import json
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pe_collector import server_side, store
from pe_collector.reports import report_document
from pe_collector.server_logs import mac_in, read_server_log

BOOT_S = datetime(2026, 3, 2, 8, 15, 30, tzinfo=UTC).timestamp()
MAC, OTHER = "52:54:00:12:34:56", "52:54:00:12:34:57"
KEA_LINE = (
    f"2026-03-02 09:15:30.000 INFO  [kea-dhcp4.leases/8.1] DHCP4_LEASE_ALLOC [hwtype=1 {MAC}], cid=[no info], "
    "tid=0x1: lease 10.10.1.23 has been allocated for 3600 seconds\n"
)


def event(number: int, after_s: float, **values: str) -> str:
    time = datetime.fromtimestamp(BOOT_S + after_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    data = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in values.items())
    return (
        f"<Event><System><EventID>{number}</EventID><Level>4</Level><TimeCreated SystemTime='{time}'/></System>"
        f"<EventData>{data}</EventData></Event>\r\n"
    )


def booted(mac: str, ip: str) -> str:
    return event(4096, 0, MACAddress=mac.replace(":", "-").upper(), IPAddress=ip)


def image(ip: str, name: str = "Boot\\x64\\Images\\boot.wim") -> str:
    return event(4100, 25, ClientIP=ip, Filename=name)


def started(mac: str, ip: str) -> str:
    return event(4102, 60, IP=ip, MAC=f"{{00000000-0000-0000-0000-{mac.replace(':', '')}}}")


@pytest.fixture
def folder(tmp_path):
    store.create(tmp_path)
    return tmp_path


def import_text(cli, folder: Path, name: str, text: str, *options: str):
    path = folder / name
    path.write_text(text, newline="")
    os.utime(path, (BOOT_S + 3600, BOOT_S + 3600))
    done = cli("import", str(path), *options, data=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def silent(folder: Path) -> list[dict]:
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        return server_side.silent_machines(connection, 0.0)


def report(folder: Path, frames, at_s: float = BOOT_S + 60) -> str:
    hello = frames.hello("").hello
    with closing(store.open_writer(folder / store.FILE_NAME)) as connection:
        opened = store.open_report(connection, store.Arrived(hello, "10.10.1.23:50000", "", at_s))
        connection.execute("UPDATE report SET address='10.10.1.23'")
    assert opened
    return hello.report_id.hex()


def document(folder: Path, report_id: str) -> dict:
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        return report_document(connection, report_id)


def test_a_machine_that_got_its_image_and_never_reached_rpc_is_silent_with_its_mac(cli, folder):
    text = f"<Events>{booted(MAC, '10.10.1.23')}{image('10.10.1.23')}</Events>"
    assert "2 new events" in import_text(cli, folder, "events.xml", text)
    done = cli("silence", "--format", "json", data=folder)
    (row,) = json.loads(done.stdout)
    assert (row["mac"], row["ip"], row["events"]) == (MAC, "10.10.1.23", "4096 4100")
    assert row["how_far"] == "got its boot image (4100), never reached RPC (no 4102)"
    assert (row["booted"], row["last_seen"]) == (BOOT_S, BOOT_S + 25)


@pytest.mark.parametrize(
    ("events", "how_far"),
    [
        (booted(MAC, "10.10.1.23"), "did not come (4096, no 4100)"),
        (booted(MAC, "10.10.1.23") + image("10.10.1.23", "boot\\x64\\wdsmgfw.efi"), "did not come (4096, no 4100)"),
        (booted(MAC, "10.10.1.23") + event(4101, 30, ClientIP="10.10.1.23"), "failed (4101)"),
        (image("10.10.1.23") + started(MAC, "10.10.1.23"), "reached the WDS server (4102)"),
    ],
)
def test_silence_says_how_far_a_machine_came(cli, folder, events, how_far):
    import_text(cli, folder, "events.xml", f"<Events>{events}</Events>")
    (row,) = silent(folder)
    assert row["mac"] == MAC
    assert row["how_far"].endswith(how_far)


def test_a_machine_that_reported_is_not_silent_and_its_neighbour_is(cli, folder, frames):
    report(folder, frames)
    text = f"<Events>{booted(MAC, '10.10.1.23')}{image('10.10.1.23')}{booted(OTHER, '10.10.1.24')}</Events>"
    import_text(cli, folder, "events.xml", text)
    assert [row["mac"] for row in silent(folder)] == [OTHER]


def test_a_report_of_another_day_does_not_speak_for_a_boot(cli, folder, frames):
    report(folder, frames, BOOT_S - 86400)
    import_text(cli, folder, "events.xml", f"<Events>{booted(MAC, '10.10.1.23')}</Events>")
    assert [row["mac"] for row in silent(folder)] == [MAC]


def test_a_log_imported_twice_counts_once(cli, folder):
    text = f"<Events>{booted(MAC, '10.10.1.23')}</Events>"
    assert "1 new events" in import_text(cli, folder, "events.xml", text)
    assert "0 new events" in import_text(cli, folder, "events.xml", text)


def test_a_report_shows_what_the_servers_saw_and_what_follows(cli, folder, frames):
    report_id = report(folder, frames)
    import_text(cli, folder, "events.xml", f"<Events>{booted(MAC, '10.10.1.23')}{image('10.10.1.23')}</Events>")
    import_text(cli, folder, "dhcpd.log", f"Mar  2 08:15:20 srv dhcpd[8]: DHCPDISCOVER from {MAC} via 10.10.1.1\n")
    shown = cli("show", report_id, data=folder).stdout.decode()
    assert "servers say: got its boot image (4100), never reached RPC (no 4102)" in shown
    assert "2026-03-02 08:15:20Z  dhcp-syslog DHCPDISCOVER  DHCPDISCOVER from 52:54:00:12:34:56" in shown


def test_a_client_that_reached_rpc_is_not_said_to_have_stopped_before(cli, folder, frames):
    report_id = report(folder, frames)
    import_text(cli, folder, "e.xml", f"<Events>{image('10.10.1.23')}{started(MAC, '10.10.1.23')}</Events>")
    found = document(folder, report_id)
    assert [e["event"] for e in found["server_events"]] == ["4100", "4102"]
    assert found["servers_say"] == []


@pytest.mark.parametrize(("chosen", "said"), [(False, True), (True, False)])
def test_unreadable_images_stand_beside_clients_that_chose_none(cli, folder, frames, chosen, said):
    report_id = report(folder, frames)
    choice = event(4104, 90, MAC=MAC) if chosen else ""
    import_text(cli, folder, "e.xml", f"<Events>{image('10.10.1.23')}{started(MAC, '10.10.1.23')}{choice}</Events>")
    trace = "[5464] 08:16:40: [WdsImgSrv] Error in enumerating images. Error [13]\r\n"
    import_text(cli, folder, "wdsserver.log", trace)
    assert any("could not read its images" in text for text in document(folder, report_id)["servers_say"]) is said


def test_events_of_other_machines_and_other_hours_are_not_shown(cli, folder, frames):
    report_id = report(folder, frames)
    late = event(4096, 3 * 3600, MACAddress=MAC, IPAddress="10.10.1.23")
    import_text(cli, folder, "e.xml", f"<Events>{booted(OTHER, '10.10.1.24')}{late}</Events>")
    assert document(folder, report_id)["server_events"] == []


@pytest.mark.parametrize(
    ("line", "at_s", "mac", "ip"),
    [
        ("10,03/02/26,09:15:30,Assign,10.10.1.23,PC-1,525400123456,,1,0,,\r\n", BOOT_S, MAC, "10.10.1.23"),
        (
            f"Mar  2 09:15:30 srv dhcpd[8]: DHCPOFFER on 10.10.1.23 to {MAC} via 10.1.1.1\n",
            BOOT_S,
            MAC,
            "10.10.1.23",
        ),
        (f"Mar  2 09:15:30 srv dhcpd[8]: DHCPDISCOVER from {MAC} via 10.10.1.1\n", BOOT_S, MAC, ""),
        (f"2026-03-02T08:15:30+00:00 srv dhcpd[8]: DHCPDISCOVER from {MAC} via eth0\n", BOOT_S, MAC, ""),
        (f"Mar  2 09:15:30 dnsmasq-dhcp[8]: 77 DHCPACK(eth0) 10.10.1.23 {MAC} pc-1\n", BOOT_S, MAC, "10.10.1.23"),
        (KEA_LINE, BOOT_S, MAC, "10.10.1.23"),
        ("Dec 31 23:00:00 srv dhcpd[8]: DHCPDISCOVER from 52:54:00:12:34:56 via eth0\n", 1767218400.0, MAC, ""),
    ],
)
def test_each_dhcp_log_gives_time_mac_and_address_of_the_client(tmp_path, line, at_s, mac, ip):
    path = tmp_path / "dhcp.log"
    path.write_text(line, newline="")
    os.utime(path, (BOOT_S + 3600, BOOT_S + 3600))
    (found,) = read_server_log(path, utc_offset_min=60)
    assert (found.at_s, found.mac, found.ip) == (at_s, mac, ip)


def test_a_trace_without_dates_ends_on_the_day_its_file_was_changed(tmp_path):
    path = tmp_path / "wdsserver.log"
    lines = ["23:59:50", "00:00:10", "23:59:59", "08:15:30"]
    path.write_text("".join(f"[1] {time}: [RPC] x\n" for time in lines))
    os.utime(path, (BOOT_S + 5, BOOT_S + 5))
    ago = [round(BOOT_S - found.at_s) for found in read_server_log(path, utc_offset_min=0)]
    second = 8 * 3600 + 15 * 60 + 30
    assert ago == [second + 86400 + 10, second + 86400 - 10, second + 1, 0]


@pytest.mark.parametrize("text", ["3/2/2026 8:15:30 AM", "02.03.2026 08:15:30", "2026-03-02 08:15:30"])
def test_exported_rows_are_dated_as_their_country_writes(tmp_path, text):
    path = tmp_path / "events.csv"
    path.write_text(f'Information,{text},Deployment-Services-Diagnostics,4100,None,"Client IP: 10.10.1.23"\r\n')
    (found,) = read_server_log(path, utc_offset_min=0)
    assert (found.at_s, found.event, found.ip) == (BOOT_S, "4100", "10.10.1.23")


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("MAC: 52-54-00-12-34-56", MAC),
        ("MAC: {00000000-0000-0000-0000-525400123456}", MAC),
        ("GUID 00000000000000000000525400123456", MAC),
        ("GUID {4c4c4544-0042-4710-8052-b4c04f305332}", ""),
        ("DUID 00:01:00:01:52:54:00:12:34:56", ""),
    ],
)
def test_a_mac_is_found_in_each_way_it_is_written_and_in_no_other(text, mac):
    assert mac_in(text) == mac


def test_secrets_in_a_servers_log_do_not_reach_the_database(cli, folder, tmp_path):
    path = tmp_path / "wdsserver.log"
    path.write_text(
        "[5464] 09:26:14: [WdsImgSrv] net use \\\\srv\\share Canary-7Kq /user:LAB\\install password=Canary-7Kq\r\n"
    )
    cli("import", str(path), "--data", str(folder))
    assert b"Canary-7Kq" not in b"".join(file.read_bytes() for file in folder.iterdir() if "sqlite" in file.name)
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        assert connection.execute("SELECT count(*) FROM server_event").fetchone()[0] == 1
