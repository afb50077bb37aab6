#!/usr/bin/env python3
"""Make the table of the kernel's function names, from which it symbolises its own backtraces.

    nm kernel.elf | ksyms.py -o ksyms.S        write the table
    ksyms.py --empty -o pass1.S                the same symbols with no entries, for the first link
    nm kernel.elf | ksyms.py --verify ksyms.S  exit 1 unless the table is true of this kernel

The kernel sees (all in section .ksyms, read-only, no relocations):

    extern const uint32_t ksyms_count;            number of functions
    extern const uint32_t ksyms_offsets[];        ascending; address of each, minus kernel_start
    extern const uint32_t ksyms_name_offsets[];   where each one's name begins in ksyms_names
    extern const char ksyms_names[];              the names, each ended by a 0 byte

An address belongs to the last entry whose offset is not above it. The linker script must define kernel_start at
the image's lowest address and put .ksyms behind all code, so that filling the table moves no function.
"""

import argparse
import sys


def functions(nm_lines):
    """The (offset from kernel_start, name) of every function in nm's output, ascending, one name per address."""
    start, found = None, {}
    for line in nm_lines:
        fields = line.split()
        if len(fields) != 3:
            continue
        address, kind, name = int(fields[0], 16), fields[1], fields[2]
        if name == "kernel_start":
            start = address
        if kind in "tTwW" and name != "kernel_start" and not name.startswith(".L"):
            # Of several names at one address take the global one, then the first in the alphabet.
            best = (kind.islower(), name)
            found[address] = min(best, found.get(address, best))
    if start is None:
        sys.exit("ksyms: the kernel has no symbol kernel_start (kernel.ld must define it)")
    table = [(address - start, name) for address, (_, name) in sorted(found.items())]
    if table and not 0 <= table[0][0] <= table[-1][0] < 1 << 32:
        sys.exit("ksyms: a function lies outside the 4 GiB above kernel_start")
    return table


def assembly(table):
    """The source of the table."""
    out = [
        "/* Made by tools/ksyms.py, which says what the tables mean. */",
        '.section .ksyms, "a", @progbits',
        ".balign 4",
        ".global ksyms_count, ksyms_offsets, ksyms_name_offsets, ksyms_names",
        "ksyms_count:",
        f"    .long {len(table)}",
        "ksyms_offsets:",
    ]
    out += [f"    .long {offset:#x}    /* {name} */" for offset, name in table]
    out.append("ksyms_name_offsets:")
    position = 0
    for _, name in table:
        out.append(f"    .long {position}")
        position += len(name) + 1
    out.append("ksyms_names:")
    out += [f'    .asciz "{name}"' for _, name in table]
    out.append("    .byte 0")
    out.append('.section .note.GNU-stack, "", @progbits')
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", metavar="FILE", help="write the table here")
    parser.add_argument("--empty", action="store_true", help="a table without entries; reads nothing")
    parser.add_argument("--verify", metavar="FILE", help="compare with the table in FILE")
    args = parser.parse_args()

    text = assembly([] if args.empty else functions(sys.stdin))
    if args.verify:
        with open(args.verify) as file:
            if file.read() != text:
                sys.exit("ksyms: functions moved when the table was filled in; is .ksyms behind all code in kernel.ld?")
    else:
        with open(args.o, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
