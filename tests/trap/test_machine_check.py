"""A machine check is a panic that says so, whoever was running, and not a reset without a word."""

import re

import pytest

# Bank 0: valid, uncorrected, enabled, the processor's context is lost; in progress, and where it happened is unknown.
CHECK = "mce {cpu} 0 0xb200000000000000 0x4 0 0"


@pytest.mark.parametrize("cpus, cpu, busy", [(1, 0, False), (1, 0, True), (2, 1, False)])
def test_panic(shell, qmp, cpus, cpu, busy):
    sh = shell(smp=cpus, qmp=qmp.socket)
    if busy:
        sh.ok("/boot/test/stress_spin 1")
    qmp().last(CHECK.format(cpu=cpu))
    run = sh.wait()
    assert run.status == 1
    assert re.search(r"^RUGO: panic code=0x8 MC in the kernel ", run.log, re.M)
    if cpus > 1:
        assert re.search(rf"^  on CPU {cpu} of {cpus}$", run.log, re.M)
