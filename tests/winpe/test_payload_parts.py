"""Wheels are chosen for the target, checked, and code is compiled so that it can be loaded anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pe_image.payload_code import compile_module, compiled
from pe_image.payload_target import PayloadError, load_targets, target_for
from pe_image.payload_wheels import choose_wheels, fetch_wheels, fits, parse_name, read_wheel
from pe_image.payload_zip import zip_files

from .payload_parts import small_wheel

X64, X86, ARM64 = (target_for(name) for name in ("x64", "x86", "arm64"))


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("grpcio-1.0-cp311-cp311-win_amd64.whl", True),
        ("grpcio-1.0-cp312-cp312-win_amd64.whl", False),
        ("grpcio-1.0-cp311-cp311-win32.whl", False),
        ("grpcio-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", False),
        ("protobuf-1.0-cp310-abi3-win_amd64.whl", True),
        ("protobuf-1.0-cp312-abi3-win_amd64.whl", False),
        ("click-8.0-py3-none-any.whl", True),
        ("click-8.0-py2.py3-none-any.whl", True),
        ("click-8.0-py2-none-any.whl", False),
    ],
)
def test_a_wheel_fits_by_its_tags(name, fitting):
    assert fits(parse_name(Path(name)), X64, "3.11") is fitting


def test_the_newest_wheel_with_machine_code_is_taken(tmp_path):
    target = target_for("arm64")
    for name in (
        "click-8.9-py3-none-any.whl",
        "click-8.10-py3-none-any.whl",
        "protobuf-7.2-py3-none-any.whl",
        "protobuf-7.1-cp310-abi3-win_arm64.whl",
        "segno-1.6-py3-none-any.whl",
    ):
        small_wheel(tmp_path, name, {"x.py": b""})
    chosen = [wheel.path.name for wheel in choose_wheels(tmp_path, target, "3.11")]
    assert chosen[:2] == ["click-8.10-py3-none-any.whl", "protobuf-7.1-cp310-abi3-win_arm64.whl"]


def test_every_missing_wheel_is_named(tmp_path):
    small_wheel(tmp_path, "click-8.9-py3-none-any.whl", {"x.py": b""})
    with pytest.raises(PayloadError, match="of grpcio, protobuf, segno, typing_extensions"):
        choose_wheels(tmp_path, X64, "3.11")


def test_arm64_needs_no_grpcio_and_sends_by_https():
    assert ("grpcio" in ARM64.wheels, ARM64.transport) == (False, "https")


def test_x86_takes_the_last_psutil_that_has_a_wheel(tmp_path):
    for project in X86.wheels:
        small_wheel(tmp_path, f"{project}-1.0-py3-none-any.whl", {"x.py": b""})
    for version in ("7.0.0", "7.2.2"):
        small_wheel(tmp_path, f"psutil-{version}-cp37-abi3-win32.whl", {"x.py": b""})
    assert {"psutil-7.0.0-cp37-abi3-win32.whl"} == {
        wheel.path.name for wheel in choose_wheels(tmp_path, X86, "3.11") if wheel.project == "psutil"
    }


def test_a_file_that_differs_from_its_record_is_refused(tmp_path):
    path = small_wheel(tmp_path, "click-8.0-py3-none-any.whl", {"click/core.py": b"bad"}, {"click/core.py": b"good"})
    with pytest.raises(PayloadError, match=r"click/core\.py is not what its RECORD says"):
        read_wheel(parse_name(path))


def test_a_file_that_no_record_names_is_refused(tmp_path):
    import zipfile

    path = small_wheel(tmp_path, "click-8.0-py3-none-any.whl", {"click/core.py": b""})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("click/more.py", b"")
    with pytest.raises(PayloadError, match=r"click/more\.py"):
        read_wheel(parse_name(path))


def test_what_the_agent_never_loads_is_left_out(tmp_path):
    files = {"psutil/_pslinux.py": b"", "psutil/_pswindows.py": b"", "psutil/_psutil_windows.pyd": b"MZ"}
    wheel = read_wheel(parse_name(small_wheel(tmp_path, "psutil-7.2.2-cp37-abi3-win_amd64.whl", files)))
    assert sorted(wheel.files) == ["psutil/_psutil_windows.pyd", "psutil/_pswindows.py"]
    assert (wheel.is_native(), wheel.licence, wheel.licences) == (True, "MIT", {"LICENSE": b"MIT"})


def test_a_version_that_is_not_constrained_is_not_guessed(tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# what was tested\nclick==8.5.1\n")
    with pytest.raises(PayloadError, match="names no version of grpcio, protobuf, segno, typing_extensions"):
        fetch_wheels(tmp_path, X64, "3.11", constraints)


def test_every_architecture_has_a_way_to_send():
    assert {target.transport for target in load_targets()} <= {"grpc", "https"}


def test_compiled_modules_run_from_a_zip(tmp_path):
    files = {
        "shop/__init__.py": b"",
        "shop/__main__.py": b"from shop.till import total\nprint(total)",
        "shop/till.py": b"total = 7",
    }
    path = tmp_path / "app.zip"
    path.write_bytes(zip_files(compiled(files), compress=False))
    done = subprocess.run(
        [sys.executable, "-m", "shop"], env=os.environ | {"PYTHONPATH": str(path)}, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"7"


def test_a_module_compiles_to_the_same_octets_in_every_process():
    source = "from pe_image.payload_code import compile_module; import sys, hashlib; "
    source += "text = open(sys.argv[1], 'rb').read(); print(hashlib.sha256(compile_module('m.py', text)).hexdigest())"
    import pe_image.payload_wheels as sample

    hashes = {
        subprocess.run(
            [sys.executable, "-c", more + source, sample.__file__],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed, more in (("1", ""), ("2", "import json, decimal, email.message; "))
    }
    assert len(hashes) == 1


def test_what_is_no_python_is_refused():
    with pytest.raises(PayloadError, match=r"m\.py: cannot be compiled"):
        compile_module("m.py", b"def :")
