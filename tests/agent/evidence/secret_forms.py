"""Forms in which tools, scripts and answer files write a secret: `{}` is where it stands.

Grouped by what a value may hold there and still be whole: the form itself gives other characters a meaning, or the
program that writes it puts an escape in their place.
"""

from __future__ import annotations

# A value runs to a blank or to the end of the line.
BARE = [
    "password={}",
    "password={} ",
    "password = {}",
    "Password: {}",
    "/password:{}",
    "UserPassword is now = {}",
    "Property USERPASSWORD is now = {}",
    "client_secret={}",
    "access_token={}",
    "netdom join pc /domain:corp /userd:joe /passwordd:{}",
    "netdom join pc /domain:corp /userd:joe /pd:{}",
    "cmdkey /add:srv /user:joe /pass:{}",
    "schtasks /create /tn x /ru joe /rp {} /sc once",
    "psexec \\\\pc -u joe -p {} cmd",
    "curl -u joe:{} https://web.example/x",
    "net use \\\\srv\\share /persistent:no /user:x {}",
    "net use z: /user:corp\\x \\\\srv\\share {}",
    'net use z: "\\\\srv\\my share" {} /user:x',
    "net\tuse\tz:\t\\\\srv\\share\t{}\t/user:x",
    "net use z: \\\\srv\\share /u:x {}",
    'net use z: \\\\srv\\share /user:"corp\\joe doe" {}',
    "net user joe {} /add",
    "ConvertTo-SecureString {} -AsPlainText -Force",
    "reg add HKLM\\x /v DefaultPassword /t REG_SZ /d {} /f",
    "    DefaultPassword    REG_SZ    {}",
    "BDEPin={}",
    "Property BDEPin is now = {}",
    "OSDBitLockerPIN={}",
    "_SMSTSMediaPFX={}",
    "_SMSTSReserved2-000 = {}",
    "netsh wlan set hostednetwork mode=allow ssid=x key={}",
]
# A value stands in quotes; a quote of the same kind in it is followed by a letter.
QUOTED = [
    'password="{}"',
    '{{"adminPassword": "{}", "user": "joe"}}',
    '{{"name":"password","value":"{}"}}',
    '{{"value":"{}","name":"password"}}',
    '{{"msg":"{{\\"password\\":\\"{}\\",\\"user\\":\\"joe\\"}}"}}',
    'ConvertTo-SecureString "{}" -AsPlainText -Force',
    'ConvertTo-SecureString -AsPlainText "{}" -Force',
    '"{}" | ConvertTo-SecureString -AsPlainText -Force',
    'reg add "HKLM\\x y" /v DefaultPassword /d "{}" /f',
    'net use z: \\\\srv\\share "{}" /user:x',
    'cmdkey /add:srv /user:joe /pass:"{}"',
    'Join.ps1 -Password "{}" -Domain x',
    '"DefaultPassword"="{}"',
]
# A value is the text or an attribute of XML: & " and < come as entities.
XML = [
    "<Password>{}</Password>",
    "<Password>\r\n<Value>{}</Value>\r\n</Password>",
    '<Password Value="{}"/>',
    '<add key="DbPassword" value="{}"/>',
    '<add value="{}" key="DbPassword"/>',
    '<variable name="OSDJoinPassword">{}</variable>',
    '<var name="_SMSTSMediaPFX">{}</var>',
    '<variable name="BDEPin" value="{}" />',
    '<PolicySecret Version="1">{}</PolicySecret>',
]
# A value is taken as it is, up to ]]>.
CDATA = [
    "<Password><![CDATA[{}]]></Password>",
    '<PolicySecret Version="1"><![CDATA[{}]]></PolicySecret>',
    '<var name="_SMSTSMediaPFX"><![CDATA[{}]]></var>',
    "<Password>\r\n<![CDATA[{}]]>\r\n</Password>",
]
# XML in the text of XML.
ESCAPED = [
    "&lt;Password&gt;{}&lt;/Password&gt;",
    "&lt;Password&gt;&lt;Value&gt;{}&lt;/Value&gt;",
    "&lt;Password&gt;\r\n&lt;Value&gt;{}&lt;/Value&gt;\r\n&lt;/Password&gt;",
    "&lt;add key=&quot;DbPassword&quot; value=&quot;{}&quot;/&gt;",
]

TAIL = "Canary7Bird"
_SIGNS = [";", "&", ")", "'", '"', "<", ",", ">", "]", "}", "#", "/", "\\", "=", ":", "@", "$", "!", "-", "%"]
PLAIN_VALUES = [TAIL, f"<{TAIL}>", f"({TAIL}", *(f"ab{sign}{TAIL}" for sign in _SIGNS)]


def values_of(forms: list[str]) -> list[str]:
    """The values that may be planted in these forms, as they are written there."""
    if forms is XML:
        return [_escaped(value) for value in PLAIN_VALUES]
    if forms is ESCAPED:
        return [_escaped(_escaped(value)) for value in PLAIN_VALUES]
    if forms is QUOTED:
        return [value for value in PLAIN_VALUES if "\\" not in value]
    return PLAIN_VALUES


def _escaped(value: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(sign, entity)
    return value
