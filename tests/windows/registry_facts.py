"""Runs in a Windows Python: what the agent reads from the registry, as JSON."""

import json
import sys
from dataclasses import asdict

sys.path.insert(0, r"X:\pe-agent")


def main(asked_address: str) -> None:
    from pe_agent.host import this_host, win_dhcp

    host = this_host(None)
    record = host.boot_record()
    told = {
        "record": record and {name: v.hex() if isinstance(v, bytes) else v for name, v in asdict(record).items()},
        "architecture": asdict(host.architecture()),
        "devices": [asdict(device) for device in host.devices_without_driver()],
        "adapter": win_dhcp._adapter_with(asked_address),
        "boot_options": win_dhcp.boot_options(asked_address),
    }
    print(json.dumps(told))


main(sys.argv[1])
