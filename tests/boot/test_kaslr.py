"""The kernel lies somewhere else at each boot, unless nokaslr holds it at its link address."""

import re
import subprocess

from rugo.machine import ORDINARY_BUILD

PAGE = 4096
RANGE = 1 << 30


def slide(boot, words):
    """How far the kernel is from where it was linked: by the first frame of a panic's backtrace."""
    log = boot(f"test=panic code=0x1 {words}", build=ORDINARY_BUILD).log
    address, name, offset = re.search(r"#0 (0x[0-9a-f]+) (\w+)\+(0x[0-9a-f]+)", log).groups()
    symbols = subprocess.run(["nm", ORDINARY_BUILD / "rugo.debug.elf"], capture_output=True, text=True, check=True).stdout
    linked = {int(line.split()[0], 16) for line in symbols.splitlines() if line.split()[-1] == name}
    assert len(linked) == 1, f"{name} is not one symbol"
    return int(address, 16) - int(offset, 16) - linked.pop()


def test_nokaslr(boot):
    assert slide(boot, "nokaslr") == 0


def test_every_boot_differs(boot):
    slides = [slide(boot, "") for _ in range(4)]
    assert len(set(slides)) == len(slides), f"of 2^18 places the same one came twice: {slides}"
    assert all(s % PAGE == 0 and 0 <= s < RANGE for s in slides)


def test_seed_repeats(boot):
    assert slide(boot, "seed=7") == slide(boot, "seed=7") != slide(boot, "seed=8")
