"""Small made-up tables: who boots where with what, and which of them fail."""

import random

from pe_collector.engine.table import Row, table_of

FILTERED = "wds-rpc-filtered"


def boots(seed, count, fault=None, noise=0.01, machines=None):
    """Eight sites of four /24; `fault(row, rng)` gives the signature with which a boot fails, or ''."""
    rng = random.Random(seed)
    rows = []
    for n in range(count):
        machine = rng.randrange(machines or count // 2)
        home = random.Random(machine * 7 + 1)
        site, net = home.randrange(8), home.randrange(4)
        row = Row(
            at_s=n * 28_800.0 / count,
            machine=f"m{machine}",
            address=f"10.{10 + site}.{net}.{10 + home.randrange(200)}",
            attributes={
                "site": f"site-{site}",
                "switch": f"sw-{site}-{net % 2}",
                "server": rng.choice([f"WDS{site // 3}", "WDS9"]),
                "image": rng.choice(["win10", "win11", "server"]),
                "adapter_hardware": home.choice(["8086:15f3", "10ec:8168", "14e4:1657"]),
                "firmware": home.choice(["uefi", "uefi", "bios"]),
            },
        )
        signature = fault(row, rng) if fault else ""
        if not signature and rng.random() < noise:
            signature = rng.choice([FILTERED, "tftp-timeout", "late-address", "disk-missing"])
        rows.append(Row(row.at_s, row.machine, signature, row.address, row.attributes))
    return rows


def table(seed, count, fault=None, **more):
    return table_of(boots(seed, count, fault, **more))
