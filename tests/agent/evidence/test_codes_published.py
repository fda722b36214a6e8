"""Do the codes and names agree with published lists? The headers of mingw-w64, and the lists in impacket."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from impacket import nt_errors, system_errors
from impacket.dcerpc.v5.rpcrt import rpc_status_codes

INCLUDE = Path("/usr/share/mingw-w64/include")
HEADERS = ["winerror.h", "ntstatus.h", "psdk_inc/_wsa_errnos.h", "wininet.h", "winhttp.h"]
BASES = {"WSABASEERR": 10000, "INTERNET_ERROR_BASE": 12000, "WINHTTP_ERROR_BASE": 12000}
DEFINE = re.compile(
    r"^#\s*define\s+(\w+)\s+(?:[(\s]|\w*HRESULT\w*|NTSTATUS|DWORD|__MSABI_LONG)*?"
    rf"(?:({'|'.join(BASES)})\s*\+\s*)?(0[xX][0-9a-fA-F]+|\d+)[uUlL]*[\s)]*(?:$|/)",
    re.MULTILINE,
)
ROWS = tomllib.loads(resources.files("pe_agent").joinpath("codes.toml").read_text(encoding="utf-8"))["code"]
IN_IMPACKET = {
    "win32": {number: said[0] for number, said in system_errors.ERROR_MESSAGES.items()},
    "ntstatus": {number: said[0] for number, said in nt_errors.ERROR_MESSAGES.items()},
    "rpc": rpc_status_codes,
}
# Symbols that neither has; their rows name where else they were published.
IN_NO_LIST = {
    "DISM: image already mounted",
    "ERROR_NO_COMPAT_DRIVERS",
    "ERROR_NO_DRIVER_SELECTED",
    "ERROR_SMB1_NOT_AVAILABLE",
    "ERROR_SMB_GUEST_LOGON_BLOCKED",
    "HTTP_E_STATUS_DENIED",
    "HTTP_E_STATUS_FORBIDDEN",
    "HTTP_E_STATUS_SERVER_ERROR",
    "STATUS_IMAGE_CERT_EXPIRED",
    "wpeinit: no adapter",
}
installed = pytest.mark.skipif(not (INCLUDE / HEADERS[0]).exists(), reason="gcc-mingw-w64-x86-64 is not installed")


def defined() -> dict[str, int]:
    """Symbol -> number, of all headers; the first definition counts."""
    numbers: dict[str, int] = {}
    for name in HEADERS:
        for symbol, base, number in DEFINE.findall((INCLUDE / name).read_text(encoding="latin-1")):
            numbers.setdefault(symbol, BASES.get(base, 0) + int(number, 0))
    return numbers


@installed
def test_every_code_that_a_header_names_has_the_headers_number() -> None:
    numbers = defined()
    assert len(numbers) > 4000
    named = {row["name"]: int(row["number"], 0) for row in ROWS if row["name"] in numbers}
    assert named == {name: numbers[name] for name in named}


@installed
def test_a_code_is_in_a_published_list_or_its_source_says_where_else() -> None:
    numbers = defined()
    nowhere = {
        row["name"]
        for row in ROWS
        if row["name"] not in numbers and IN_IMPACKET.get(row["kind"], {}).get(int(row["number"], 0)) != row["name"]
    }
    assert nowhere == IN_NO_LIST
    assert all("header" in row["source"] or ".h of" in row["source"] for row in ROWS if row["name"] in nowhere)


@pytest.mark.parametrize("kind", sorted(IN_IMPACKET))
def test_a_number_that_a_list_names_has_that_name(kind: str) -> None:
    listed = IN_IMPACKET[kind]
    ours = {int(row["number"], 0): row["name"] for row in ROWS if row["kind"] == kind}
    known = {number: name for number, name in ours.items() if number in listed}
    assert known == {number: listed[number] for number in known}
    assert known


def test_no_number_stands_there_twice() -> None:
    numbers = [(row["kind"], int(row["number"], 0)) for row in ROWS]
    assert len(set(numbers)) == len(numbers)
