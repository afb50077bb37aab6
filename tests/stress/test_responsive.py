"""Threads that never stop running on every CPU: a key is echoed as if they were not there."""

import re

import pytest

LIMIT_US = 100_000


def slowest(sh):
    """The longest time from a receive interrupt to the first byte sent after it, as the kernel has stamped it."""
    console = re.search(r"^ *(\d+) .*\bconsole$", sh.ok("ps"), re.M).group(1)
    return int(re.search(r"serial line; answered after \d+ us, at most (\d+) us", sh.ok(f"handles {console}")).group(1))


@pytest.mark.parametrize("smp, icount", [(1, True), (1, False), (2, False), (4, False)])
def test_key_echoes_beside_spinning_threads(shell, smp, icount):
    sh = shell(smp=smp, icount=icount)
    sh.ok(f"/boot/test/stress_spin {smp}")
    for _ in range(5):
        for key in "echo x":
            sh.type(key)
            sh.expect(key)
        sh.type("\r")
        sh.prompt()
    assert "stress_spin" in sh.ok("ps")
    assert slowest(sh) < LIMIT_US
