#!/usr/bin/env python3
"""Make the table of the programs' function names that the initrd carries as etc/symbols.

    usyms.py -o etc/symbols NAME.debug...

lib/symbols.c reads it. All numbers are 32-bit and little-endian; offsets count from the file's beginning:

    magic "RSYM", number of programs
    programs, sorted by name:      offset of its name, offset of its first function, number of its functions, 0
    functions, by address:         address relative to the image, offset of its name
    names, each ended by a 0 byte

An address belongs to the last function that does not lie above it.
"""

import argparse
import struct
import subprocess
import sys
from pathlib import Path


def functions(program):
    """(address, name) of every function of a program, ascending, one name per address."""
    done = subprocess.run(["nm", str(program)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"usyms: {program}: {done.stderr.strip()}")
    found = {}
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tTwW" and not fields[2].startswith(".L"):
            address, best = int(fields[0], 16), (fields[1].islower(), fields[2])
            found[address] = min(best, found.get(address, best))
    return [(address, name) for address, (_, name) in sorted(found.items())]


class Names:
    """The pool of names: equal ones are kept once."""

    def __init__(self, offset):
        self.offset, self.bytes, self.at = offset, bytearray(), {}

    def add(self, name):
        if name not in self.at:
            self.at[name] = self.offset + len(self.bytes)
            self.bytes += name.encode() + b"\0"
        return self.at[name]


def table(programs):
    """The file's bytes. programs: name -> functions()."""
    first = 8 + 16 * len(programs)
    names = Names(first + 8 * sum(map(len, programs.values())))
    index, rows = bytearray(), bytearray()
    for name, rows_of in sorted(programs.items()):
        index += struct.pack("<4I", names.add(name), first + len(rows), len(rows_of), 0)
        for address, function in rows_of:
            rows += struct.pack("<2I", address, names.add(function))
    return b"RSYM" + struct.pack("<I", len(programs)) + index + rows + names.bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", required=True, metavar="FILE", type=Path)
    parser.add_argument("programs", nargs="*", type=Path)
    args = parser.parse_args()
    args.o.write_bytes(table({program.name.removesuffix(".debug"): functions(program) for program in args.programs}))


if __name__ == "__main__":
    main()
