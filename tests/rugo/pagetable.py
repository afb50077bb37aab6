"""Walks x86-64 page tables in the guest's physical memory, as the CPU would."""

import struct
from dataclasses import dataclass

PRESENT, WRITE, USER, LARGE, NX = 1 << 0, 1 << 1, 1 << 2, 1 << 7, 1 << 63
FRAME = 0x000F_FFFF_FFFF_F000


@dataclass(frozen=True)
class Mapping:
    """One leaf entry: what it maps and what all levels together allow."""

    address: int
    size: int
    physical: int
    writable: bool
    executable: bool
    user: bool

    def __str__(self):
        rights = "".join(letter if on else "-" for letter, on in
                         (("r", True), ("w", self.writable), ("x", self.executable), ("u", self.user)))
        return f"{self.address:#018x}+{self.size:#x} -> {self.physical:#x} {rights}"


def walk(read_physical, cr3, level=4, base=0, writable=True, executable=True, user=True):
    """All mappings below the table at cr3, lowest address first; read_physical(address, size) gives bytes."""
    table = struct.unpack("<512Q", read_physical(cr3 & FRAME, 4096))
    shift = 12 + 9 * (level - 1)
    for index, entry in enumerate(table):
        if not entry & PRESENT:
            continue
        address = base | index << shift
        if level == 4 and index >= 256:
            address |= 0xFFFF_0000_0000_0000
        rights = (writable and bool(entry & WRITE), executable and not entry & NX, user and bool(entry & USER))
        if level == 1 or (level < 4 and entry & LARGE):
            yield Mapping(address, 1 << shift, entry & FRAME & -(1 << shift), *rights)
        else:
            yield from walk(read_physical, entry, level - 1, address, *rights)
