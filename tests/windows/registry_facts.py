"""Runs in a Windows Python: what the agent reads from the registry, as JSON."""

import json
import sys
from dataclasses import asdict

sys.path.insert(0, r"X:\pe-agent")


KEY = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\{0F4B4A1C-0000-4000-8000-00AA00BB00CC}"


def main(asked_address: str) -> None:
    from pe_agent.host import this_host, win_dhcp, win_registry

    host = this_host(None)
    record = host.boot_record()
    told = {
        "record": record and {name: v.hex() if isinstance(v, bytes) else v for name, v in asdict(record).items()},
        "architecture": asdict(host.architecture()),
        "devices": [asdict(device) for device in host.devices_without_driver()],
        "lease": asdict(win_dhcp.kept_lease(win_registry.octets(KEY, "DhcpInterfaceOptions"))),
        "adapter": win_dhcp._adapter_with(asked_address),
        "boot_options": win_dhcp.boot_options(asked_address),
    }
    print(json.dumps(told))


main(sys.argv[1])
