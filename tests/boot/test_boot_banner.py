"""The machine comes up and ends cleanly, whichever firmware, chipset or loader starts it."""

import pytest

WAYS = [("direct", "pc"), ("direct", "q35"), ("bios", "pc"), ("bios", "q35"), ("uefi", "pc"), ("uefi", "q35")]


@pytest.mark.parametrize("how, machine", WAYS)
def test_boot_banner(boot, nonce, how, machine):
    run = boot(f"test=boot nonce={nonce}", boot=how, machine=machine, timeout=90).ok()
    start = run.lines.index(run.line("RUGO: boot ok", nonce=nonce))
    end = run.lines.index(run.line("RUGO: halt ok", nonce=nonce))
    assert start < end, "the machine halted before it had booted"


@pytest.mark.parametrize("mem", [32, 8192])
def test_memory_sizes(boot, nonce, mem):
    run = boot(f"test=boot nonce={nonce}", mem=mem).ok()
    run.line("RUGO: boot ok", nonce=nonce)


def test_unknown_scenario_fails(boot):
    run = boot("test=no.such.thing")
    assert run.status == 1
    assert "no.such.thing" in run.log, "the log does not say what was wrong"
