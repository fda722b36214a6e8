"""PE files of one section, small enough to read: a machine, imports, exports."""

import struct

MACHINES = {"x86": 0x014C, "x64": 0x8664, "arm64": 0xAA64}
RVA, OFFSET = 0x1000, 0x400
DIRECTORIES = {"exports": 0, "imports": 1, "delayed": 13}


def tiny_pe(machine="x64", imports=None, exports=(), delayed=None):
    """A PE file that imports {dll: [symbol or number]} and exports names."""
    area = _Area()
    places = {}
    if imports:
        places["imports"] = area.table(
            [(area.thunks(symbols, machine), 0, 0, area.text(dll), 0) for dll, symbols in imports.items()], 5
        )
    if delayed:
        rows = [(1, area.text(dll), 0, 0, area.thunks(s, machine), 0, 0, 0) for dll, s in delayed.items()]
        places["delayed"] = area.table(rows, 8)
    if exports:
        names = area.put(struct.pack(f"<{len(exports)}I", *[area.text(name) for name in exports]))
        places["exports"] = area.put(struct.pack("<16xIIIIII", 1, len(exports), len(exports), 0, names, 0))
    return _headers(machine, places, len(area.octets)) + bytes(area.octets)


class _Area:
    def __init__(self):
        self.octets = bytearray(16)

    def put(self, octets):
        at = RVA + len(self.octets)
        self.octets += octets + bytes(-len(octets) % 8)
        return at

    def text(self, name):
        return self.put(name.encode() + b"\0")

    def thunks(self, symbols, machine):
        letter, bit = ("I", 31) if machine == "x86" else ("Q", 63)
        entries = [1 << bit | s if isinstance(s, int) else self.put(b"\0\0" + s.encode() + b"\0") for s in symbols]
        return self.put(struct.pack(f"<{len(entries) + 1}{letter}", *entries, 0))

    def table(self, rows, width):
        return self.put(b"".join(struct.pack(f"<{width}I", *row) for row in [*rows, (0,) * width]))


def _headers(machine, places, size):
    wide = machine != "x86"
    optional = bytearray(112 if wide else 96)
    struct.pack_into("<H", optional, 0, 0x20B if wide else 0x10B)
    struct.pack_into("<I", optional, len(optional) - 4, 16)
    directories = bytearray(16 * 8)
    for name, place in places.items():
        struct.pack_into("<II", directories, 8 * DIRECTORIES[name], place, 1)
    optional += directories
    head = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x40)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", MACHINES[machine], 1, 0, 0, 0, len(optional), 0x2022) + optional
    head += struct.pack("<8sIIII16x", b".all", size, RVA, size, OFFSET)
    return bytes(head).ljust(OFFSET, b"\0")
