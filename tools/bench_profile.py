#!/usr/bin/env python3
"""Where a workload of the benchmark spends its instructions, function by function.

    bench_profile.py WORKLOAD [--top N]     one of bench/rugo/core.c: syscall yield thread call call_handle fault map spawn …
    bench_profile.py boot [--top N]         everything from the shim's first instruction to the prompt

A workload runs with 1 and with 9 batches; what is shown is the difference, divided by the rounds: instructions in each
function per operation (for boot: in all). Functions that were inlined count for who holds them.
"""

import argparse
import bisect
import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import bench

# Rounds of one batch in bench_core.c.
ROUNDS = {"syscall": 100000, "handle": 100000, "futex": 5000, "yield": 40000, "thread": 500, "call": 200,
          "call_handle": 200, "call_bulk": 4096, "fault": 4096, "map": 10000, "spawn_mapped": 20, "spawn": 20, "spawn_hello": 20}


class Symbols:
    """The functions of an ELF file, and what lies at an address."""

    def __init__(self, elf, label):
        self.label = label
        listing = subprocess.run(["nm", elf], check=True, capture_output=True, text=True).stdout
        found = sorted((int(a, 16), name) for a, name in re.findall(r"^([0-9a-f]+) [tTwW] (\S+)$", listing, re.M))
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]
        self.starts = set(self.addresses)
        self.entry = bench.entry_of(elf)

    def name(self, address):
        at = bisect.bisect_right(self.addresses, address) - 1
        return f"{self.label}: {self.names[at]}" if at >= 0 else f"{self.label}: ?"

    def holds(self, address):
        return self.addresses[0] <= address < self.addresses[-1] + 4096


def programs():
    files = [*(bench.BUILD / "bin").glob("*.debug"), *(bench.BENCH / "bin").glob("*.debug")]
    return [Symbols(file, file.name.removesuffix(".debug")) for file in files]


def images(addresses, known):
    """Which program lies where. Its entry point was executed and lies at a whole number of pages from where it was linked;
    of all guesses that fit, the one wins by which most pieces begin where a function begins."""
    nearby = collections.defaultdict(list)
    for address in addresses:
        nearby[address >> 22].append(address)
    bases = {}
    for region, pieces in nearby.items():
        best = (0, None, None)
        for program in known:
            for piece in pieces:
                base = piece - program.entry
                if base % 4096 == 0:
                    score = sum(other - base in program.starts for other in pieces)
                    best = max(best, (score, base, program), key=lambda b: b[0])
        bases[region] = best[1:]
    return bases


def run(cmdline, scenario, marks=()):
    """Instructions by piece of code."""
    with tempfile.NamedTemporaryFile(prefix="rugo-profile") as out:
        plugin = f"{bench.BENCH}/count.so,out={out.name},profile=on" + "".join(f",{mark}" for mark in marks)
        build = bench.BENCH if scenario else bench.BUILD
        options = () if scenario else ("--disk", bench.BUILD / "disk.img", "--snapshot")
        with bench.slot(), bench.Machine("--icount", *options, build=build, cmdline=cmdline + " nokaslr", timeout=200,
                                         extra=["-plugin", plugin]) as machine:
            if scenario:
                machine.wait()
            else:
                machine.expect(bench.PROMPT)
                machine.leave()
        text = Path(out.name).read_text()
    return {int(address, 16): int(count) for address, count in re.findall(r"^at (0x[0-9a-f]+) (\d+)$", text, re.M)}


def by_function(counts):
    """Instructions by function."""
    kernel, shim = Symbols(bench.BUILD / "rugo.debug.elf", "kernel"), Symbols(bench.BUILD / "shim.debug.elf", "shim")
    bases = images([a for a in counts if 1 << 32 <= a < 1 << 47], programs())
    total = collections.Counter()
    for address, count in counts.items():
        if address >= 1 << 47:
            name = kernel.name(address)
        elif address >> 22 in bases:
            base, program = bases[address >> 22]
            name = program.name(address - base) if program else "program: ?"
        elif shim.holds(address):
            name = shim.name(address)
        else:
            name = "firmware"
        total[name] += count
    return total


def main():
    parser = argparse.ArgumentParser(prog="tools/bench_profile.py")
    parser.add_argument("workload", choices=[*ROUNDS, "boot"])
    parser.add_argument("--top", type=int, default=25)
    options = parser.parse_args()
    bench.build()
    if options.workload == "boot":
        counts, rounds = by_function(run("", False)), 1
        del counts["firmware"]
    else:
        few = by_function(run(f"test=bench phases=core1 only={options.workload}", True))
        many = by_function(run(f"test=bench phases=core9 only={options.workload}", True))
        counts, rounds = many - few, 8 * ROUNDS[options.workload]
    whole = sum(counts.values()) / rounds
    print(f"{whole:12,.1f} instructions in all")
    for name, count in counts.most_common(options.top):
        print(f"{count / rounds:12,.1f}  {100 * count / rounds / whole:4.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
