"""Names, time, packet size and DHCPv6 over IPv6 alone, asked of real servers: client -- router -- server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import servers
from .conditions import why_not
from .daemons_extra import start_tftpd, stop
from .places import Place
from .topology import limit_icmp
from .waiting import wait_until

SKIP = why_not() or servers.missing("dnsmasq", "chronyd", "dhcpd", "in.tftpd")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(SKIP), reason=SKIP or "possible")]

SERVER, ROUTER, NAME = "fd31:9::20", "fd31:1::1", "wds06.lab.test"
BOOT_FILE, UEFI_FILE = "boot/x64/wdsnbp.com", "boot/x64/wdsmgfw.efi"
_DNSMASQ = """
port=0
interface=eth-client
bind-interfaces
dhcp-range=fd31:1::100,fd31:1::200,64,1h
dhcp-option=option6:59,"{url}"
dhcp-leasefile={leases}
pid-file=
user=root
log-facility=-
"""
_DHCPD = """
default-lease-time 3600;
option dhcp6.bootfile-url "{url}";
subnet6 fd31:1::/64 {{ range6 fd31:1::100 fd31:1::200; }}
"""
Row = dict[str, Any]
Ask = Callable[..., dict[str, Row]]


def _cable(router: Place, place: Place, port: str) -> None:
    line = f"link add name {port} type veth peer name eth0 netns {place.pid}\n"
    router.must_from_outside("ip", "-batch", "-", stdin=line)


def _address(place: Place, device: str, address: str, gateway: str = "") -> None:
    place.must("ip", "address", "add", f"{address}/64", "dev", device, "nodad")
    place.must("ip", "link", "set", "dev", device, "up")
    if gateway:
        place.must("ip", "-6", "route", "add", "default", "via", gateway)


class Net:
    """Three places without an IPv4 address anywhere."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.client, self.router, self.server = (
            stack.enter_context(Place(name, folder)) for name in ("client", "router", "server")
        )
        for place in (self.client, self.router, self.server):
            limit_icmp(place, 0)
        self.router.must("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        _cable(self.router, self.client, "eth-client")
        _cable(self.router, self.server, "eth-server")
        _address(self.router, "eth-client", ROUTER)
        _address(self.router, "eth-server", "fd31:9::1")
        _address(self.client, "eth0", "fd31:1::2", ROUTER)
        _address(self.server, "eth0", SERVER, "fd31:9::1")
        for place, device in ((self.client, "eth0"), (self.router, "eth-client"), (self.server, "eth0")):
            wait_until("a link-local address that is no duplicate", lambda p=place, d=device: _is_settled(p, d))
        resolver = folder / "etc" / "resolv.conf"
        resolver.parent.mkdir()
        resolver.write_text(f"nameserver {SERVER}\nsearch lab.test\n", encoding="ascii")
        self.client.must("mount", "--bind", str(resolver), "/etc/resolv.conf")

    def ask(self, *words: str) -> dict[str, Row]:
        """What the agent on the client observes, by target."""
        environment = {"PE_AGENT_SYSROOT": str(self.folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        command = (sys.executable, "-m", "pe_agent", "probe", *words, "--format", "json")
        done = self.client.run(*command, env=environment, timeout_s=120)
        assert done.stdout, done.stderr
        return {row["target"]: row for row in json.loads(done.stdout)["observations"]}

    @contextmanager
    def rule(self, rule: str) -> Iterator[None]:
        """A rule for what the router passes on, until the end of the block."""
        chain = f"table ip6 case {{\n chain f {{\n type filter hook forward priority 0\n {rule}\n }}\n}}\n"
        self.router.must("nft", "-f", "-", stdin=chain)
        try:
            yield
        finally:
            self.router.must("nft", "delete", "table", "ip6", "case")


def _is_settled(place: Place, device: str) -> bool:
    shown = place.must("ip", "-6", "address", "show", "dev", device, "scope", "link")
    return "fe80:" in shown and "tentative" not in shown


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with ExitStack() as stack:
        net = Net(tmp_path_factory.mktemp("ipv6"), stack)
        servers.start_name_server(net.server, net.folder, SERVER, f"{NAME},{SERVER}", "stale6.lab.test,fd31:9::99")
        servers.start_time_server(net.server, net.folder / "time")
        yield net


def said(row: Row) -> tuple[str, str]:
    return row["outcome"], row["reason"]


# --- names and time --------------------------------------------------------------------------------------------------


def test_a_name_leads_to_an_ipv6_address(net: Net) -> None:
    row = net.ask("dns", "--server", NAME)[f"[{SERVER}]:53"]
    assert said(row) == ("ok", "answered")
    assert (row["facts"]["asked"], row["facts"]["addresses"]) == (NAME, SERVER)


def test_a_name_that_the_ipv6_name_server_does_not_know_is_told(net: Net) -> None:
    row = net.ask("dns", "--server", "missing.lab.test")[f"[{SERVER}]:53"]
    assert said(row) == ("failed", "no-such-name")


def test_a_blocked_ipv6_name_server_is_filtered(net: Net) -> None:
    with net.rule("udp dport 53 drop"):
        assert said(net.ask("dns", "--server", NAME)[f"[{SERVER}]:53"])[1] == "filtered"


def test_a_time_server_answers_over_ipv6(net: Net) -> None:
    row = net.ask("sntp", "--server", SERVER)[f"[{SERVER}]:123"]
    assert said(row) == ("ok", "answered")
    assert abs(row["facts"]["skew_s"]) < 5


def test_a_rejected_time_server_names_the_ipv6_router(net: Net) -> None:
    with net.rule("udp dport 123 reject with icmpv6 type admin-prohibited"):
        row = net.ask("sntp", "--server", SERVER)[f"[{SERVER}]:123"]
    assert said(row) == ("skipped", "rejected")
    assert (row["facts"]["icmp_type"], row["facts"]["icmp_code"], row["facts"]["icmp_from"]) == (1, 1, ROUTER)


# --- packet size -----------------------------------------------------------------------------------------------------


def test_full_packets_pass_over_ipv6(net: Net) -> None:
    row = net.ask("path-mtu", "--server", SERVER)[SERVER]
    assert said(row) == ("ok", "answered")
    assert row["facts"]["mtu_bytes"] == 1500


def test_an_ipv6_router_with_a_narrow_link_names_itself_and_the_size(net: Net) -> None:
    net.router.must("ip", "link", "set", "dev", "eth-server", "mtu", "1400")
    try:
        row = net.ask("path-mtu", "--server", SERVER)[SERVER]
    finally:
        net.router.must("ip", "link", "set", "dev", "eth-server", "mtu", "1500")
    assert said(row) == ("warning", "mtu-too-small")
    assert (row["facts"]["mtu_bytes"], row["facts"]["icmp_from"]) == (1400, ROUTER)
    assert (row["facts"]["icmp_type"], row["facts"]["icmp_code"]) == (2, 0)


def test_an_ipv6_hole_for_large_packets_is_found_where_nobody_says_anything(net: Net) -> None:
    with net.rule("meta length > 1400 drop"):
        assert said(net.ask("path-mtu", "--server", SERVER)[SERVER]) == ("failed", "large-data-lost")


# --- DHCPv6 ----------------------------------------------------------------------------------------------------------


@contextmanager
def dhcp_server(net: Net, program: str, file: str) -> Iterator[Path]:
    """A DHCPv6 server on the client's link that names this boot file; yields its file of leases."""
    url, leases, config = f"tftp://[{SERVER}]/{file}", net.folder / f"{program}.leases", net.folder / f"{program}.conf"
    leases.write_bytes(b"")
    text = {"dnsmasq": _DNSMASQ, "dhcpd": _DHCPD}[program].format(url=url, leases=leases)
    config.write_text(text, encoding="ascii")
    words = {
        "dnsmasq": ("dnsmasq", "--keep-in-foreground", f"--conf-file={config}"),
        "dhcpd": ("dhcpd", "-6", "-f", "-d", "--no-pid", "-cf", str(config), "-lf", str(leases), "eth-client"),
    }[program]
    net.router.start(f"{program}-6", words)
    bound = Path(f"/proc/{net.router.pid}/net/udp6")
    wait_until("a server on UDP 547", lambda: ":0223 " in bound.read_text(encoding="ascii"))
    try:
        yield leases
    finally:
        stop(net.router, program)


@pytest.mark.parametrize("program", ["dnsmasq", "dhcpd"])
def test_a_dhcpv6_server_tells_its_boot_program_and_keeps_no_lease(net: Net, program: str) -> None:
    with dhcp_server(net, program, BOOT_FILE) as leases:
        before = leases.read_bytes()
        (row,) = net.ask("dhcpv6", "--wait-for-address", "1").values()
        assert leases.read_bytes() == before
    facts = row["facts"]
    assert said(row) == ("ok", "answered")
    assert row["target"].startswith("fe80:")
    assert (facts["boot_url"], facts["via"]) == (f"tftp://[{SERVER}]/{BOOT_FILE}", "information,solicit")
    assert (facts["adapter"], facts["arch61"]) == ("eth0", 0)


def test_a_boot_program_for_other_firmware_is_a_mismatch(net: Net) -> None:
    with dhcp_server(net, "dnsmasq", UEFI_FILE):
        (row,) = net.ask("dhcpv6", "--wait-for-address", "1").values()
    assert said(row) == ("warning", "mismatch")


def test_a_link_without_a_dhcpv6_server_is_no_finding(net: Net) -> None:
    (row,) = net.ask("dhcpv6").values()
    assert said(row) == ("skipped", "silent")


def test_a_port_546_that_another_program_has_is_the_reason_for_not_asking(net: Net) -> None:
    hold = "import socket, time; s = socket.socket(10, socket.SOCK_DGRAM); s.bind(('::', 546)); time.sleep(99)"
    process = net.client.start("holder", (sys.executable, "-c", hold))
    bound = Path(f"/proc/{net.client.pid}/net/udp6")
    wait_until("a program on UDP 546", lambda: ":0222 " in bound.read_text(encoding="ascii"))
    try:
        (row,) = net.ask("dhcpv6").values()
    finally:
        process.kill()
    assert said(row) == ("skipped", "not-supported")
    assert row["facts"]["detail"] == "another program has UDP port 546"


# --- TFTP ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def boot_file(net: Net) -> Iterator[Path]:
    """tftpd-hpa on the server, which gives out this file."""
    file = net.folder / "tftp" / BOOT_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\xeb\x3c" + bytes(20_000))
    start_tftpd(net.server, net.folder, f"[{SERVER}]")
    try:
        yield file
    finally:
        stop(net.server, "in.tftpd")


def test_the_boot_file_comes_over_ipv6(net: Net, boot_file: Path) -> None:
    row = net.ask("tftp", "--server", SERVER)[f"[{SERVER}]:69"]
    assert said(row) == ("ok", "answered")
    assert (row["facts"]["size_bytes"], row["facts"]["block_bytes"]) == (boot_file.stat().st_size, 1456)


def test_a_missing_boot_file_is_told_over_ipv6(net: Net, boot_file: Path) -> None:
    boot_file.unlink()
    assert said(net.ask("tftp", "--server", SERVER)[f"[{SERVER}]:69"])[1] == "file-not-found"


def test_full_frames_lost_on_the_way_are_told_from_silence_over_ipv6(net: Net, boot_file: Path) -> None:
    with net.rule("meta length > 1400 drop"):
        row = net.ask("tftp", "--server", SERVER)[f"[{SERVER}]:69"]
    assert said(row)[1] == "large-data-lost"
    assert row["facts"]["lost_block_bytes"] == 1456


def test_a_boot_server_without_tftp_refuses_over_ipv6(net: Net) -> None:
    assert said(net.ask("tftp", "--server", SERVER)[f"[{SERVER}]:69"])[1] == "refused"
