"""Upcalls: faults told to the program, and threads and processes that interrupt each other (docs/upcalls.md)."""

import re

import pytest

CPUS = pytest.mark.parametrize("smp", [1, 2, 4, 8])


@CPUS
def test_rules(boot, nonce, secret, smp):
    run = boot(f"test=upcall.rules nonce={nonce}", smp=smp, timeout=60)
    run.ok().line("UPCALL: rules ok", nonce=nonce, secret=secret)
    named = re.findall(r"^USER: killed .*name=upcall_rules cause=(\S+)", run.log, re.M)
    assert {"UD", "PF", "upcall"} <= set(named)
    assert run.log.count("(no room on its upcall stack)") == 4


@pytest.mark.parametrize("cpu", ["max,-avx", "max,-xsave", "qemu64"])
def test_rules_without(boot, nonce, secret, cpu):
    boot(f"test=upcall.rules nonce={nonce}", extra=("-cpu", cpu), timeout=60).ok().line("UPCALL: rules ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("smp,cpu,kind", [(1, "max", "AVX"), (2, "max", "AVX"), (4, "max", "AVX"), (8, "max", "AVX"), (2, "qemu64", "SSE")])
def test_spinning_threads(boot, nonce, secret, rounds, smp, cpu, kind):
    run = boot(f"test=upcall.spin rounds={rounds(20, 400)} nonce={nonce}", smp=smp, extra=("-cpu", cpu), timeout=rounds(90, 900))
    run.ok().line("UPCALL: spin ok", nonce=nonce, secret=secret)
    assert re.search(rf"^UPCALL: {kind}, \d+ handled", run.log, re.M)


@pytest.mark.parametrize("cpu", ["max", "qemu64"])
def test_hostile_frames(boot, nonce, secret, rounds, cpu):
    seed = int(nonce, 16) % 1000000
    run = boot(f"test=upcall.fuzz seed={seed} count={rounds(60000, 3000000)} nonce={nonce}", extra=("-cpu", cpu), timeout=rounds(120, 1800))
    run.ok().line("UPCALL: fuzz ok", nonce=nonce, secret=secret)


@CPUS
def test_storm(boot, nonce, secret, rounds, smp):
    seed = int(nonce, 16) % 1000000
    run = boot(f"test=upcall.storm seed={seed} rounds={rounds(25, 1000)} nonce={nonce}", smp=smp, timeout=rounds(120, 1800))
    run.ok().line("UPCALL: storm ok", nonce=nonce, secret=secret)


@CPUS
def test_signals_of_the_library(boot, nonce, secret, smp):
    boot(f"test=user.signal nonce={nonce}", smp=smp, timeout=60).ok().line("SIGNAL: ok", nonce=nonce, secret=secret)
