"""Scripts of every form take one more program and keep their encoding, line ends and octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_image.errors import HookError
from pe_image.hook_unattend import with_asynchronous_command
from pe_image.hooks import (
    INI_LINE,
    MAX_COMMAND_CHARACTERS,
    STARTNET_LINE,
    Scene,
    ini_problems,
    longer_ini,
    longer_startnet,
    new_ini,
)
from pe_image.kinds import kind_of, load_kinds
from pe_image.text_form import Script, read_script

NOTHING = frozenset()
INI = "[LaunchApps]\r\nX:\\site\\menü.exe\r\n"
ENCODINGS = {
    "ansi": INI.encode("cp1252"),
    "utf-8 with mark": b"\xef\xbb\xbf" + INI.encode(),
    "utf-16 with mark": b"\xff\xfe" + INI.encode("utf-16-le"),
    "utf-16 big with mark": b"\xfe\xff" + INI.encode("utf-16-be"),
    "utf-16 without mark": INI.encode("utf-16-le"),
}


@pytest.mark.parametrize("form", ENCODINGS)
def test_the_encoding_of_an_ini_is_kept(form):
    script = read_script(ENCODINGS[form])
    changed = longer_ini(Scene(NOTHING, "x64", script))
    assert (changed.encoding, changed.mark) == (script.encoding, script.mark)
    assert changed.octets().replace((INI_LINE + "\r\n").encode(script.encoding), b"") == ENCODINGS[form]


@given(st.binary(max_size=300))
def test_any_octets_come_back_as_they_were(octets):
    assert read_script(octets).octets() == octets


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"wpeinit", b"{hook}\r\nwpeinit"),
        (b"wpeinit\n", b"{hook}\nwpeinit\n"),
        (b"@echo off\r\nwpeinit\r\n", b"@echo off\r\n{hook}\r\nwpeinit\r\n"),
        (b"\xef\xbb\xbf@rem\r\nwpeinit\r\n", b"\xef\xbb\xbf@rem\r\n{hook}\r\nwpeinit\r\n"),
        (b"", b"{hook}\r\n"),
    ],
)
def test_startnet_starts_the_agent_before_the_network(before, after):
    changed = longer_startnet(Scene(NOTHING, "x64", read_script(before)))
    assert changed.octets() == after.replace(b"{hook}", STARTNET_LINE.encode())


def test_our_own_line_obeys_the_rules_of_the_ini():
    assert len(INI_LINE) <= MAX_COMMAND_CHARACTERS
    assert INI_LINE.count(",") == 1


def test_a_command_of_more_than_250_characters_is_refused_with_its_line():
    text = "[LaunchApps]\r\nX:\\a.exe, " + "x" * 245 + "\r\n"
    with pytest.raises(HookError, match=r"line 2 has 255 characters, 250 are allowed"):
        longer_ini(Scene(NOTHING, "x64", Script(text)))


def test_a_command_of_250_characters_is_allowed():
    assert ini_problems("X:\\a.exe, " + "x" * 240) == ()


def test_an_open_quotation_is_refused():
    assert ini_problems('[LaunchApps]\nX:\\a.exe, "/b') == ("line 2 opens a quotation and does not close it",)


def test_options_of_the_programs_stay_behind_their_comma():
    text = '[LaunchApps]\r\n%SYSTEMDRIVE%\\a\\app2.exe, /s "C:\\Program Files\\App3"\r\n'
    changed = longer_ini(Scene(NOTHING, "x64", Script(text))).text
    assert changed == text.replace("]\r\n", f"]\r\n{INI_LINE}\r\n")


def test_a_single_program_with_a_comma_in_its_path_is_refused():
    with pytest.raises(HookError, match="comma"):
        longer_ini(Scene(NOTHING, "x64", Script("[LaunchApp]\r\nAppPath=X:\\a,b.exe\r\n")))


def test_what_stands_around_a_single_program_stays():
    text = "; ours\r\n[LaunchApp]\r\nAppPath=X:\\a.exe\r\n; end\r\n"
    changed = longer_ini(Scene(NOTHING, "x64", Script(text))).text
    assert changed == f"; ours\r\n[LaunchApps]\r\n{INI_LINE}\r\nX:\\a.exe\r\n; end\r\n"


STARTS_NOTHING = [
    "",
    "; all off\r\n",
    "[Other]\r\nx=1\r\n",
    "[LaunchApp]\r\n",
    "[LaunchApp]\r\n[Other]\r\nAppPath=X:\\a.exe",
]


@pytest.mark.parametrize("text", STARTS_NOTHING)
def test_an_ini_that_starts_nothing_is_refused(text):
    with pytest.raises(HookError, match=r"winpeshl\.ini"):
        longer_ini(Scene(NOTHING, "x64", Script(text)))


@pytest.mark.parametrize("text", STARTS_NOTHING)
def test_an_ini_that_starts_nothing_still_decides_what_kind_of_image_it_is(text):
    assert kind_of(text, [], load_kinds()).id == "custom-ini"


def test_a_comment_does_not_decide_what_kind_of_image_it_is():
    text = "[LaunchApps]\r\n; was %SYSTEMDRIVE%\\sms\\bin\\x64\\tsbootshell.exe\r\nX:\\site\\menu.exe\r\n"
    assert kind_of(text, [], load_kinds()).id == "custom-ini"


def test_a_startnet_that_the_command_interpreter_cannot_run_is_refused():
    with pytest.raises(HookError, match="UTF-16"):
        longer_startnet(Scene(NOTHING, "x64", read_script("wpeinit\r\n".encode("utf-16"))))


def test_the_setup_that_windows_pe_would_start_first_is_the_one_kept():
    paths = frozenset({"SETUP.EXE", r"$Windows.~BT\Sources\Setup.exe"})
    (programs,) = (kind.files for kind in load_kinds() if kind.id == "setup")
    assert (
        new_ini(Scene(paths, "x64", None, programs)).text.splitlines()[-1]
        == r"%SYSTEMDRIVE%\$Windows.~BT\sources\setup.exe"
    )


UNATTENDS = {
    "no pass": "<unattend>{}</unattend>",
    "another pass": '<unattend><settings pass="specialize"/>{}</unattend>',
    "an empty pass": '<unattend><settings pass="windowsPE">{}</settings></unattend>',
    "another architecture": '<unattend><settings pass="windowsPE"><component name="Microsoft-Windows-Setup" '
    'processorArchitecture="x86"></component>{}</settings></unattend>',
    "no commands": '<unattend><settings pass="windowsPE"><component name="Microsoft-Windows-Setup" '
    'processorArchitecture="amd64"><UserData/>{}</component></settings></unattend>',
    "a pass in a comment": '<unattend><!-- <settings pass="windowsPE"></settings> -->{}</unattend>',
}


@pytest.mark.parametrize("form", UNATTENDS)
def test_the_command_goes_where_the_answer_file_has_room_for_it(form):
    before, after = UNATTENDS[form].split("{}")
    changed = with_asynchronous_command(Script(before + after), "agent.cmd", "x64").text
    assert changed.startswith(before)
    assert changed.endswith(after)
    assert changed.count("<Path>agent.cmd</Path>") == 1


def test_an_answer_file_in_utf_16_stays_in_utf_16():
    octets = '<?xml version="1.0" encoding="utf-16"?><unattend></unattend>'.encode("utf-16")
    changed = with_asynchronous_command(read_script(octets), "agent.cmd", "arm64").octets()
    assert changed.startswith(octets[:-22])
    assert 'processorArchitecture="arm64"' in changed.decode("utf-16")


@pytest.mark.parametrize("text", ["<unattend>", "<other></other>", "not xml"])
def test_a_damaged_answer_file_is_refused(text):
    with pytest.raises(HookError):
        with_asynchronous_command(Script(text), "agent.cmd", "x64")
