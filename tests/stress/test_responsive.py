"""Threads that never stop running on every CPU: a key is echoed as if they were not there."""

import re
import statistics

from rugo.places import COVERAGE

# Of the kernel that people run; one that counts its branches is slower.
LIMIT_US = 300_000 if COVERAGE else 100_000


def answered(sh):
    """[us] from a receive interrupt to the first byte sent after it, as the kernel has stamped them: of the last key, and at most."""
    console = re.search(r"^ *(\d+) .*\bconsole$", sh.ok("ps"), re.M).group(1)
    line = re.search(r"serial line; answered after (\d+) us, at most (\d+) us", sh.ok(f"handles {console}"))
    return int(line.group(1)), int(line.group(2))


def spin_and_type(sh, smp):
    sh.ok(f"/boot/test/stress_spin {smp}")
    for _ in range(5):
        for key in "echo x":
            sh.type(key)
            sh.expect(key)
        sh.type("\r")
        sh.prompt()
    assert "stress_spin" in sh.ok("ps")


def test_key_echoes_beside_a_spinning_thread(shell):
    """Counted: no key takes longer, whatever else the host does."""
    sh = shell(icount=True)
    spin_and_type(sh, 1)
    assert answered(sh)[1] < LIMIT_US


def test_key_echoes_beside_spinning_threads(shell, smp):
    """By the clock: a busy host may stop a processor for long, so not each key counts, but most do."""
    sh = shell(smp=smp)
    spin_and_type(sh, smp)
    assert statistics.median(answered(sh)[0] for _ in range(7)) < LIMIT_US
