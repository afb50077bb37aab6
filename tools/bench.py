#!/usr/bin/env python3
"""Measure Rugo and print each figure beside Linux's and beside its target (docs/bench.md says what the rows mean).

    bench.py [--json FILE] [--full] [--linux] [--only GROUP,...]

Groups: size core boot wall idle smallest smp blk fs, and time (core by the clock; only with --full or --only).
Exit status: 0 measured (a missed target is no failure), 1 something could not be measured, 2 wrong use.
"""

import argparse
import fcntl
import json
import os
import re
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
BENCH = BUILD / "bench"
LINUX = ROOT / "bench" / "linux"

GROUPS = ["size", "core", "time", "boot", "wall", "idle", "smallest", "smp", "blk", "fs"]
BENCH_LINE = re.compile(r"BENCH name=(\S+) value=([0-9.]+) unit=(\S+) n=(\d+)")
PROMPT = re.compile(r"rugo:/\S*\$ ")
DISK_MIB = 256

# Rows whose time under -icount is not a number of instructions.
NOT_COUNTED = ("sleep_1ms", "boot_guest_time", "mem_")


class Failed(Exception):
    """Something could not be measured; the text says what and why."""


# ---- machines ---------------------------------------------------------------------------------------------

@contextmanager
def slot():
    """The right to run a machine: at most two at once on a host, whoever starts them (docs/testing.md)."""
    while True:
        for number in (1, 2):
            with open(Path(tempfile.gettempdir()) / f"qemu.lock{number}", "a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        time.sleep(0.05)


class Machine:
    """A machine started by tools/run_qemu.sh; what it prints can be waited for, and one can type."""

    def __init__(self, *options, build=BUILD, cmdline="", timeout=60, extra=()):
        args = [str(ROOT / "tools" / "run_qemu.sh"), "--timeout", str(timeout), *map(str, options)]
        args += ["--cmdline", cmdline] if cmdline else []
        args += ["--", *extra] if extra else []
        self.log = ""
        self.limit = timeout
        self.started = time.monotonic()
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, "BUILD": str(build)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()        # the runner ends QEMU
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self, seconds):
        """Take what was printed; False at the end of it."""
        if not select.select([self.process.stdout], [], [], max(seconds, 0))[0]:
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        self.log += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def expect(self, pattern, after=0):
        """Wait until what was printed from position `after` on matches; the seconds since the start."""
        while not re.compile(pattern).search(self.log, after):
            left = self.started + self.limit - time.monotonic()
            if left <= 0 or not self._read(left):
                raise Failed(f"the machine did not print {getattr(pattern, 'pattern', pattern)!r}:\n{self.log[-500:]}")
        return time.monotonic() - self.started

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def leave(self):
        """Ctrl-A X, and the exit status."""
        self.type("\x01x")
        return self.wait()

    def wait(self):
        while self._read(self.started + self.limit + 5 - time.monotonic()):
            if time.monotonic() > self.started + self.limit + 5:
                raise Failed("the machine did not end")
        return self.process.wait(10)

    def qemu(self):
        """The process of QEMU, found among the runner's descendants."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                head, _, rest = stat.read_text().rpartition(")")
            except OSError:
                continue
            parents[int(stat.parent.name)] = (int(rest.split()[1]), head.partition("(")[2])
        for pid, (parent, name) in parents.items():
            while parent not in (0, self.process.pid):
                parent = parents.get(parent, (0, ""))[0]
            if parent and name.startswith("qemu"):
                return pid
        raise Failed("QEMU's process was not found")


# ---- disks ------------------------------------------------------------------------------------------------

class Disks:
    """The images the workloads want, made when first asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def raw(self):
        """Each 4 KiB block begins with its number."""
        image = self.folder / "raw.img"
        if not image.exists():
            pad = bytes(range(256)) * 16
            with open(image, "wb") as file:
                for number in range(DISK_MIB << 8):
                    file.write(struct.pack("<Q", number) + pad[8:])
        return image

    def ext2(self):
        """A new file system, its tables written in full."""
        image = self.folder / "ext2.img"
        image.unlink(missing_ok=True)
        with open(image, "wb") as file:
            for _ in range(DISK_MIB):
                file.write(bytes(1 << 20))
        mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        subprocess.run([mke2fs, "-q", "-F", "-t", "ext2", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0", image],
                       check=True)
        return image


# ---- results ----------------------------------------------------------------------------------------------

class Results:
    """Samples by row; a row's value is their median."""

    def __init__(self):
        self.rows = {}
        self.failures = []

    def add(self, name, value, unit, n=1):
        row = self.rows.setdefault(name, {"unit": unit, "n": int(n), "samples": []})
        row["samples"].append(float(value))

    def take(self, log, unit=None):
        """The BENCH lines of a log; with unit, nanoseconds of a counted run become that."""
        for name, value, said, n in BENCH_LINE.findall(log):
            if unit and (said != "ns" or name.startswith(NOT_COUNTED)):
                continue
            self.add(name, value, unit or said, n)

    def json(self):
        return [{"name": name, "value": round(statistics.median(row["samples"]), 3), "unit": row["unit"], "n": row["n"]}
                for name, row in self.rows.items()]


def spread(samples):
    """Distance of the quartiles in percent of the median; None for a single sample."""
    median = statistics.median(samples)
    if len(samples) < 2 or not median:
        return None
    low, _, high = statistics.quantiles(samples, n=4)
    return 100 * (high - low) / median


# ---- what is measured -------------------------------------------------------------------------------------

class Bench:
    def __init__(self, results, disks, options):
        self.results = results
        self.disks = disks
        self.full = options.full
        self.boots = options.boots

    def scenario(self, name, phases, *options, timeout=120):
        with slot(), Machine(*options, build=BENCH, cmdline=f"test={name} phases={phases}", timeout=timeout) as machine:
            status = machine.wait()
            if status or "FAIL" in machine.log or "DONE\n" not in machine.log:
                raise Failed(f"{name} phases={phases}: exit status {status}\n{machine.log[-1000:]}")
            return machine.log

    def size(self):
        for name, file in (("image_kernel", "rugo.elf"), ("image_shim", "shim.elf"), ("image_initrd", "initrd.cpio")):
            self.results.add(name, (BUILD / file).stat().st_size / 1024, "KiB")

    def core(self):
        """Instructions per operation: one run, as it repeats exactly; its first batch is not reported."""
        self.results.take(self.scenario("bench", "core1", "--icount"), unit="insn")

    def time(self):
        """The same by the clock; the rows' names get the ending _time, since they stand beside the counted ones."""
        log = self.scenario("bench", "core").partition("READY boot")[2]
        self.results.take(re.sub(r"BENCH name=(\S+)", r"BENCH name=\1_time", log))

    def smp(self):
        """What a second processor adds: a virtual one on each of two of the host, by the clock, within one machine."""
        self.results.take(self.scenario("bench.bare", "smp", "--smp", 2, timeout=300).partition("READY boot")[2])

    def blk(self):
        for _ in range(self.boots // 2 or 1):
            self.results.take(self.scenario("bench.bare", "blk", "--disk", self.disks.raw()).partition("READY boot")[2])

    def fs(self):
        for _ in range(self.boots // 2 or 1):
            self.results.take(self.scenario("bench", "fs", "--disk", self.disks.ext2()).partition("READY boot")[2])

    def boot(self):
        for _ in range(self.boots):
            for mem, name in ((256, "boot_insn_256m"), (8192, "boot_insn_8g")):
                shim, kernel, prompt = boot_marks(mem)
                self.results.add(name, prompt - shim, "insn")
                self.results.add(name + "_reset_shim", shim, "insn")
                self.results.add(name + "_shim_kernel", kernel - shim, "insn")
                self.results.add(name + "_kernel_prompt", prompt - kernel, "insn")

    def wall(self):
        """Starting QEMU to the prompt, and to the first character of an empty program, in turns."""
        for _ in range(self.boots):
            times = {}
            for name, build, pattern in (("boot_empty", BENCH / "empty", "!"), ("boot_to_prompt", BUILD, PROMPT)):
                with slot(), Machine("--disk", BUILD / "disk.img", "--snapshot", build=build) as machine:
                    times[name] = machine.expect(pattern) * 1000
                    machine.leave()
            for name, value in times.items():
                self.results.add(name, value, "ms")
            self.results.add("boot_over_empty", times["boot_to_prompt"] - times["boot_empty"], "ms")

    def idle(self):
        """CPU time of QEMU while nobody types, and the memory the system has taken by then."""
        with slot(), Machine("--disk", BUILD / "disk.img", "--snapshot") as machine:
            machine.expect(PROMPT)
            time.sleep(2)
            qemu = machine.qemu()
            begun, used = time.monotonic(), cpu_seconds(qemu)
            time.sleep(10 if self.full else 5)
            self.results.add("idle_cpu", 100 * (cpu_seconds(qemu) - used) / (time.monotonic() - begun), "%")
            typed = len(machine.log)
            machine.type("free\r")
            machine.expect(r"memory[^\n]*\n", typed)
            total, used, free = map(int, re.search(r"memory +(\d+) +(\d+) +(\d+)", machine.log[typed:]).groups())
            self.results.add("mem_used_idle", used, "KiB")
            self.results.add("mem_total_idle", 256 * 1024 - free, "KiB")
            machine.leave()

    def smallest(self):
        """The smallest memory, in steps of 4 MiB, with which the prompt comes."""
        low, high = 0, 64
        while high - low > 4:
            middle = (low + high) // 8 * 4
            if boots_with(middle):
                high = middle
            else:
                low = middle
        if not boots_with(high):
            raise Failed(f"no prompt with {high} MiB")
        self.results.add("mem_smallest_boot", high * 1024, "KiB")


def boot_marks(mem):
    """Instructions executed since reset when the shim, the kernel and the prompt's last byte are reached.

    QEMU's plug-in counts executed instructions, so waiting for the disk is not in them. The kernel lies at its link
    addresses (nokaslr) so that it can be recognised; the prompt is the last thing it sends."""
    marks = [entry_of(BUILD / "shim.elf"), entry_of(BUILD / "rugo.elf"),
             symbol(BUILD / "rugo.debug.elf", "serial_try_write")]
    with tempfile.NamedTemporaryFile(prefix="rugo-bench") as out:
        plugin = f"{BENCH}/count.so,out={out.name},mark={marks[0]:#x},mark={marks[1]:#x},last={marks[2]:#x}"
        with slot(), Machine("--icount", "--mem", mem, "--disk", BUILD / "disk.img", "--snapshot", cmdline="nokaslr",
                             extra=["-plugin", plugin]) as machine:
            machine.expect(PROMPT)
            machine.leave()
        counts = {int(addr, 16): int(count) for addr, count in
                  re.findall(r"^(?:mark|last) (0x[0-9a-f]+) (\d+)$", Path(out.name).read_text(), re.M)}
    missing = [hex(mark) for mark in marks if mark not in counts]
    if missing:
        raise Failed(f"QEMU never executed {', '.join(missing)}")
    return [counts[mark] for mark in marks]


def entry_of(elf):
    """Entry point of an ELF file of 32 or 64 bits."""
    with open(elf, "rb") as file:
        head = file.read(64)
    return struct.unpack_from("<I" if head[4] == 1 else "<Q", head, 24)[0]


def symbol(elf, name):
    listing = subprocess.run(["nm", elf], check=True, capture_output=True, text=True).stdout
    for address, _, found in (line.rpartition(" ")[0].split(" ", 1) + [line.rpartition(" ")[2]]
                              for line in listing.splitlines() if line[0] != " "):
        if found == name:
            return int(address, 16)
    raise Failed(f"{elf} has no symbol {name}")


def boots_with(mem):
    with slot(), Machine("--mem", mem, "--disk", BUILD / "disk.img", "--snapshot", timeout=15) as machine:
        try:
            machine.expect(PROMPT)
        except Failed:
            return False
        return True


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the table --------------------------------------------------------------------------------------------

def linux_figures(files):
    """Row → {guest: {configuration: statistics}} as bench/linux writes them; the first file that has a guest counts."""
    merged = {}
    for file in files:
        for name, result in json.loads(Path(file).read_text())["results"].items():
            row = merged.setdefault(name, {})
            row.update({guest: figures for guest, figures in result.items() if guest not in row})
    return merged


def linux_value(reference, guest, name, unit):
    """Linux's median for a row, in the row's own unit; None if there is none."""
    result = reference.get(name.removesuffix("_time"), {})
    configuration = "icount" if unit == "insn" else "smp1"
    return result.get(guest, {}).get(configuration, {}).get("median")


def number(value):
    if value is None:
        return "-"
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(value, aims):
    if "least" in aims:
        return "met" if value >= aims["least"] else "MISSED"
    return "" if "target" not in aims else "met" if value <= aims["target"] else "MISSED"


def table(results, reference, targets):
    lines = [f"{'name':32} {'unit':6} {'Rugo':>14} {'±%':>5} {'Linux':>14} {'Linux tuned':>14} {'target':>12}"]
    for row in results.json():
        name, unit = row["name"], row["unit"]
        aims = targets.get(name, {})
        wide = spread(results.rows[name]["samples"])
        stock = linux_value(reference, "linux", name, unit)
        tuned = linux_value(reference, "linux-tuned", name, unit)
        lines.append(f"{name:32} {unit:6} {number(row['value']):>14} {'' if wide is None else f'{wide:.0f}':>5} "
                     f"{number(aims.get('stock') if stock is None else stock):>14} "
                     f"{number(tuned):>14} "
                     f"{number(aims.get('target', aims.get('least'))):>12} {verdict(row['value'], aims)}".rstrip())
    return "\n".join(lines)


def run_linux(out):
    """bench/linux in the same go, both Linux guests and Rugo in turns; its results file."""
    print("bench: running bench/linux (some minutes)", file=sys.stderr)
    guests = [word for name in ("linux", "linux-tuned", "rugo") for word in ("--guest", LINUX / "guests" / f"{name}.json")]
    Path(out).unlink(missing_ok=True)
    with slot():
        done = subprocess.run([LINUX / "run", *guests, "--smp", "1", "--phases", "core,blk,fs", "--out", out],
                              env={**os.environ, "BENCH_BUILD": str(BENCH / "linux"), "RUGO_BENCH": str(BENCH)})
    if not Path(out).exists():
        raise Failed(f"bench/linux ended with {done.returncode} and no results")
    return out


def parse():
    parser = argparse.ArgumentParser(prog="./rugo bench", description="Measure Rugo, Linux's figures beside.")
    parser.add_argument("--json", metavar="FILE", help="write [{name, value, unit, n}, ...]")
    parser.add_argument("--full", action="store_true", help="everything, the core rows by the clock too")
    parser.add_argument("--linux", action="store_true", help="measure Linux now instead of using bench/linux/reference")
    parser.add_argument("--only", metavar="GROUP,...", help="some of: " + " ".join(GROUPS))
    parser.add_argument("--boots", type=int, default=7, help="starts behind each boot figure (7)")
    options = parser.parse_args()
    options.groups = options.only.split(",") if options.only else [g for g in GROUPS if g != "time" or options.full]
    unknown = set(options.groups) - set(GROUPS)
    if unknown or options.boots < 1:
        parser.error("no such group: " + ", ".join(sorted(unknown)) if unknown else "--boots must be 1 or more")
    return options


def build():
    """Only one at a time: two makes in one folder would be in each other's way."""
    BUILD.mkdir(parents=True, exist_ok=True)
    lock = open(BUILD / "bench.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    done = subprocess.run(["make", "--no-print-directory", "-C", ROOT, f"BUILD={BUILD}", "bench", "disk"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"bench: the build failed:\n{done.stdout}")
    lock.close()


def measure(options):
    results = Results()
    shm = Path("/dev/shm")
    place = shm if shm.is_dir() and shutil.disk_usage(shm).free > 2 << 30 else None
    with tempfile.TemporaryDirectory(prefix="rugo-bench", dir=place) as folder:
        bench = Bench(results, Disks(folder), options)
        for group in options.groups:
            print(f"bench: {group}", file=sys.stderr)
            try:
                getattr(bench, group)()
            except Failed as why:
                results.failures.append(f"{group}: {why}")
    return results


def main():
    options = parse()
    build()
    results = measure(options)
    reference = [LINUX / "reference" / "linux.json", LINUX / "reference" / "linux-tuned.json"]
    if options.linux:
        try:
            reference = [run_linux(BENCH / "linux.json")]
        except Failed as why:
            results.failures.append(str(why))
    targets = json.loads((ROOT / "bench" / "rugo" / "targets.json").read_text())
    print(table(results, linux_figures(reference), targets))
    if not options.linux:
        print("Linux: bench/linux/reference. Instructions compare; times of another host and hour do not (--linux).")
    if options.json:
        Path(options.json).write_text(json.dumps(results.json(), indent=1) + "\n")
    for failure in results.failures:
        print(f"bench: FAILED {failure}", file=sys.stderr)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
