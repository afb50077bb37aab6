"""The kernel that the tests boot checks itself: each kind of bug, planted, ends it with a panic that says what and where."""

import re
import subprocess

import pytest

from rugo.machine import ROOT, TEST_BUILD
from rugo.places import COVERAGE

traps = pytest.mark.skipif(COVERAGE, reason="the kernel that counts its branches has no traps")

UNDEFINED = {"shift": "shift_too_far", "overflow": "add_too_much", "bounds": "index_too_high", "divide": "divide_by_nothing",
             "null": "follow_null", "alignment": "read_crooked", "bool": "load_half_true", "unreachable": "arrive_nowhere"}

MEMORY = {
    "use-after-free": (0xa, "written after it was freed (object"),
    "frame-use-after-free": (0xa, "written at"),
    "double-free": (0xb, "freed twice (object of"),
    "wild-free": (0xb, "was never allocated"),
    "frame-double-free": (0xb, "freed twice"),
    "overrun": (0xc, "written past its end"),
    "underflow": (0xd, "a count is 0x0"),
    "handle-underflow": (0xd, "a count is 0x0"),
    "get-freed": (0xd, "a count is 0xdddddddd"),
    "lock-order": (0x1, "lock_rank"),
}


@traps
@pytest.mark.parametrize("kind", UNDEFINED)
def test_undefined_behaviour(boot, nonce, kind):
    run = boot(f"test=plant kind={kind} nonce={nonce}")
    assert run.status == 1
    assert f"undefined behaviour in {UNDEFINED[kind]}" in run.line("RUGO: panic code=0x9")
    assert re.search(rf"#0 0x[0-9a-f]+ {UNDEFINED[kind]}\+0x", run.log)


@pytest.mark.parametrize("kind", MEMORY)
def test_planted(boot, nonce, kind):
    code, text = MEMORY[kind]
    run = boot(f"test=plant kind={kind} nonce={nonce}")
    assert run.status == 1
    assert text in run.line(f"RUGO: panic code={code:#x}")
    assert "plant_bug+0x" in run.log, "the backtrace does not lead to who did it"


@traps
def test_place_of_the_bug(boot):
    """tools/symbolize.sh finds the line."""
    log = boot("test=plant kind=shift").log
    done = subprocess.run([ROOT / "tools/symbolize.sh", TEST_BUILD / "rugo.debug.elf"], input=log, capture_output=True, text=True,
                          check=True)
    place = re.search(r"#0 .* \S*kernel/selftest/plant\.c:(\d+)", done.stdout)
    line = (ROOT / "kernel/selftest/plant.c").read_text().splitlines()[int(place[1]) - 1]
    assert "<<" in line, f"it should be where the shift is, not: {line}"


def test_unknown_kind(boot, nonce):
    run = boot(f"test=plant kind=none nonce={nonce}")
    assert run.status == 1
    run.line("TEST: this kernel has no bug 'none'", nonce=nonce)
