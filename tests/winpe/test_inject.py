"""A boot image of every kind gets the agent, keeps what it had, and gives it back octet by octet."""

import hashlib
import json
import tomllib
import zipfile

import pytest
from pe_image.hooks import INI_LINE, STARTNET_LINE
from pe_image.kinds import load_kinds

from tests.winpe.injecting import (
    INI,
    STARTNET,
    TOKEN,
    UNATTEND,
    files_of,
    make_orders,
    make_wim,
    needs_wimlib,
    pe_image,
    program,
)

pytestmark = needs_wimlib

AGENT = INI_LINE.encode()
PLAIN = {STARTNET: b"wpeinit\r\n"}
SETUP = PLAIN | {"setup.exe": b"MZ", r"sources\setup.exe": b"MZ"}
# kind -> files of the image, the file the hook is in, its octets afterwards
CASES = {
    "plain": (PLAIN, STARTNET, STARTNET_LINE.encode() + b"\r\nwpeinit\r\n"),
    "setup": (SETUP, INI, b"[LaunchApps]\r\n" + AGENT + b"\r\n%SYSTEMDRIVE%\\setup.exe\r\n"),
    "setup of an upgrade": (
        PLAIN | {r"$Windows.~BT\sources\setup.exe": b"MZ"},
        INI,
        b"[LaunchApps]\r\n" + AGENT + b"\r\n%SYSTEMDRIVE%\\$Windows.~BT\\sources\\setup.exe\r\n",
    ),
    "capture": (
        {INI: b"[LaunchApps]\r\n%SYSTEMROOT%\\system32\\wdscapture.exe\r\n"},
        INI,
        b"[LaunchApps]\r\n" + AGENT + b"\r\n%SYSTEMROOT%\\system32\\wdscapture.exe\r\n",
    ),
    "discover": (
        {INI: b'[LaunchApps]\r\n%SYSTEMDRIVE%\\sources\\setup.exe, "/wds /wdsdiscover"\r\n'},
        INI,
        b"[LaunchApps]\r\n" + AGENT + b'\r\n%SYSTEMDRIVE%\\sources\\setup.exe, "/wds /wdsdiscover"\r\n',
    ),
    "mdt": (
        {INI: b"[LaunchApps]\n%SYSTEMROOT%\\System32\\bddrun.exe,/bootstrap"},
        INI,
        b"[LaunchApps]\n" + AGENT + b"\n%SYSTEMROOT%\\System32\\bddrun.exe,/bootstrap",
    ),
    "configmgr": (
        {INI: b"[LaunchApps]\r\n%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe\r\n"},
        INI,
        b"[LaunchApps]\r\n" + AGENT + b"\r\n%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe\r\n",
    ),
    "custom-ini": (
        {INI: b"[LaunchApp]\r\nAppPath = X:\\site\\men\xfc.exe\r\n"},
        INI,
        b"[LaunchApps]\r\n" + AGENT + b"\r\nX:\\site\\men\xfc.exe\r\n",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_agent_runs_first_and_what_ran_before_runs_after(tmp_path, kind):
    files, hook, expected = CASES[kind]
    wim = make_wim(tmp_path, files)
    (change,) = pe_image("inject", wim, *make_orders(tmp_path), "--format", "json")["images"]
    injected = files_of(wim)
    assert (change["stamp"]["kind"], injected[hook]) == (kind.partition(" ")[0], expected)
    assert {path: injected[path] for path in files if path != hook} == {p: files[p] for p in files if p != hook}


@pytest.mark.parametrize("kind", CASES)
def test_removing_gives_back_every_file_octet_by_octet(tmp_path, kind):
    wim = make_wim(tmp_path, CASES[kind][0])
    before = files_of(wim)
    pe_image("inject", wim, *make_orders(tmp_path))
    pe_image("remove", wim)
    assert files_of(wim) == before == CASES[kind][0]


@pytest.mark.parametrize("kind", CASES)
def test_injecting_the_same_again_changes_no_octet(tmp_path, kind):
    wim = make_wim(tmp_path, CASES[kind][0])
    orders = make_orders(tmp_path)
    pe_image("inject", wim, *orders)
    before = wim.read_bytes()
    (change,) = pe_image("inject", wim, *orders, "--format", "json")["images"]
    assert not change["changed"]
    assert wim.read_bytes() == before


def test_every_kind_that_is_not_refused_has_a_case_here():
    assert {kind.id for kind in load_kinds() if not kind.refused} == {case.partition(" ")[0] for case in CASES}


def test_windows_re_is_refused_and_left_alone(tmp_path):
    wim = make_wim(tmp_path, {INI: b"[LaunchApp]\r\nAppPath=X:\\sources\\recovery\\recenv.exe\r\n"})
    before = wim.read_bytes()
    assert "Windows RE" in pe_image("inject", wim, *make_orders(tmp_path), code=1)
    assert wim.read_bytes() == before


def test_an_upgrade_leaves_nothing_of_the_payload_before(tmp_path):
    wim = make_wim(tmp_path, SETUP)
    pe_image("inject", wim, *make_orders(tmp_path, b"1"))
    pe_image("inject", wim, *make_orders(tmp_path, b"2"))
    injected = files_of(wim)
    assert injected[r"pe-agent\lib\version.txt"] == b"2"
    assert r"pe-agent\only-in-the-first.txt" not in injected
    assert injected[INI].count(b"hook.cmd") == 1
    pe_image("remove", wim)
    assert files_of(wim) == SETUP


def test_the_token_is_gone_from_the_file_after_removal(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    pe_image("inject", wim, *make_orders(tmp_path))
    assert TOKEN.encode() in wim.read_bytes()
    pe_image("remove", wim)
    assert TOKEN.encode() not in wim.read_bytes()


def test_the_agent_is_told_where_to_report_and_which_build_it_is(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    digest = hashlib.sha256(wim.read_bytes()).hexdigest()
    (change,) = pe_image("inject", wim, *make_orders(tmp_path), "--upload", "pe.example:8443", "--format", "json")[
        "images"
    ]
    injected = files_of(wim)
    told = tomllib.loads(injected[r"pe-agent\agent.toml"].decode())
    assert told == {
        "collector": ["10.0.0.5:7443", "pe.example:7443"],
        "upload": ["pe.example:8443"],
        "ca": "ca.pem",
        "token_file": "token",
        "image_build": change["stamp"]["image_build"],
        "image_name": "image 1",
    }
    assert injected[r"pe-agent\token"] == TOKEN.encode() + b"\n"
    assert (change["stamp"]["original_sha256"], len(change["stamp"]["image_build"])) == (digest, 16)


def test_each_index_of_setup_media_gets_its_own_hook_and_build(tmp_path):
    wim = make_wim(tmp_path, PLAIN, SETUP, boot=2)
    changes = pe_image("inject", wim, *make_orders(tmp_path), "--all", "--format", "json")["images"]
    assert [c["stamp"]["kind"] for c in changes] == ["plain", "setup"]
    assert len({c["stamp"]["image_build"] for c in changes}) == 2
    assert INI not in files_of(wim, 1)
    pe_image("remove", wim)
    assert (files_of(wim, 1), files_of(wim, 2)) == (PLAIN, SETUP)


def test_without_an_index_the_image_that_boots_is_meant(tmp_path):
    wim = make_wim(tmp_path, PLAIN, SETUP, boot=2)
    pe_image("inject", wim, *make_orders(tmp_path))
    listed = pe_image("list", wim, "--format", "json")["images"]
    assert [bool(image["image_build"]) for image in listed] == [False, True]
    assert [image["bootable"] for image in listed] == [False, True]


def test_several_images_of_which_none_boots_need_an_index(tmp_path):
    wim = make_wim(tmp_path, PLAIN, SETUP, boot=0)
    assert "--index" in pe_image("inject", wim, *make_orders(tmp_path), code=1)


def test_an_image_that_starts_nothing_is_no_target(tmp_path):
    wim = make_wim(tmp_path, {r"Windows\explorer.exe": b"MZ"})
    assert "not a boot image" in pe_image("inject", wim, *make_orders(tmp_path), code=1)


def test_out_leaves_the_wim_alone(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    before = wim.read_bytes()
    pe_image("inject", wim, *make_orders(tmp_path), "--out", tmp_path / "other.wim")
    assert wim.read_bytes() == before
    assert r"pe-agent\hook.cmd" in files_of(tmp_path / "other.wim")


def test_a_payload_for_another_processor_is_refused(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    assert "arm64" in pe_image("inject", wim, *make_orders(tmp_path, machine="arm64"), code=1)


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    wim = make_wim(tmp_path, PLAIN | {r"pe-agent\mine.txt": b"mine"})
    assert "did not make" in pe_image("inject", wim, *make_orders(tmp_path), code=1)


def test_a_private_key_never_gets_into_an_image(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    (tmp_path / "ca.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert "private key" in pe_image("inject", wim, *orders, code=1)


def test_nothing_is_left_beside_the_image(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    before = set(tmp_path.iterdir())
    pe_image("inject", wim, *orders)
    pe_image("inject", wim, *orders, "--index", 7, code=1)
    assert set(tmp_path.iterdir()) == before


def test_unattend_keeps_its_commands_and_gets_one_more(tmp_path):
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\r\n<unattend xmlns="urn:schemas-microsoft-com:unattend">\r\n'
        '<settings pass="windowsPE"><component name="Microsoft-Windows-Setup" processorArchitecture="amd64">'
        "<RunAsynchronous><RunAsynchronousCommand><Order>3</Order><Path>a.exe</Path></RunAsynchronousCommand>"
        "</RunAsynchronous></component></settings></unattend>"
    )
    files = PLAIN | {"unattend.xml": text.encode()}
    wim = make_wim(tmp_path, files)
    pe_image("inject", wim, *make_orders(tmp_path), "--hook", "unattend")
    injected = files_of(wim)
    assert b"<Order>3</Order><Path>a.exe" in injected["unattend.xml"]
    assert b"<Order>4</Order><Path>cmd.exe /c %SYSTEMDRIVE%\\pe-agent\\hook.cmd" in injected["unattend.xml"]
    assert (injected[STARTNET], UNATTEND in injected) == (PLAIN[STARTNET], False)
    pe_image("remove", wim)
    assert files_of(wim) == files


def test_the_way_in_can_be_changed_later(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    pe_image("inject", wim, *orders)
    pe_image("inject", wim, *orders, "--hook", "unattend")
    injected = files_of(wim)
    assert injected[STARTNET] == PLAIN[STARTNET]
    assert b"hook.cmd" in injected[UNATTEND]
    pe_image("remove", wim)
    assert files_of(wim) == PLAIN


def test_originals_are_kept_in_the_image_with_their_hashes(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    pe_image("inject", wim, *make_orders(tmp_path))
    injected = files_of(wim)
    stamp = json.loads(injected[r"pe-agent\image.json"])
    kept = injected[rf"pe-agent\original\{STARTNET}"]
    assert kept == PLAIN[STARTNET]
    assert stamp["originals"][STARTNET] == hashlib.sha256(kept).hexdigest()


@pytest.mark.parametrize("kind", ["setup", "capture", "discover", "configmgr"])
def test_unattend_is_refused_where_nothing_reads_it(tmp_path, kind):
    wim = make_wim(tmp_path, CASES[kind][0])
    before = wim.read_bytes()
    assert "Unattend.xml" in pe_image("inject", wim, *make_orders(tmp_path), "--hook", "unattend", code=1)
    assert wim.read_bytes() == before


def test_an_empty_ini_is_named_as_what_keeps_the_image_from_starting_anything(tmp_path):
    wim = make_wim(tmp_path, PLAIN | {INI: b""})
    assert "winpeshl.ini has neither" in pe_image("inject", wim, *make_orders(tmp_path), code=1)


def test_an_image_that_had_its_own_pe_agent_command_gets_it_back(tmp_path):
    files = PLAIN | {r"Windows\System32\PE-Agent.cmd": b"@echo mine\r\n"}
    wim = make_wim(tmp_path, files)
    pe_image("inject", wim, *make_orders(tmp_path))
    assert b"-m pe_agent" in files_of(wim)[r"Windows\System32\PE-Agent.cmd"]
    pe_image("remove", wim)
    assert files_of(wim) == files


@pytest.mark.parametrize("name", ["../out.txt", "/etc/x", "C:\\x", "original/x"])
def test_a_payload_that_writes_outside_its_folder_is_refused(tmp_path, name):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    with zipfile.ZipFile(tmp_path / "payload-1.zip", "a") as archive:
        archive.writestr(name, b"x")
    assert "refuses to unpack" in pe_image("inject", wim, *orders, code=1)


def test_a_zip_without_the_agent_is_refused(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    with zipfile.ZipFile(tmp_path / "payload-1.zip", "w") as embeddable:
        embeddable.writestr("python.exe", program())
    assert "payload-1.zip: no manifest.json" in pe_image("inject", wim, *orders, code=1)


def test_a_payload_that_was_changed_is_refused(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "payload-1.zip", "a") as archive:
        archive.writestr("lib/version.txt", b"by hand")
    assert "payload-1.zip: lib/version.txt is not what its manifest.json says" in pe_image(
        "inject", wim, *orders, code=1
    )


def test_one_image_and_all_of_them_cannot_be_wanted(tmp_path):
    wim = make_wim(tmp_path, PLAIN)
    told = pe_image("inject", wim, *make_orders(tmp_path), "--index", "1", "--all", code=2)
    assert "--index and --all" in told


@pytest.mark.parametrize("octets", [b"", b"no WIM", b"MSWIM\0\0\0" + bytes(300)])
def test_what_is_no_wim_is_said_in_one_line(tmp_path, octets):
    (tmp_path / "boot.wim").write_bytes(octets)
    told = pe_image("list", tmp_path / "boot.wim", code=1)
    assert told.startswith(f"Error: {tmp_path / 'boot.wim'}: no WIM that can be read, or a part of one: ")
    assert told.count("\n") == 1


# What a payload can do, what is asked of it, and why that is refused; empty: it is not.
WAYS = [
    ({"transport": "grpc", "tls": False}, ["--upload", "pe.example:8443"], "has no TLS"),
    ({"transport": "grpc", "tls": False}, [], ""),
    ({"transport": "grpc", "tls": True}, ["--upload", "pe.example:8443"], ""),
    ({"transport": "https", "tls": True}, [], "--upload"),
    ({"transport": "https", "tls": True}, ["--upload", "pe.example:8443"], ""),
]


@pytest.mark.parametrize(("manifest", "asked", "refusal"), WAYS)
def test_an_address_that_the_payload_cannot_use_is_refused(tmp_path, manifest, asked, refusal):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path, **manifest)
    told = pe_image("inject", wim, *orders, *asked, code=1 if refusal else 0)
    assert refusal in told
    assert bool(refusal) != (r"pe-agent\hook.cmd" in files_of(wim))


@pytest.mark.parametrize("collector", ["pe.example", "pe.example:0", "pe.example:99999", 'a":1'])
def test_a_collector_needs_host_and_port(tmp_path, collector):
    wim = make_wim(tmp_path, PLAIN)
    orders = make_orders(tmp_path)
    for option in ("--collector", "--upload"):
        told = pe_image("inject", wim, *orders, option, collector, code=1)
        assert f"{option} {collector!r}: HOST:PORT is needed" in told
