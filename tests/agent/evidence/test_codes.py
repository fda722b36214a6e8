from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent import signatures
from pe_agent.codes import Kind, explain_code, looks_like_code
from pe_agent.errors import UsageError


@pytest.mark.parametrize("text", ["0x800706BA", "0x6ba", "1722", "-2147023174", "2147944122", " 1722 "])
def test_every_way_to_write_1722_is_the_same_error(text: str) -> None:
    assert explain_code(text).name == "RPC_S_SERVER_UNAVAILABLE"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("0x800704CF", Kind.WIN32, "ERROR_NETWORK_UNREACHABLE"),
        ("0x80070035", Kind.WIN32, "ERROR_BAD_NETPATH"),
        ("0xc000000f", Kind.NTSTATUS, "STATUS_NO_SUCH_FILE"),
        ("0x80004005", Kind.HRESULT, "E_FAIL"),
        ("0x1c010003", Kind.RPC, "nca_s_unk_if"),
        ("0", Kind.WIN32, "ERROR_SUCCESS"),
    ],
)
def test_a_known_code_has_its_list_and_name(text: str, kind: Kind, name: str) -> None:
    meaning = explain_code(text)
    assert (meaning.kind, meaning.name) == (kind, name)
    assert meaning.source


def test_the_number_is_kept_as_it_was_asked() -> None:
    assert explain_code("0x800706BA").hex == "0x800706ba"
    assert explain_code("-2147023174").hex == "0x800706ba"
    assert explain_code("1722").hex == "0x000006ba"


def test_an_unknown_code_is_taken_apart() -> None:
    assert "Win32 error 9999" in explain_code("0x8007270F").text
    assert "facility 25" in explain_code("0x80190194").text
    assert explain_code("0xC0FFEE00").kind is Kind.NTSTATUS


@pytest.mark.parametrize("text", ["", "0x", "0x123456789", "setupact.log", "1.5", "99999999999", "-2147483649"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        explain_code(text)


@given(st.integers(-(2**31), 2**32 - 1))
def test_any_number_of_32_bits_is_explained(number: int) -> None:
    meaning = explain_code(str(number))
    assert meaning.text
    assert meaning.number == number % 2**32


def test_a_file_name_does_not_look_like_a_code() -> None:
    assert looks_like_code("0x800706BA")
    assert not looks_like_code("setupact.log")


def test_every_code_that_a_signature_names_is_explained() -> None:
    rows = signatures.load()
    named = {code for row in (*rows.signatures, *rows.exclusions) for code in row.when.codes}
    assert named
    assert sorted(f"0x{code:08X}" for code in named if not explain_code(str(code)).name) == []


@pytest.mark.parametrize("text", ["0xE0001234", "0xE1900101"])
def test_a_number_that_a_program_defines_is_not_called_an_ntstatus(text: str) -> None:
    meaning = explain_code(text)
    assert meaning.kind is Kind.UNKNOWN
    assert "customer-defined" in meaning.text


def test_a_number_of_setup_is_not_said_to_be_an_ntstatus_for_certain() -> None:
    assert "or a number of Windows Setup" in explain_code("0xC1900101").text
