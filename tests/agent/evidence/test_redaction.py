"""No secret leaves in any log, whole or in pieces; what is no secret stays as it is."""

from __future__ import annotations

import base64
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.model import Event, EventKind, Evidence, Finding, Observation, Outcome, Owner, Reason
from pe_agent.redact import Redactor, redact_text, redact_values

from . import secret_forms

KEY = b"key of one site"
CANARY = "Canary7Bird"
PRODUCT_KEY = "NPPR9-FWDCX-D2C8J-H872K-2YT43"
RECOVERY_KEY = "-".join(["471207", "278498", "422125", "177177", "561902", "537405", "468006", "693451"])
HIDDEN = base64.b64encode("Canary7BirdAdministratorPassword".encode("utf-16-le")).decode()
SECRETS = (CANARY, PRODUCT_KEY, RECOVERY_KEY, HIDDEN, "MIIEvQIBADANBgkq")

# (rule, line): each plants one of SECRETS.
PLANTED = [
    ("password", f'UserPassword="{CANARY}"'),
    ("password", f"password={CANARY};user=x (0x8007052E)"),
    ("password", f'{{"adminPassword": "{CANARY}"}}'),
    ("password", f"/PasswordD:{CANARY}"),
    ("password-in-words", f"Property USERPASSWORD is now = {CANARY} and more"),
    ("secret", f"client_secret: {CANARY}"),
    ("secret", f"Key Content            : {CANARY}"),
    ("secret", f"access_token={CANARY}"),
    ("key", f"tool.exe /key:{CANARY}"),
    ("task-sequence-variable", f"_SMSTSReserved2-000 = {CANARY}"),
    ("switch", f"Join.ps1 -Password {CANARY} -Domain x"),
    ("xml-attribute", f'<variable name="OSDJoinPassword" value="{CANARY}" />'),
    ("escaped-xml", f"&lt;Password&gt;&lt;Value&gt;{CANARY}&lt;/Value&gt;"),
    ("net-use", f"cmd /c net use z: \\\\srv\\share {CANARY} /persistent:no"),
    ("net-use", f"net use \\\\srv\\share /user:corp\\x {CANARY}"),
    ("user-switch", f"runas /user:{CANARY} cmd"),
    ("url-userinfo", f"GET https://deploy:{CANARY}@web.example/boot"),
    ("url-signature", f"https://x.example/a?sv=1&sig={CANARY}%3D"),
    ("authorization", f"Authorization: Bearer {CANARY}{CANARY}"),
    ("product-key", f"using key {PRODUCT_KEY} for edition"),
    ("bitlocker-key", f"recovery {RECOVERY_KEY}."),
    ("hidden-password", f"found value {HIDDEN} in answer file"),
    ("xml-element", f"<Password><Value>{CANARY}</Value><PlainText>false</PlainText></Password>"),
    ("xml-element", f"<AutoLogon>\r\n  <Username>{CANARY}</Username>\r\n</AutoLogon>"),
    ("xml-element", f"<ProductKey>\r\n<Key>{CANARY}</Key>\r\n</ProductKey>"),
    ("xml-element", f"<wlan:keyMaterial>{CANARY}</wlan:keyMaterial>"),
    ("private-key", "-----BEGIN RSA PRIVATE KEY-----\r\nMIIEvQIBADANBgkq\r\n-----END RSA PRIVATE KEY-----"),
]
FORMS_OF_SECRETS = [
    (forms, form)
    for forms in (secret_forms.BARE, secret_forms.QUOTED, secret_forms.XML, secret_forms.CDATA, secret_forms.ESCAPED)
    for form in forms
]
FORMS = {
    "setupact": "2026-03-02 08:15:30, Info       [0x0601c1] IBS    {}[gle=0x00000002]\r\n",
    "wpeinit": "2026-03-02 08:15:30.592, Info      {}\r\n",
    "cmtrace": '<![LOG[{}]LOG]!><time="08:15:30.123+480" date="03-02-2026" component="x" type="1">\r\n',
    "setupapi": "     cmd: {}\r\n",
    "wds-trace": "[1184] 08:15:30: [WDSServer] {}\r\n",
    "last-line": "{}",
}
ENCODINGS = ["utf-8", "utf-16", "utf-16-be", "cp1252"]
HARMLESS = [
    "Build version is 10.0.16299.15 (rs3_release.170928-1534)",
    "Class GUID {4d36e972-e325-11ce-bfc1-08002be10318}, id 1A927394-352E-4553-AE3F-7CF4AAFCA620",
    r"PCI\VEN_8086&DEV_15BC&SUBSYS_07A11028&REV_10\3&11583659&0&FE",
    "Failed to get password: 0x80070005",
    "password = [0x8007052E]",
    "wcp, Version=10.0.22621.1, PublicKeyToken=31bf3856ad364e35, Culture=neutral",
    r"Registry key: HKLM\SYSTEM\CurrentControlSet\Control\PXE",
    r"Opened key = HKLM\Software\Microsoft",
    "<HideEULAPage>true</HideEULAPage>",
    "No password was given; the token is missing; secret santa",
    "The user must change the password at next logon: error 1907",
    r"net use z: \\srv\share /persistent:no",
    "https://learn.microsoft.com/windows/deployment?view=10",
    "AA:BB:CC:DD:EE:FF 10.20.3.44 S-1-5-21-1004336348-1177238915-682003330-512",
    "token = {4d36e972-e325-11ce-bfc1-08002be10318}, session token: 1A927394-352E-4553-AE3F-7CF4AAFCA620",
    "UserID=S-1-5-18, UserID = {4d36e972-e325-11ce-bfc1-08002be10318}",
    "pwd: X:\\windows\\system32",
    'password="" and Password=<not set>, PASSWORD is now = ',
    'net use z: "\\\\srv\\my share" /persistent:no',
    "netsh interface ip show config; curl: (6) could not resolve host",
    '<variable name="OSDComputerName">PC1</variable><x name="Password" other="1"/>',
    "Password=true, PlainText=false, pwd=%PWD%, token=***",
    "product id 00330-80000-00000-AA532, KB5034441, {00000000-0000-0000-0000-000000000000}",
]


def redacted(octets: bytes, size: int = 1 << 20) -> tuple[bytes, Counter[str]]:
    redactor = Redactor(KEY)
    pieces = [redactor.feed(octets[at : at + size]) for at in range(0, len(octets), size)]
    return b"".join((*pieces, redactor.finish())), redactor.removed


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(("rule", "line"), PLANTED)
def test_a_planted_secret_is_in_no_log(rule: str, line: str, form: str, encoding: str) -> None:
    text = "a first line, to know the encoding by\r\n" + FORMS[form].format(line)
    out, removed = redacted(text.encode(encoding))
    seen = out.decode(encoding)
    assert not [secret for secret in SECRETS if secret in seen]
    assert rule in removed
    assert seen.count("\n") == text.count("\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_stays_octet_for_octet(line: str, encoding: str) -> None:
    for form in FORMS.values():
        octets = form.format(line).encode(encoding)
        assert redacted(octets) == (octets, Counter())


@pytest.mark.parametrize("log", sorted(FORMS))
@pytest.mark.parametrize(("forms", "form"), FORMS_OF_SECRETS, ids=lambda f: f if isinstance(f, str) else "")
def test_no_part_of_a_value_stays_whatever_signs_are_in_it(forms: list[str], form: str, log: str) -> None:
    lines = [FORMS[log].format(form.format(value)) for value in secret_forms.values_of(forms)]
    left = [line for line in lines if secret_forms.TAIL.encode() in redacted(b"first\r\n" + line.encode())[0]]
    assert left == []


NARROW_LINE = b"2026-03-02 08:15:30, Info                  IBS    Nothing is said here.\r\n"
CHINESE = "\u5bc6\u7801\u662f\u4e2d\u6587\u7684\u4e00\u884c" * 10


@pytest.mark.parametrize("size", [1, 13, 64, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NARROW_LINE * 3, NARROW_LINE),
        (CHINESE + " ", NARROW_LINE),
        ("\ufeff" + CHINESE + "\r\n", NARROW_LINE),
        (b"", b"\0" * 4096),
    ],
)
def test_a_secret_is_found_where_the_encoding_changes(
    before: str | bytes, after: bytes, encoding: str, size: int
) -> None:
    began = before if isinstance(before, bytes) else before.encode(encoding)
    line = f"net use z: \\\\srv\\share {CANARY} /user:x and password={CANARY}7;x\r\n"
    octets = began + line.encode(encoding) + after + line.encode() + line.encode(encoding) + after
    out, removed = redacted(octets, size)
    assert CANARY.encode() not in out.replace(b"\0", b"")
    assert removed["net-use"] == removed["password"] == 3
    assert out.startswith(began)


def test_a_word_in_utf16_stands_in_utf16() -> None:
    out, _ = redacted(NARROW_LINE + f"password={CANARY}\r\n".encode("utf-16-le"))
    assert out.removeprefix(NARROW_LINE).decode("utf-16-le") == redact_text(KEY, f"password={CANARY}\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_across_the_borders_of_pieces_is_found(size: int, encoding: str) -> None:
    octets = "".join(FORMS["setupact"].format(line) for _, line in PLANTED).encode(encoding)
    assert redacted(octets, size) == redacted(octets)


@pytest.mark.parametrize("at", [0, 100_000, 122_870, 131_072, 262_140, 300_000])
def test_a_secret_in_a_line_without_end_is_found(at: int) -> None:
    octets = b"x" * at + b" password=Canary7Bird " + b"y" * 300_000
    out, removed = redacted(octets, 65_536)
    assert b"Canary" not in out
    assert removed == Counter({"password": 1})
    assert len(out) == len(octets) - len("Canary7Bird") + len("[redacted:12345678]")


def test_a_private_key_in_pieces_is_removed_line_by_line() -> None:
    lines = [b"-----BEGIN PRIVATE KEY-----", *[b"MIIEvQIBADANBgkq" * 4] * 20, b"-----END PRIVATE KEY-----", b"after"]
    out, _ = redacted(b"\n".join(lines), 50)
    assert b"MIIE" not in out
    assert out.count(b"\n") == len(lines) - 1
    assert out.endswith(b"after")


def test_an_element_that_never_ends_does_not_eat_the_log() -> None:
    lines = b"<Password>\n" + b"12:00 an ordinary line > of a log\n" * 2000
    out, _ = redacted(lines)
    assert out.endswith(b"an ordinary line > of a log\n")


def test_the_same_secret_is_the_same_word_in_every_encoding() -> None:
    words = {redacted("password=Gerät7x\r\n".encode(e))[0].decode(e).lstrip("\ufeff") for e in ENCODINGS}
    assert len(words) == 1
    assert redact_text(b"another key", "password=Ger\u00e4t7x\r\n") not in words


def test_what_is_redacted_stays_as_it_is() -> None:
    once = redacted("".join(FORMS["cmtrace"].format(line) for _, line in PLANTED).encode())[0]
    assert redacted(once) == (once, Counter())


@given(st.binary(max_size=400), st.integers(1, 60))
def test_any_octets_come_back_the_same_however_they_arrive(octets: bytes, size: int) -> None:
    assert redacted(octets, size) == redacted(octets)


@given(st.lists(st.sampled_from([b"\xff\xfe", b"\xfe\xff", b"\xd8\x3d", b"a\0", b"\n\0", b"\0\n", b"x\n", b"\0"])))
def test_octets_without_a_secret_come_back_whole(scraps: list[bytes]) -> None:
    octets = b"".join(scraps)
    assert redacted(octets) == (octets, Counter())


def test_facts_events_and_findings_lose_their_secrets_and_nothing_else() -> None:
    observation = Observation(
        "x",
        "host:80",
        Outcome.OK,
        Reason.ANSWERED,
        facts={"url": f"http://a:{CANARY}@h/", "client_secret": CANARY, "n": 3},
    )
    event = Event(1.0, "eth0", EventKind.ADDRESS, "10.0.0.1/24")
    finding = Finding("f", "t", Owner.IMAGE, "a", 0.5, (Evidence(f"pwd={CANARY}", "setupact.log", 3),))
    seen = [redact_values(KEY, record) for record in (observation, event, finding)]
    assert CANARY not in repr(seen)
    assert seen[1] == event
    assert seen[0].facts["n"] == 3
    assert seen[0].reason is Reason.ANSWERED
    assert seen[2].evidence[0].line == 3
