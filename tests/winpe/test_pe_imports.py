"""Import and export tables are read as the loader reads them, and broken ones are refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_image.pe_headers import PeFormatError, machine_of, parse
from pe_image.pe_imports import Import, exports_of, imports_of

from .tiny_pe import MACHINES, tiny_pe


@pytest.mark.parametrize("machine", MACHINES)
def test_the_machine_is_told(machine):
    assert machine_of(tiny_pe(machine)) == machine


@pytest.mark.parametrize("machine", MACHINES)
def test_imports_by_name_and_by_number_are_told(machine):
    file = parse(tiny_pe(machine, imports={"WS2_32.dll": ["socket", 23], "KERNEL32.dll": ["Sleep"]}))
    assert imports_of(file) == (Import("ws2_32.dll", ("socket", "#23")), Import("kernel32.dll", ("Sleep",)))


def test_delayed_imports_are_told_as_such():
    file = parse(tiny_pe(delayed={"wlanapi.dll": ["WlanOpenHandle"]}))
    assert imports_of(file) == (Import("wlanapi.dll", ("WlanOpenHandle",), delayed=True),)


def test_exports_are_told_by_name_and_number():
    assert exports_of(parse(tiny_pe(exports=["PdhOpenQueryW"]))) == {"PdhOpenQueryW", "#1"}


def test_a_file_without_tables_imports_and_exports_nothing():
    file = parse(tiny_pe())
    assert (imports_of(file), exports_of(file)) == ((), frozenset())


def test_what_is_no_pe_file_has_no_machine():
    assert machine_of(b"#!/bin/sh\n") == ""


@given(st.binary(max_size=4096))
def test_any_octets_are_read_or_refused(octets):
    _read_or_refuse(b"MZ" + octets)


@given(st.data())
def test_a_damaged_pe_file_is_read_or_refused(data):
    octets = bytearray(tiny_pe(imports={"a.dll": ["b", 3]}, exports=["c"], delayed={"d.dll": ["e"]}))
    for _ in range(data.draw(st.integers(1, 6))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(octets[: data.draw(st.integers(0, len(octets)))]))


def _read_or_refuse(octets):
    with contextlib.suppress(PeFormatError):
        file = parse(octets)
        assert isinstance(imports_of(file), tuple)
        assert isinstance(exports_of(file), frozenset)
