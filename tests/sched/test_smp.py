"""Several processors: all that are there are started, and run what they may, at the same time."""

import re

import pytest

from rugo.machine import ORDINARY_BUILD

CR0_WP = 1 << 16
CR4_UMIP, CR4_SMEP, CR4_SMAP = 1 << 11, 1 << 20, 1 << 21
EFER_SCE, EFER_NXE = 1 << 0, 1 << 11


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_threads_everywhere(boot, nonce, secret, smp):
    boot(f"test=sched.smp nonce={nonce}", smp=smp, timeout=120).ok().line(
        "SMP: ok", cpus=smp, nonce=nonce, secret=secret)


@pytest.mark.parametrize("options", [{"machine": "q35"}, {"boot": "bios"}, {"boot": "uefi", "timeout": 120}, {"mem": 8192}],
                         ids=["q35", "bios", "uefi", "8 GiB"])
def test_other_ways_to_start(boot, nonce, options):
    boot(f"test=sched.smp nonce={nonce}", smp=4, **{"timeout": 90, **options}).ok().line("SMP: ok", cpus=4)


@pytest.mark.parametrize("machine, way", [("pc", "direct"), ("q35", "direct"), ("pc", "bios")])
def test_loader_without_acpi(boot, nonce, machine, way):
    """The loader gives no tables, and what it has put in front of the BIOS's is not taken for them."""
    run = boot(f"test=sched.smp shim=hostile nonce={nonce}", smp=4, machine=machine, boot=way, timeout=90).ok()
    run.line("SHIM: hostile firmware")
    run.line("SMP: ok", cpus=4)
    assert "ACPI: tables of the BIOS" in run.log


@pytest.mark.parametrize("options", [{"extra": ["-machine", "acpi=off"]}, {"boot": "uefi", "timeout": 120}],
                         ids=["no ACPI", "uefi"])
def test_no_acpi_at_all(boot, nonce, options):
    """Nobody says that there are more: the one that runs goes on alone. UEFI has its tables where only a loader finds them."""
    run = boot(f"test=sched.smp shim=hostile nonce={nonce}", smp=4, **{"timeout": 90, **options}).ok()
    run.line("SMP: ok", cpus=1)
    assert "ACPI: no tables" in run.log


def test_fewer_than_there_are(boot, nonce):
    boot(f"test=sched.smp cpus=2 nonce={nonce}", smp=4, timeout=90).ok().line("SMP: ok", cpus=2)


def test_more_than_are_used(boot, nonce):
    run = boot(f"test=sched.smp nonce={nonce}", smp=1, timeout=120, extra=["-smp", "9"]).ok()
    run.line("SMP: ok", cpus=8)
    assert "CPU: 9 processors, of which 8 are used" in run.log


def test_clocks_that_are_not_trusted(boot, nonce):
    """Time still never steps back from one processor to the next when the TSC counts for nothing."""
    boot(f"test=sched.smp tsc=distrust nonce={nonce}", smp=4, timeout=90).ok()


def test_every_processor_is_protected(shell, qmp):
    shell(build=ORDINARY_BUILD, qmp=qmp.socket, smp=4)
    machine = qmp()
    machine.stop()
    for cpu in range(4):
        regs = machine.registers(cpu)
        assert regs["CR0"] & CR0_WP, f"CPU {cpu}: CR0={regs['CR0']:#x}"
        assert regs["EFER"] & EFER_NXE and regs["EFER"] & EFER_SCE, f"CPU {cpu}: EFER={regs['EFER']:#x}"
        for bit in (CR4_SMEP, CR4_SMAP, CR4_UMIP):
            assert regs["CR4"] & bit, f"CPU {cpu}: CR4={regs['CR4']:#x}"


@pytest.mark.parametrize("smp", [2, 4, 8])
def test_one_panic_is_heard(boot, nonce, smp):
    run = boot(f"test=panic.all nonce={nonce}", smp=smp)
    assert run.status == 1
    assert len(re.findall(r"RUGO: panic", run.log)) == 1
    code = int(re.search(r"RUGO: panic code=0x([0-9a-f]+) all at once nonce=" + nonce, run.log)[1], 16)
    assert 0x100 <= code < 0x100 + smp
    assert f"on CPU {code - 0x100} of {smp}" in run.log
    frames = run.log[run.log.index("RUGO: panic"):]
    assert "panic_with_the_others+" in frames and "thread_main+" in frames, "the backtrace was disturbed"
