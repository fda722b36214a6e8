"""The audit says what an image lacks for a payload, and can take it from a Windows of the same build."""

import json
import shutil
import struct
import subprocess
import zipfile

import pytest
from click.testing import CliRunner
from pe_agent import logs as logs_of_agent
from pe_image.audit import audit_table
from pe_image.audit_image import scratch_mb
from pe_image.cli import main
from pe_image.payload_zip import zip_files

from .tiny_pe import tiny_pe

pytestmark = pytest.mark.skipif(shutil.which("wimlib-imagex") is None, reason="wimlib-imagex is not installed")

KERNEL = tiny_pe(exports=["Sleep", "GetTickCount64"])
PDH = tiny_pe(exports=["PdhOpenQueryW"], imports={"kernel32.dll": ["Sleep"]})
PSUTIL = "lib/psutil/_psutil_windows.pyd"


def make_wim(path, files, arch=9, build=19041):
    tree = path.with_suffix("")
    for name, octets in files.items():
        target = tree / "Windows" / "System32" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(octets)
    numbers = {"ARCH": arch, "VERSION/MAJOR": 10, "VERSION/MINOR": 0, "VERSION/BUILD": build, "VERSION/SPBUILD": 1}
    properties = [word for name, n in numbers.items() for word in ("--image-property", f"WINDOWS/{name}={n}")]
    command = ["wimlib-imagex", "capture", str(tree), str(path), "an image", *properties]
    subprocess.run(command, check=True, capture_output=True)
    return path


def make_payload(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, octets in (files | {"manifest.json": b'{"files": []}'}).items():
            archive.writestr(name, octets)
    return path


@pytest.fixture
def audited(tmp_path):
    """Audit one image with these System32 files for a payload of these files: rows of lack, name, detail, needed."""

    def run(system, payload, *options, arch=9):
        wim = make_wim(tmp_path / "boot.wim", system, arch)
        path = make_payload(tmp_path / "payload.zip", payload)
        answer = CliRunner().invoke(main, ["audit", str(wim), "--payload", str(path), "--format", "json", *options])
        run.exit_code = answer.exit_code
        (image,) = json.loads(answer.stdout)["images"]
        return [(p["lack"], p["name"], p["detail"], p["needed"]) for p in image["problems"]]

    return run


def test_an_image_with_everything_lacks_nothing(audited):
    rows = audited({"KERNEL32.DLL": KERNEL}, {"python.exe": tiny_pe(imports={"kernel32.dll": ["Sleep"]})})
    assert (rows, audited.exit_code) == ([], 0)


def test_a_missing_dll_is_named(audited):
    rows = audited({"kernel32.dll": KERNEL}, {"_x.pyd": tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]})})
    assert (rows, audited.exit_code) == ([("missing", "pdh.dll", "", True)], 1)


def test_programs_in_the_archive_of_tls_count_as_the_others_do(audited):
    """One of them finds the other beside it in the archive, and python.exe's DLLs outside of it."""
    inside = {
        "_ssl.pyd": tiny_pe(imports={"libssl-3.dll": ["SSL_new"], "python311.dll": ["PyOne"], "crypt32.dll": ["X"]}),
        "libssl-3.dll": tiny_pe(exports=["SSL_new"], imports={"bcrypt.dll": ["BCryptGenRandom"]}),
    }
    payload = {"python311.dll": tiny_pe(exports=["PyOne"]), "tls.zip": zip_files(inside, compress=True)}
    rows = audited({"crypt32.dll": tiny_pe(exports=["Y"])}, payload)
    assert rows == [("missing", "bcrypt.dll", "", True), ("no-symbol", "crypt32.dll", "X", True)]


def test_a_missing_name_in_a_dll_is_named(audited):
    program = tiny_pe(imports={"kernel32.dll": ["Sleep", "GetFirmwareType"]})
    rows = audited({"kernel32.dll": KERNEL}, {"python.exe": program})
    assert rows == [("no-symbol", "kernel32.dll", "GetFirmwareType", True)]


def test_a_missing_number_in_a_dll_is_named(audited):
    rows = audited({"kernel32.dll": KERNEL}, {"python.exe": tiny_pe(imports={"kernel32.dll": [2, 77]})})
    assert rows == [("no-symbol", "kernel32.dll", "#77", True)]


def test_a_delayed_import_is_optional(audited):
    rows = audited({"kernel32.dll": KERNEL}, {"python.exe": tiny_pe(delayed={"wlanapi.dll": ["WlanOpenHandle"]})})
    assert (rows, audited.exit_code) == ([("missing", "wlanapi.dll", "", False)], 0)


def test_what_grpc_loads_at_run_time_is_needed(audited):
    rows = audited({"kernel32.dll": KERNEL}, {"lib/grpc/_cython/cygrpc.cp311-win_amd64.pyd": tiny_pe()})
    assert ("missing", "bcryptprimitives.dll", "", True) in {(lack, name, "", need) for lack, name, _, need in rows}


def test_a_dll_beside_the_module_is_enough(audited):
    payload = {PSUTIL: tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]}), "lib/psutil/pdh.dll": PDH}
    assert [row for row in audited({"kernel32.dll": KERNEL}, payload) if row[3]] == []


def test_a_dll_beside_another_module_is_not(audited):
    payload = {PSUTIL: tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]}), "lib/other/pdh.dll": PDH}
    assert ("missing", "pdh.dll", "", True) in audited({"kernel32.dll": KERNEL}, payload)


def test_an_api_set_is_answered_by_its_host(audited):
    program = tiny_pe(imports={"api-ms-win-crt-heap-l1-1-0.dll": ["malloc", "gone"]})
    assert audited({"ucrtbase.dll": tiny_pe(exports=["malloc"])}, {"python.exe": program}) == [
        ("no-symbol", "api-ms-win-crt-heap-l1-1-0.dll", "gone", True)
    ]


def test_an_api_set_without_its_host_is_missing(audited):
    program = tiny_pe(imports={"api-ms-win-crt-heap-l1-1-0.dll": ["malloc"]})
    assert audited({"kernel32.dll": KERNEL}, {"python.exe": program})[0][:2] == (
        "missing",
        "api-ms-win-crt-heap-l1-1-0.dll",
    )


def test_a_payload_for_another_machine_is_named(audited):
    rows = audited({"kernel32.dll": KERNEL}, {"python.exe": tiny_pe("x86")})
    assert rows == [("wrong-machine", "python.exe", "is x86, the image is x64", True)]


def test_a_system_dll_of_another_machine_is_named(audited):
    program = tiny_pe(imports={"kernel32.dll": ["Sleep"]})
    rows = audited({"kernel32.dll": tiny_pe("x86", exports=["Sleep"])}, {"python.exe": program})
    assert rows == [("wrong-machine", "kernel32.dll", "is x86, the image is x64", True)]


def hive(megabytes):
    name = b"WinPECacheThreshold"
    return b"regf" + bytes(60) + struct.pack("<2sHIIIHH", b"vk", len(name), 0x80000004, megabytes, 4, 1, 0) + name


# 32 MB is the least that DISM sets: enough for one log at its most, not for two.
@pytest.mark.parametrize(("megabytes", "needed"), [(8, True), (32, False)])
def test_too_little_scratch_space_is_named(audited, megabytes, needed):
    rows = audited({"config/SYSTEM": hive(megabytes)}, {"python.exe": tiny_pe()})
    detail = f"{megabytes} MB, a report that nobody takes may need 49 MB"
    assert rows == [("scratch-space", "X:", detail, needed)]


@pytest.mark.parametrize("system", [hive(64), hive(512), b"regf without the value"])
def test_enough_scratch_space_is_no_problem(audited, system):
    assert audited({"config/SYSTEM": system}, {"python.exe": tiny_pe()}) == []


def test_the_scratch_space_is_reckoned_from_what_the_agent_keeps_of_a_log():
    table = audit_table()["scratch"]
    for title, logs in (("one_log_mb", 1), ("two_logs_mb", 2)):
        assert 0 < table[title] * 2**20 - logs * logs_of_agent.MOST_OCTETS <= 2**20


def test_the_same_words_elsewhere_in_a_hive_are_no_value():
    assert scratch_mb(b"WinPECacheThreshold" * 3 + hive(64), "WinPECacheThreshold") == 64
    assert scratch_mb(b"WinPECacheThreshold" * 3, "WinPECacheThreshold") is None


def test_missing_files_and_what_they_need_are_taken_from_the_same_build(audited, tmp_path):
    deeper = tiny_pe(imports={"perfos.dll": ["Count"]}, exports=["PdhOpenQueryW"])
    shelf = {"pdh.dll": deeper, "perfos.dll": tiny_pe(exports=["Count"]), "other.dll": PDH}
    install = make_wim(tmp_path / "install.wim", shelf)
    output = tmp_path / "more.zip"
    options = ["--take-from", f"{install}:1", "--output", str(output)]
    rows = audited({"kernel32.dll": KERNEL}, {PSUTIL: tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]})}, *options)
    assert [row for row in rows if row[3]] == []
    with zipfile.ZipFile(output) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read("pdh.dll") == deeper
    assert manifest["taken_from_windows"] == ["pdh.dll", "perfos.dll"]
    assert [row["path"] for row in manifest["files"]] == [PSUTIL, "pdh.dll", "perfos.dll"]


@pytest.mark.parametrize("other", [{"build": 22621}, {"arch": 0}])
def test_nothing_is_taken_from_another_build_or_machine(tmp_path, other):
    wim = make_wim(tmp_path / "boot.wim", {"kernel32.dll": KERNEL})
    install = make_wim(tmp_path / "install.wim", {"pdh.dll": PDH}, **other)
    payload = make_payload(tmp_path / "p.zip", {PSUTIL: tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]})})
    output = tmp_path / "more.zip"
    command = ["audit", str(wim), "--payload", str(payload), "--take-from", f"{install}:1", "--output", str(output)]
    answer = CliRunner().invoke(main, command)
    assert answer.exit_code == 1
    assert "name one of the same build" in answer.output
    assert not output.exists()


def test_the_text_says_what_to_do(tmp_path):
    wim = make_wim(tmp_path / "boot.wim", {"kernel32.dll": KERNEL})
    payload = make_payload(tmp_path / "p.zip", {PSUTIL: tiny_pe(imports={"pdh.dll": ["PdhOpenQueryW"]})})
    answer = CliRunner().invoke(main, ["audit", str(wim), "--payload", str(payload)])
    assert "missing pdh.dll" in answer.output
    assert "--stub-pdh" in answer.output


def test_an_image_that_is_not_there_is_named(tmp_path):
    wim = make_wim(tmp_path / "boot.wim", {"kernel32.dll": KERNEL})
    payload = make_payload(tmp_path / "p.zip", {"python.exe": tiny_pe()})
    answer = CliRunner().invoke(main, ["audit", str(wim), "--payload", str(payload), "--index", "3"])
    assert "has no image 3" in answer.output
