"""Which boots would a fleet see in eight hours? Sites, subnets, servers, machines and their habits, from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

WINDOW_S = 8 * 3600.0
_LENGTHS = (22, 23, 24, 24, 24, 25, 26)
_MOVED = 0.05
_STRAY = 0.03


@dataclass(frozen=True, slots=True)
class Fleet:
    """Columns by machine (`of_machine`), by subnet and by site; `offered` holds what a site offers its machines."""

    of_machine: dict[str, Ints]
    subnet_base: Ints
    subnet_length: Ints
    building_length: Ints
    offered: dict[str, Ints]
    image_share: Reals
    image_arch: Ints
    agent_of_image: Ints

    @property
    def machines(self) -> int:
        """Number of machines."""
        return len(self.of_machine["site"])


def make_fleet(rng: np.random.Generator, machines: int) -> Fleet:
    """A fleet of so many machines; site sizes follow Zipf's law."""
    sites = int(np.clip(round(1.2 * machines**0.33), 4, 50))
    subnets = _subnets(rng, sites, machines)
    share = zipf(rng, sites, 1.1)[subnets["site"]] * rng.gamma(1.5, 1.0, len(subnets["site"]))
    subnet = rng.choice(len(share), size=machines, p=share / share.sum())
    columns = {"subnet": subnet, "site": subnets["site"][subnet], "vlan": subnets["vlan"][subnet]}
    columns |= {"gateway": subnet.copy(), "switch": _switches(rng, subnets, subnet)}
    columns["port"] = rng.integers(0, 48, machines)
    columns |= _hardware(rng, machines)
    size = np.left_shift(1, 32 - subnets["length"][subnet])
    columns["address"] = subnets["base"][subnet] + 10 + (rng.random(machines) * (size - 12)).astype(np.int64)
    images = int(np.clip(6 + machines // 4000, 6, 12))
    arch = np.zeros(images, dtype=np.int64)
    arch[-1] = 1
    servers, leases = max(3, sites // 3), max(2, sites // 4)
    offered = {
        "server": np.stack([rng.permutation(servers)[:2] for _ in range(sites)]),
        "dhcp_server": np.stack([rng.permutation(leases)[:2] for _ in range(sites)]),
    }
    share_of = np.stack([rng.dirichlet(zipf(rng, images, 0.9) * 8 + 0.05) for _ in range(sites)])
    agents = rng.integers(0, 3, images)
    lengths = subnets["building"]
    return Fleet(columns, subnets["base"], subnets["length"], lengths, offered, share_of, arch, agents)


def zipf(rng: np.random.Generator, count: int, exponent: float) -> Reals:
    """Shares of `count` things, the largest first in no order."""
    shares = 1.0 / np.arange(1, count + 1) ** exponent
    rng.shuffle(shares)
    result: Reals = shares / shares.sum()
    return result


def _subnets(rng: np.random.Generator, sites: int, machines: int) -> dict[str, Ints]:
    """Subnets of mixed length, laid out building after building."""
    rows: list[tuple[int, int, int, int, int]] = []
    place = 10 << 24
    for site in range(sites):
        for _ in range(int(rng.integers(1, 4))):
            length = int(rng.choice([19, 20, 21]))
            step = 1 << (32 - length)
            place = -(-place // step) * step
            rows += _building(rng, site, place, length, int(np.clip(machines // (sites * 150), 2, 10)))
            place += step * int(rng.integers(1, 3))
    names = ("site", "base", "length", "building", "vlan")
    return {name: np.array(column, dtype=np.int64) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _building(
    rng: np.random.Generator, site: int, start: int, length: int, count: int
) -> list[tuple[int, int, int, int, int]]:
    rows = []
    place, end = start, start + (1 << (32 - length))
    for n in range(count):
        own = int(rng.choice(_LENGTHS))
        step = 1 << (32 - own)
        place = -(-place // step) * step
        if place + step > end:
            break
        rows.append((site, place, own, length, 10 * (n + 1)))
        place += step
    return rows


def _switches(rng: np.random.Generator, subnets: dict[str, Ints], subnet: Ints) -> Ints:
    """One to three switches serve a subnet; neighbours on a site share some."""
    first = np.cumsum(rng.integers(0, 3, len(subnets["site"])))
    first += 5 * subnets["site"]
    width = rng.integers(1, 4, len(first))
    result: Ints = first[subnet] + (rng.random(len(subnet)) * width[subnet]).astype(np.int64)
    return result


def _hardware(rng: np.random.Generator, machines: int) -> dict[str, Ints]:
    models = int(np.clip(10 + machines // 500, 10, 40))
    model = rng.choice(models, size=machines, p=zipf(rng, models, 1.0))
    adapters = rng.integers(0, max(6, models // 2), (models, 2))
    legacy = rng.random(models) * 0.35
    return {
        "model": model,
        "adapter_hardware": adapters[model, (rng.random(machines) < 0.15).astype(np.int64)],
        "bios": model * 4 + (rng.random(machines) ** 1.5 * 4).astype(np.int64),
        "firmware": (rng.random(machines) < legacy[model]).astype(np.int64),
        "cpu": (rng.random(models) < 0.06).astype(np.int64)[model],
    }


def boot_attributes(rng: np.random.Generator, fleet: Fleet, machine: Ints, image: Ints) -> dict[str, Ints]:
    """What one boot of each of these machines with these images would show, complete."""
    columns = {name: values[machine] for name, values in fleet.of_machine.items()}
    moved = rng.random(len(machine)) < _MOVED
    room = np.left_shift(1, 32 - fleet.subnet_length[columns["subnet"]]) - 12
    other = fleet.subnet_base[columns["subnet"]] + 10 + (rng.random(len(machine)) * room).astype(np.int64)
    columns["address"] = np.where(moved, other, columns["address"])
    for name, chance in (("server", 0.75), ("dhcp_server", 0.5)):
        offers = fleet.offered[name][columns["site"]]
        columns[name] = np.where(rng.random(len(machine)) < chance, offers[:, 0], offers[:, 1])
    stray = rng.random(len(machine)) < _STRAY
    anywhere = rng.integers(0, fleet.offered["server"].max() + 1, len(machine))
    columns["server"] = np.where(stray, anywhere, columns["server"])
    columns |= {"image": image, "image_arch": fleet.image_arch[image]}
    columns["agent_version"] = np.where(rng.random(len(machine)) < 0.1, 0, fleet.agent_of_image[image])
    columns["adapter_driver"] = columns["adapter_hardware"] * 3 + (image * 7 + columns["adapter_hardware"]) % 3
    return columns


def pick_images(rng: np.random.Generator, fleet: Fleet, machine: Ints) -> Ints:
    """An image for each boot, by the habits of the site; a machine of another architecture gets its own image."""
    shares = np.cumsum(fleet.image_share[fleet.of_machine["site"][machine]], axis=1)
    image = np.minimum((shares < rng.random(len(machine))[:, None]).sum(axis=1), shares.shape[1] - 1)
    other = fleet.of_machine["cpu"][machine] == 1
    image[~other & (fleet.image_arch[image] == 1)] = 0
    image[other] = len(fleet.image_arch) - 1
    return image
