"""Synthetic logs: lines written by hand in the form each program documents; no line was written by that program."""

EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    "<Provider Name='Microsoft-Windows-Deployment-Services-Diagnostics'/><EventID>{id}</EventID><Level>{level}</Level>"
    "<TimeCreated SystemTime='{time}'/></System><EventData>{data}</EventData></Event>"
)


def event(number: int, time: str, level: int = 4, **data: str) -> str:
    values = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in data.items())
    return EVENT.format(id=number, level=level, time=time, data=values)


PANTHER = (
    b"2026-03-02 08:15:30, Info       [0x0601c1] IBS    InstallWindows:Setup Phase = 2\r\n"
    b"2026-03-02 08:15:31, Error                 DISM   hr = 0x800706BA\r\n  more\r\n"
)
WPEINIT = (
    "\ufeffInfo      STATUS: SUCCESS (0x00000001)\r\n"
    "Info        Command 0: 0x00000000\r\n"
    "2026-03-02 08:15:30.592, Error     QueryAdapterStatus: no adapters found.\r\n"
).encode("utf-16-le")
CMTRACE = (
    b'<![LOG[Booted from network (PXE)]LOG]!><time="16:52:13.000+480" date="03-02-2026" component="TSPxe" context="" '
    b'type="1" thread="1204" file="tspxe.cpp:131">\r\n'
    b'<![LOG[first\r\nsecond 0x80072EE7]LOG]!><time="16:52:14.000+000" date="03-02-2026" component="LiteTouch" '
    b'context="" type="3" thread="" file="LiteTouch">\r\n'
    b"Found network adapter  $$<TSMBootstrap><03-02-2026 16:52:15.123+480><thread=1204 (0x4B4)>\r\n"
)
SETUPAPI = (
    b"[Device Install Log]\r\n     OS Version = 10.0.26100\r\n\r\n"
    b"[Boot Session: 2026/03/02 08:15:01.500]\r\n\r\n"
    b">>>  [Device Install (Hardware initiated) - PCI\\VEN_8086&DEV_15F3&SUBSYS_00008086&REV_03\\3&11583659&0&FE]\r\n"
    b">>>  Section start 2026/03/02 08:15:31.123\r\n"
    b"     dvi: {Build Driver List} 08:15:31.130\r\n"
    b"     dvi:      Searching for hardware ID(s):\r\n"
    b"     dvi:           pci\\ven_8086&dev_15f3&cc_0200\r\n"
    b"!!!  ndv: No driver found for device.\r\n"
    b"<<<  Section end 2026/03/02 08:15:31.400\r\n"
    b"<<<  [Exit status: FAILURE(0xe0000203)]\r\n"
    b"\r\n"
    b">>>  [Device Install (Hardware initiated) - PCI\\VEN_8086&DEV_2922&CC_0106\\3&11583659&0&FA]\r\n"
    b">>>  Section start 2026/03/02 08:15:32.000\r\n"
    b"<<<  Section end 2026/03/02 08:15:32.400\r\n"
    b"<<<  [Exit status: SUCCESS]\r\n"
)
WDS_TRACE = (
    b"[5464] 09:26:14: [UDPPorts] Dynamic Port Range: 64001-65000.\r\n"
    b"[5464] 09:26:20: [WdsImgSrv] Error in enumerating images. Error [13]\r\n"
)
_BOOTED = event(4096, "2026-03-02T08:15:30.123Z", MACAddress="52-54-00-12-34-56", IPAddress="10.10.1.23")
_IMAGE = event(4100, "2026-03-02T08:15:55.000Z", ClientIP="10.10.1.23", Filename="Boot\\x64\\Images\\boot.wim")
WDS_XML = f"<?xml version='1.0'?>\r\n<Events>{_BOOTED}\r\n{_IMAGE}</Events>\r\n".encode()
WDS_ROWS = (
    b"\xef\xbb\xbfLevel,Date and Time,Source,Event ID,Task Category\r\n"
    b"Information,3/2/2026 8:15:55 AM,Microsoft-Windows-Deployment-Services-Diagnostics,4100,None,"
    b'"The Following Client completed TFTP Download:\r\n\r\nClient IP: 10.10.1.23\r\nFilename: boot.wim"\r\n'
    b"Error,3/2/2026 8:16:55 AM,Microsoft-Windows-Deployment-Services-Diagnostics,4101,None,"
    b'"The Following Client failed TFTP Download:\r\n\r\nClient IP: 10.10.1.24\r\nError: 0x800705B4"\r\n'
)
WDS_CSV = (
    b"#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n"
    b'"Message","Id","Version","Level","ProviderName","TimeCreated","LevelDisplayName"\r\n'
    b'"The following WDS Client has started.\r\n""quoted"", with a comma\r\n\r\nMAC Address: {52-54-00-12-34-56}\r\n"'
    b',"4102","0","4","Microsoft-Windows-Deployment-Services-Diagnostics","3/2/2026 8:15:55 AM","Information"\r\n'
    b'"The Following Client failed TFTP Download:\r\n\r\nClient IP: 10.10.1.24\r\nError: 0x800705B4","4101","0","2",'
    b'"Microsoft-Windows-Deployment-Services-Diagnostics","3/2/2026 8:16:55 AM","Error"\r\n'
)
WDS_LIST = b"""
TimeCreated  : 3/2/2026 8:15:55 AM
Id           : 4102
ProviderName : Microsoft-Windows-Deployment-Services-Diagnostics
Message      : The following WDS Client has started.
               MAC Address: {52-54-00-12-34-56}

TimeCreated  : 3/2/2026 8:20:55 AM
Id           : 4112
Message      : The following WDS Client has ended.

""".replace(b"\n", b"\r\n")
DHCP_AUDIT = (
    b"\t\tMicrosoft DHCP Service Activity Log\r\n\r\nID,Date,Time,Description,IP Address,Host Name,MAC Address\r\n"
    b"10,03/02/26,08:15:30,Assign,10.10.1.23,PC-1.example.org,525400123456,,1234567,0,,,,\r\n"
    b"14,03/02/26,08:15:31,Scope Full,10.10.2.0,,525400123457,,1234568,0,,,,\r\n"
)
ISC = (
    b"Mar  2 08:15:30 srv dhcpd[812]: DHCPDISCOVER from 52:54:00:12:34:56 via 10.10.1.1\n"
    b"2026-03-02T08:15:31.000+00:00 srv dhcpd[812]: DHCPOFFER on 10.10.1.23 to 52:54:00:12:34:56 via 10.10.1.1\n"
    b"Mar  2 08:15:32 srv dhcpd[812]: DHCPDISCOVER from 52:54:00:12:34:57 via eth0: "
    b"network 10.10.2.0/24: no free leases\n"
)
DNSMASQ = (
    b"Mar  2 08:15:30 dnsmasq-dhcp[99]: 3141592 DHCPDISCOVER(eth0) 52:54:00:12:34:56\n"
    b"Mar  2 08:15:30 dnsmasq-dhcp[99]: 3141592 PXE(eth0) 52:54:00:12:34:56 proxy\n"
)
KEA = (
    b"2026-03-02 08:15:30.123 INFO  [kea-dhcp4.leases/812.140] DHCP4_LEASE_ALLOC [hwtype=1 52:54:00:12:34:56], "
    b"cid=[no info], tid=0x1234: lease 10.10.1.23 has been allocated for 3600 seconds\n"
    b"2026-03-02 08:15:31.000 WARN  [kea-dhcp4.alloc-engine/812.140] ALLOC_ENGINE_V4_ALLOC_FAIL [hwtype=1 "
    b"52:54:00:12:34:57], cid=[no info], tid=0x1235: failed to allocate an IPv4 lease\n"
)

# Format -> (log, how many records have columns).
SAMPLES: dict[str, tuple[tuple[bytes, int], ...]] = {
    "panther": ((PANTHER, 2),),
    "wpeinit": ((WPEINIT, 3),),
    "cmtrace": ((CMTRACE, 3),),
    "setupapi": ((SETUPAPI, 4),),
    "wds-trace": ((WDS_TRACE, 2),),
    "wds-events-xml": ((WDS_XML, 2), (b"\xff\xfe" + WDS_XML.decode().encode("utf-16-le"), 2)),
    "wds-events-rows": ((WDS_ROWS, 2),),
    "wds-events-csv": ((WDS_CSV, 3),),
    "wds-events-list": ((WDS_LIST, 2),),
    "dhcp-audit": ((DHCP_AUDIT, 2),),
    "dhcp-syslog": ((ISC, 3), (DNSMASQ, 2)),
    "dhcp-kea": ((KEA, 2),),
}
