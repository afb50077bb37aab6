#!/usr/bin/python3
"""Branches of the kernel that the tests have taken.

The kernel of `make coverage-kernel` counts in its own memory. A machine whose memory is a file of the host (run_qemu.sh … --
options_for()) leaves the counters there however it ends, killed or panicked: collect() finds and adds them up. report()
gives them to gcov, one .gcda file for each source, and makes a table of what gcov says.

    coverage.py report BUILD [-o FILE]      from what a test run left in BUILD/coverage/counts
    coverage.py show BUILD [NAME…]          the lines of these files (or rooms) that have a way not taken

A branch counts once for each way it can go. Not counted are those that only decide on an ASSERT or a panic().
"""

import argparse
import json
import mmap
import os
import pickle
import re
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAGIC = b"rugo coverage 1\0"
MAGIC_ALIGN = 16
# No counter of a kernel gets so far while a test lasts.
COUNTER_MAX = 1 << 40

# Rooms and files that the goal of 95 % is set for; the rest of the kernel has 85 %.
FIRST = ("kernel/syscall/", "kernel/proc/handle.c", "kernel/ipc/", "kernel/mm/usercopy.c")
FIRST_GOAL, REST_GOAL = 95, 85
# Not of the kernel that people run.
LEFT_OUT = ("kernel/selftest/", "kernel/klib/coverage.c", "kernel/mm/poison", "kernel/mm/refuse.h", "kernel/proc/fail",
            "kernel/syscall/sys_debug.c", "build/")
NEVER_TAKEN = re.compile(r"\b(ASSERT|panic|panic_at|bad_program|must|REFUSE)\(")
CONDITION_LINES = 5


# ---- from a machine's memory to counts -----------------------------------------------------------------------------

def options_for(folder, mebibytes):
    """QEMU's options for memory in a file, and the file."""
    file = Path(folder) / f"ram.{os.getpid()}.{os.urandom(4).hex()}"
    return ["-object", f"memory-backend-file,id=ram,size={mebibytes}M,mem-path={file},share=on",
            "-machine", "memory-backend=ram"], file


class Image:
    """The kernel's image in a machine's memory, read by its own addresses."""

    def __init__(self, memory, at):
        self.memory = memory
        image, self.info, self.info_end = struct.unpack_from("<QQQ", memory, at + len(MAGIC))
        self.delta = None           # from its addresses to places in the memory
        self.mark, self.image = at, image

    def locate(self, mark_offset):
        """Whether the mark at this offset in the image fits, and the image is no file that the loader was given."""
        start = self.mark - mark_offset
        if not self.image or start < 4096 or start % 4096 or self.memory[start - 4096:start - 4092] == b"\x7fELF":
            return False
        self.delta = start - self.image
        return True

    def read(self, layout, address):
        return struct.unpack_from("<" + layout, self.memory, address + self.delta)

    def text(self, address):
        at = address + self.delta
        return self.memory[at:self.memory.find(b"\0", at)].decode()

    def objects(self):
        """For each source: (name of its .gcda, stamp, checksum, [(ident, lineno, cfg, counters)])."""
        for (at,) in (self.read("Q", a) for a in range(self.info, self.info_end, 8)):
            version, _, _, stamp, checksum, name = self.read("IIQIIQ", at)
            count, _, table = self.read("IIQ", at + 96)
            functions = []
            for (f,) in (self.read("Q", table + 8 * i) for i in range(count)):
                if not f:
                    continue
                _, ident, lineno, cfg, _, n, _, values = self.read("QIIIIIIQ", f)
                functions.append((ident, lineno, cfg, self.read(f"{n}Q", values)))
            yield self.text(name), version, stamp, checksum, functions


def data_ranges(fd, size):
    """The parts of a file that are no holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, at, os.SEEK_HOLE)
        yield at, end
        at = end


def mark_offset(debug_elf):
    """How far behind the image's start the mark is."""
    out = subprocess.run(["nm", debug_elf], capture_output=True, text=True, check=True).stdout
    symbols = {line.split()[2]: int(line.split()[0], 16) for line in out.splitlines() if len(line.split()) == 3}
    return symbols["coverage_mark"] - symbols["kernel_start"]


def images(memory, fd, offset):
    """What looks like the kernel's image: that, and what an earlier start or the loader's file left."""
    for start, end in data_ranges(fd, len(memory)):
        at = memory.find(MAGIC, start, end)
        while at >= 0:
            if at % MAGIC_ALIGN == 0:
                image = Image(memory, at)
                if image.locate(offset):
                    yield image
            at = memory.find(MAGIC, at + 1, end)


def counted(image):
    """What objects() says, or None: these are no counters. A file, or an image partly overwritten, has other things there."""
    try:
        objects = list(image.objects())
    except (struct.error, UnicodeDecodeError):
        return None
    values = (v for *_, functions in objects for *_, counters in functions for v in counters)
    return objects if all(v < COUNTER_MAX for v in values) else None


def collect(file, offset, counts):
    """Add the counters in the memory of an ended machine to counts, and remove the file. False: no kernel had run."""
    try:
        with open(file, "rb") as f:
            if os.fstat(f.fileno()).st_size == 0:
                return False
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as memory:
                found = [o for o in map(counted, images(memory, f.fileno(), offset)) if o]
                for name, version, stamp, checksum, functions in (one for objects in found for one in objects):
                    add(counts, name, version, stamp, checksum, functions)
                return bool(found)
    finally:
        os.unlink(file)


def add(counts, name, version, stamp, checksum, functions):
    known = counts.setdefault(name, (version, stamp, checksum, {}))[3]
    for ident, lineno, cfg, values in functions:
        old = known.get((ident, lineno, cfg))
        known[ident, lineno, cfg] = [a + b for a, b in zip(old, values)] if old else list(values)


def merge(folder):
    counts = {}
    for file in sorted(Path(folder).glob("*.counts")):
        for name, (version, stamp, checksum, functions) in pickle.loads(file.read_bytes()).items():
            add(counts, name, version, stamp, checksum, [(*key, values) for key, values in functions.items()])
    return counts


# ---- from counts to branches ------------------------------------------------------------------------------------------

TAG_FUNCTION, TAG_ARCS = 0x01000000, 0x01A10000


def write_gcda(name, version, stamp, checksum, functions):
    out = bytearray(struct.pack("<IIII", 0x67636461, version, stamp, checksum))
    for (ident, lineno, cfg), values in functions.items():
        out += struct.pack("<IIIII", TAG_FUNCTION, 12, ident, lineno, cfg)
        out += struct.pack(f"<Ii{len(values)}Q", TAG_ARCS, 8 * len(values), *values)
    out += struct.pack("<I", 0)
    Path(name).write_bytes(out)


def gcov(names):
    done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *names], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"coverage.py: gcov: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Sources:
    def __init__(self):
        self.lines = {}

    def never_taken(self, name, number):
        """Whether the branches of this line only decide on an assertion or the end of the machine."""
        if name not in self.lines:
            self.lines[name] = (ROOT / name).read_text().splitlines()
        lines = self.lines[name]
        if NEVER_TAKEN.search(lines[number - 1]):
            return True
        for first in range(number - 1, max(number - CONDITION_LINES, 0) - 1, -1):
            if re.match(r"\s*(\} else )?if \(", lines[first]):
                then = self.after_condition(lines, first)
                return then >= number and bool(NEVER_TAKEN.match(lines[then].lstrip()))
        return False

    @staticmethod
    def after_condition(lines, first):
        """The index of the line that follows a condition which begins in this line."""
        depth = 0
        for i, line in enumerate(lines[first:first + CONDITION_LINES], first + 1):
            depth += line.count("(") - line.count(")")
            if depth <= 0:
                break
        return min(i, len(lines) - 1)


def branches_of(objects):
    """{file: {line: [how often each way was taken]}}; what stands in a header counts once for all that include it."""
    found = defaultdict(dict)
    sources = Sources()
    for one in objects:
        for file in one["files"]:
            name = os.path.relpath(os.path.normpath(ROOT / file["file"]), ROOT)
            if not name.startswith("kernel/") or name.startswith(LEFT_OUT):
                continue
            for line in file["lines"]:
                number, ways = line["line_number"], [b["count"] for b in line["branches"]]
                if not ways or sources.never_taken(name, number):
                    continue
                old = found[name].get(number)
                if old and len(old) == len(ways):
                    ways = [a + b for a, b in zip(old, ways)]
                elif old:
                    ways = max(old, ways, key=len)
                found[name][number] = ways
    return found


def share(ways):
    taken = sum(1 for w in ways if w)
    return taken, len(ways), 100 * taken / len(ways) if ways else 100.0


def group_of(name):
    return name.startswith(FIRST)


def missing(lines):
    """Lines with a way never taken, as ranges of text."""
    return ", ".join(str(number) for number, ways in sorted(lines.items()) if not all(ways))


def table(found):
    rows = ["| file | taken | of | % | lines with a way not taken |", "|---|---|---|---|---|"]
    groups = {True: [], False: []}
    rooms = defaultdict(list)
    for name, lines in found.items():
        ways = [w for line in lines.values() for w in line]
        groups[group_of(name)] += ways
        rooms[str(Path(name).parent)] += ways
    for room in sorted(rooms):
        rows.append("| **{}** | **{}** | **{}** | **{:.1f}** | |".format(room, *share(rooms[room])))
        for name in sorted(n for n in found if str(Path(n).parent) == room):
            ways = [w for line in found[name].values() for w in line]
            rows.append("| {} | {} | {} | {:.1f} | {} |".format(name, *share(ways), missing(found[name])))
    heads = ["{}: {} of {} ways taken, {:.1f} % (goal {} %)".format(what, *share(groups[first]), goal)
             for what, first, goal in (("System calls, handles, IPC, ports, futexes, copying", True, FIRST_GOAL),
                                       ("The rest of the kernel", False, REST_GOAL))]
    return heads, rows


NOTE_MARK = "<!-- The table below is made by ./rugo test --coverage. -->"


def found_in(build):
    """branches_of() what the test runs with this build have counted."""
    folder = Path(build) / "coverage"
    counts = merge(folder / "counts")
    if not counts:
        sys.exit("coverage.py: no counts: nothing was run with the counting kernel")
    for old in folder.rglob("*.gcda"):
        old.unlink()
    names = []
    for name, (version, stamp, checksum, functions) in counts.items():
        write_gcda(name, version, stamp, checksum, functions)
        names.append(name)
    return branches_of(gcov(sorted(names)))


def machines(build):
    """How many machines ran while it was counted, in words. Those without counts had no counting kernel, or it did not start."""
    lines = [line for file in (Path(build) / "coverage" / "counts").glob("*.machines") for line in file.read_text().splitlines()]
    counted = sum(line.startswith("counted ") for line in lines)
    return f"{counted} machines were counted, {len(lines) - counted} had no counts"


def report(build, out):
    heads, rows = table(found_in(build))
    heads.append(machines(build))
    print("\n".join(heads))
    if out:
        out = Path(out)
        before = out.read_text().split(NOTE_MARK)[0] if out.exists() else "# Branch coverage of the kernel\n\n"
        out.write_text(before + NOTE_MARK + "\n\n" + "\n".join(f"- {h}" for h in heads) + "\n\n" + "\n".join(rows) + "\n")


def show(build, names):
    """Each such line with how often each of its ways was taken."""
    found = found_in(build)
    for name in sorted(n for n in found if not names or n.startswith(tuple(names))):
        text = (ROOT / name).read_text().splitlines()
        for number, ways in sorted(found[name].items()):
            if not all(ways):
                print(f"{name}:{number}: {' '.join(map(str, ways)):<24} {text[number - 1].strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["report", "show"])
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    parser.add_argument("-o", "--out")
    args = parser.parse_args()
    if args.command == "show":
        show(args.build, args.names)
    else:
        report(args.build, args.out)


if __name__ == "__main__":
    main()
