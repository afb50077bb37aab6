"""
A service that was killed is soon back: counted in guest time, where with --icount a nanosecond is an instruction. What a disk
takes is time of the host, and not counted.
"""

import re

import pytest

from rugo.machine import ORDINARY_BUILD

LIMIT_NS = 50_000_000


@pytest.mark.parametrize("disk", [False, True], ids=["RAM disk", "disk"])
def test_back_within_50_ms(boot, make_disk, nonce, secret, disk):
    options = {"disk": make_disk()} if disk else {}
    run = boot(f"test=svc.back nonce={nonce}", build=ORDINARY_BUILD, icount=True, timeout=120, **options).ok()
    run.line("SVC: back ok", nonce=nonce, secret=secret)
    which = "worked" if disk else "ns"
    took = {name: int(ns) for name, ns in re.findall(rf"SVC: (\w+) is back after .*\b{which}=(\d+)", run.log)}
    assert set(took) == {"fsd", "console"}
    assert all(0 < ns <= LIMIT_NS for ns in took.values()), took
