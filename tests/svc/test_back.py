"""A service that was killed is soon back: counted in guest time, where with --icount a nanosecond is an instruction."""

import re

import pytest

from rugo.machine import ORDINARY_BUILD

LIMIT_NS = 50_000_000


@pytest.mark.parametrize("disk", [False, True], ids=["RAM disk", "disk"])
def test_back_within_50_ms(boot, make_disk, nonce, secret, disk):
    options = {"disk": make_disk()} if disk else {}
    run = boot(f"test=svc.back nonce={nonce}", build=ORDINARY_BUILD, icount=True, timeout=120, **options).ok()
    run.line("SVC: back ok", nonce=nonce, secret=secret)
    took = {name: int(ns) for name, ns in re.findall(r"SVC: (\w+) is back after ns=(\d+)", run.log)}
    assert set(took) == {"fsd", "console"}
    assert all(0 < ns <= LIMIT_NS for ns in took.values()), took
