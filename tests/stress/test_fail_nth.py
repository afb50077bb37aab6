"""The first, second, third … request for kernel memory is refused, until an operation gets through without a refusal."""

import re

from rugo.machine import ORDINARY_BUILD

# What must at least have been tried, so that a program which tries nothing is found out.
KERNEL = {"memory object": 10, "mapping": 15, "port": 4, "message": 4, "call": 2, "thread": 3, "process": 10, "spawn": 30,
          "pipe": 3, "reservation": 4, "resized object": 5, "posts": 3, "looking": 4, "trace": 8}
SERVICES = {"spawn, svcman refused": 40, "boot of console, svcman refused": 30, "boot of console, it refused": 5,
            "boot of fsd, svcman refused": 40, "boot of fsd, it refused": 10}


def check(run, what, least, nonce, secret):
    run.ok().line(f"FAIL: {what} ok", nonce=nonce, secret=secret)
    tried = {name: int(n) for name, n in re.findall(r"^FAIL: (.*): (\d+) refusals", run.log, re.M)}
    few = {name: tried.get(name) for name, n in least.items() if tried.get(name, 0) < n}
    assert not few, f"hardly anything was refused: {few}"


def test_kernel(boot, nonce, secret, smp):
    check(boot(f"test=fail.kernel nonce={nonce}", smp=smp), "kernel", KERNEL, nonce, secret)


def test_files(boot, nonce, secret, make_disk):
    check(boot(f"test=fail.fs nonce={nonce}", disk=make_disk()), "fs", {"file, fsd refused": 1}, nonce, secret)


def test_services(boot, nonce, secret):
    """Counted instructions: time in which nothing happens costs nothing, and svcman's pauses are many."""
    check(boot(f"test=fail.services nonce={nonce}", icount=True, timeout=120), "services", SERVICES, nonce, secret)


def test_not_in_an_ordinary_kernel(boot, nonce):
    run = boot(f"test=fail.kernel nonce={nonce}", build=ORDINARY_BUILD)
    assert run.status == 1
    run.line("this kernel refuses no memory on demand")
