"""Boot images of every kind are told apart, on WIMs made by wimlib."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from pe_image.cli import main
from pe_image.kinds import kind_of, load_kinds

needs_wimlib = pytest.mark.skipif(shutil.which("wimlib-imagex") is None, reason="wimlib-imagex is not installed")

INI = r"Windows\System32\winpeshl.ini"
STARTNET = r"Windows\System32\startnet.cmd"
CASES = {
    "plain": {STARTNET: "wpeinit\r\n"},
    "setup": {STARTNET: "wpeinit\r\n", "setup.exe": "MZ", r"sources\setup.exe": "MZ"},
    "capture": {INI: "[LaunchApps]\r\n%SYSTEMROOT%\\system32\\wdscapture.exe\r\n"},
    "discover": {INI: '[LaunchApps]\r\n%SYSTEMDRIVE%\\sources\\setup.exe, "/wds /wdsdiscover"\r\n'},
    "mdt": {INI: "[LaunchApps]\r\n%SYSTEMROOT%\\System32\\bddrun.exe,/bootstrap\r\n"},
    "configmgr": {INI: "[LaunchApps]\r\n%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe\r\n"},
    "winre": {INI: "[LaunchApp]\r\nAppPath=X:\\sources\\recovery\\recenv.exe\r\n"},
    "custom-ini": {INI: "[LaunchApps]\r\nX:\\site\\menu.exe\r\n"},
}


def make_wim(folder: Path, trees: list[dict[str, str]]) -> Path:
    wim = folder / "boot.wim"
    for number, files in enumerate(trees, start=1):
        tree = folder / f"tree{number}"
        for name, text in files.items():
            path = tree / name.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
        verb = "capture" if number == 1 else "append"
        properties = ["--image-property", "WINDOWS/ARCH=9", "--image-property", "WINDOWS/VERSION/MAJOR=10"]
        subprocess.run(
            ["wimlib-imagex", verb, str(tree), str(wim), f"image {number}", *properties],
            check=True,
            capture_output=True,
        )
    return wim


@pytest.mark.parametrize("kind", CASES)
@needs_wimlib
def test_each_kind_of_image_is_recognised(tmp_path, kind):
    wim = make_wim(tmp_path, [CASES[kind]])
    answer = CliRunner().invoke(main, ["list", str(wim), "--format", "json"])
    (image,) = json.loads(answer.output)["images"]
    assert (image["kind"], image["architecture"]) == (kind, "x64")


@needs_wimlib
def test_the_image_that_boots_is_marked(tmp_path):
    wim = make_wim(tmp_path, [CASES["plain"], CASES["setup"]])
    subprocess.run(["wimlib-imagex", "info", str(wim), "2", "--boot"], check=True, capture_output=True)
    answer = CliRunner().invoke(main, ["list", str(wim), "--format", "json"])
    assert [i["bootable"] for i in json.loads(answer.output)["images"]] == [False, True]


@needs_wimlib
def test_a_file_that_is_no_wim_is_named_in_the_error(tmp_path):
    path = tmp_path / "not.wim"
    path.write_bytes(b"MZ" * 300)
    answer = CliRunner().invoke(main, ["list", str(path)])
    assert answer.exit_code == 1
    assert str(path) in answer.output


def test_an_image_that_starts_nothing_has_no_kind():
    assert kind_of(None, ["Windows\\explorer.exe"], load_kinds()) is None


def test_every_kind_in_the_table_has_a_case_here():
    assert {kind.id for kind in load_kinds()} == set(CASES)
