"""Whatever ends an injection, boot.wim is the old one or the new one; what is damaged later is found."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.winpe.injecting import STARTNET, files_of, make_orders, make_wim, needs_wimlib, pe_image, wimlib

pytestmark = needs_wimlib

KILLS = 12
FILES = {STARTNET: b"wpeinit\r\n", r"Windows\noise.bin": random.Random(5).randbytes(3_000_000)}


def start(wim, orders):
    command = [sys.executable, "-m", "pe_image", "inject", str(wim), *orders]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def test_killed_at_any_moment_the_image_is_the_old_one_or_the_new_one(tmp_path):
    wim = make_wim(tmp_path, FILES)
    orders = make_orders(tmp_path)
    old = wim.read_bytes()
    began = time.monotonic()
    assert start(wim, orders).wait() == 0
    whole_s = time.monotonic() - began
    random_moments = random.Random(os.getpid())
    for number in range(KILLS):
        wim.write_bytes(old)
        process = start(wim, orders)
        time.sleep(whole_s * (number + random_moments.random()) / KILLS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if wim.read_bytes() != old:
            pe_image("verify", wim)


def test_what_a_killed_run_left_behind_is_removed_by_the_next(tmp_path):
    wim = make_wim(tmp_path, FILES)
    orders = make_orders(tmp_path)
    process = start(wim, orders)
    while not list(tmp_path.glob("boot.wim.*")) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob("boot.wim.*"))
    pe_image("inject", wim, *orders)
    assert not list(tmp_path.glob("boot.wim.*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=True)
    try:
        wim = Path(shutil.move(make_wim(tmp_path, FILES), disk / "boot.wim"))
        before = wim.read_bytes()
        assert "are needed and" in pe_image("inject", wim, *make_orders(tmp_path), code=1)
        assert (wim.read_bytes(), list(disk.iterdir())) == (before, [wim])
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_damaged_wim_is_refused_and_left_alone(tmp_path):
    wim = make_wim(tmp_path, FILES)
    octets = bytearray(wim.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    wim.write_bytes(octets)
    pe_image("inject", wim, *make_orders(tmp_path), code=1)
    assert wim.read_bytes() == octets


def edited(wim, *commands):
    subprocess.run(
        ["wimlib-imagex", "update", str(wim), "1"],
        input="\n".join(commands),
        text=True,
        check=True,
        capture_output=True,
    )


def test_verify_tells_what_is_in_it_and_that_it_is_whole(tmp_path):
    wim = make_wim(tmp_path, FILES)
    change = pe_image("inject", wim, *make_orders(tmp_path), "--format", "json")["images"][0]
    (row,) = pe_image("verify", wim, "--format", "json")["images"]
    assert (row["whole"], row["stamp"]) == (True, change["stamp"])


def test_verify_ends_with_1_where_no_agent_is(tmp_path):
    wim = make_wim(tmp_path, FILES)
    assert "no agent" in pe_image("verify", wim, code=1)


@pytest.mark.parametrize(
    ("path", "text"),
    [(r"\pe-agent\hook.cmd", "is not what was put there"), (rf"\{STARTNET}", "is not what was put there")],
)
def test_verify_names_a_file_that_was_changed(tmp_path, path, text):
    wim = make_wim(tmp_path, FILES)
    pe_image("inject", wim, *make_orders(tmp_path))
    (tmp_path / "other").write_text("echo other")
    edited(wim, f"add '{tmp_path}/other' '{path}'")
    assert f"{path} {text}" in pe_image("verify", wim, code=1)


def test_verify_names_a_file_that_is_missing_and_one_that_is_strange(tmp_path):
    wim = make_wim(tmp_path, FILES)
    pe_image("inject", wim, *make_orders(tmp_path))
    edited(wim, r"rename '\pe-agent\token' '\pe-agent\moved'")
    told = pe_image("verify", wim, code=1)
    assert r"\pe-agent\token is missing" in told
    assert r"\pe-agent\moved was not put there by pe-image" in told


def test_injecting_again_repairs_a_damaged_agent(tmp_path):
    wim = make_wim(tmp_path, FILES)
    orders = make_orders(tmp_path)
    pe_image("inject", wim, *orders)
    edited(wim, r"delete '\pe-agent\python.exe'")
    pe_image("inject", wim, *orders)
    pe_image("verify", wim)


def test_remove_refuses_when_an_original_was_lost(tmp_path):
    wim = make_wim(tmp_path, FILES)
    pe_image("inject", wim, *make_orders(tmp_path))
    edited(wim, rf"delete '\pe-agent\original\{STARTNET}'")
    before = wim.read_bytes()
    assert "startnet.cmd is missing" in pe_image("remove", wim, code=1)
    assert wim.read_bytes() == before


def test_remove_refuses_where_no_agent_is(tmp_path):
    assert "no agent was put" in pe_image("remove", make_wim(tmp_path, FILES), code=1)


def test_diff_names_what_was_added_and_changed_and_removed(tmp_path):
    wim = make_wim(tmp_path, FILES)
    after = tmp_path / "after.wim"
    pe_image("inject", wim, *make_orders(tmp_path), "--out", after)
    (forth,) = pe_image("diff", wim, after, "--format", "json")["images"]
    (back,) = pe_image("diff", after, wim, "--format", "json")["images"]
    assert r"pe-agent\python.exe" in forth["added"]
    assert (forth["changed"], forth["removed"]) == ([STARTNET], [])
    assert back["removed"] == forth["added"]


def test_the_access_rights_and_times_of_a_file_come_back_with_it(tmp_path):
    wim = make_wim(tmp_path, FILES)

    def metadata():
        path = "/" + STARTNET.replace("\\", "/")
        lines = wimlib("dir", str(wim), "1", "--detailed", f"--path={path}").decode().splitlines()
        return [line for line in lines if line.startswith(("Attributes", "Creation Time", "Last Write Time"))]

    before = metadata()
    time.sleep(1.1)
    pe_image("inject", wim, *make_orders(tmp_path))
    assert metadata() != before
    pe_image("remove", wim)
    assert metadata() == before
    assert files_of(wim) == FILES
