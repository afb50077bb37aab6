#!/bin/sh
# Adds files and lines to backtraces: reads a log on standard input and prints it again. Behind a line of a kernel
# backtrace, function+0xoffset, it says which source line that is; behind a frame of a program, [name+0xoffset], which
# function and source line.
#
#   tools/symbolize.sh [FILE.debug.elf] < log        (default: the kernel, build/rugo.debug.elf)
#
# Works whatever address kernel and programs ran at. Programs are sought in build/bin, build/test/bin and build/bin/test
# (BUILD names another folder). Needs nm and addr2line (binutils) and python3.
exec /usr/bin/python3 - "${1:-}" "${BUILD:-$(dirname "$0")/../build}" 3<&0 <<'PYTHON'
import os
import re
import shutil
import subprocess
import sys

kernel, build = sys.argv[1] or os.path.join(sys.argv[2], "rugo.debug.elf"), sys.argv[2]
if not os.path.exists(kernel):
    sys.exit(f"symbolize.sh: {kernel}: no such file (run make first)")
for tool in ("nm", "addr2line"):
    if not shutil.which(tool):
        sys.exit(f"symbolize.sh: {tool} is not installed (Debian package binutils)")

FRAME = re.compile(r"\[([^\s\[\]+/]+)\+0x([0-9a-f]+)\]")
FUNCTION = re.compile(r"(?<![\w.\[])([A-Za-z_][\w.]*)\+0x([0-9a-f]+)(?!\])")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def functions(elf):
    """Name -> address of each function."""
    rows = (line.split() for line in output("nm", elf).splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3 and row[1] in "tTwW"}


def program(name):
    """The program's file with symbols, or None."""
    for folder in ("bin", "test/bin", "bin/test"):
        path = os.path.join(build, folder, name + ".debug")
        if os.path.exists(path):
            return path
    return None


def first_of_all(line):
    """Whether the line is frame 0: its address is that of an instruction and not of a return."""
    return re.match(r"\s*#0 ", line) is not None


def where(line):
    """What there is to add to a line."""
    if found := FRAME.search(line):
        elf = program(found[1])
        address = int(found[2], 16) - (not first_of_all(line))
        return elf and " at ".join(output("addr2line", "-fe", elf, hex(address)).split("\n")[:2])
    if (found := FUNCTION.search(line)) and found[1] in kernel_functions:
        # A return address belongs to the call before it.
        return output("addr2line", "-e", kernel, hex(kernel_functions[found[1]] + int(found[2], 16) - 1)).strip()
    return None


kernel_functions = functions(kernel)
for line in open(3, errors="replace"):
    line = line.rstrip("\n")
    more = where(line)
    print(f"{line}   {more}" if more else line, flush=True)
PYTHON
