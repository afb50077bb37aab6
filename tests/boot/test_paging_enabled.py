"""The kernel runs on page tables of its own, and nothing in them is writable and executable: the host looks itself."""

import re

import pytest

from rugo.machine import ORDINARY_BUILD
from rugo.pagetable import walk

CR0_WP, CR0_PG = 1 << 16, 1 << 31
CR4_UMIP, CR4_SMEP, CR4_SMAP = 1 << 11, 1 << 20, 1 << 21
EFER_LMA, EFER_NXE = 1 << 10, 1 << 11


@pytest.fixture
def frozen(shell, qmp, tmp_path):
    """A machine at its prompt, stopped, with QEMU's record of what was written to CR3 while paging was on."""
    trace = tmp_path / "mmu.log"
    shell(build=ORDINARY_BUILD, qmp=qmp.socket, extra=["-d", "mmu", "-D", str(trace)])
    machine = qmp()
    machine.stop()
    machine.cr3_writes = [int(value, 16) for value in re.findall(r"CR3 update: CR3=([0-9a-f]+)", trace.read_text())]
    return machine


def test_marker(boot, nonce):
    boot(f"test=boot nonce={nonce}").ok().line("MM: paging=on", nonce=nonce)


def test_control_registers(frozen):
    regs = frozen.registers()
    assert regs["CR0"] & CR0_PG and regs["CR0"] & CR0_WP, f"CR0={regs['CR0']:#x}"
    assert regs["EFER"] & EFER_LMA and regs["EFER"] & EFER_NXE, f"EFER={regs['EFER']:#x}"
    for name, bit in (("SMEP", CR4_SMEP), ("SMAP", CR4_SMAP), ("UMIP", CR4_UMIP)):
        assert regs["CR4"] & bit, f"CR4={regs['CR4']:#x}: {name} is off"


def test_own_page_tables(frozen):
    # The loader turned paging on with its tables; whoever wrote CR3 after that was the kernel.
    assert frozen.cr3_writes, "CR3 was never written after the loader had turned paging on"
    assert frozen.registers()["CR3"] & ~0xFFF in {value & ~0xFFF for value in frozen.cr3_writes}


def test_no_page_is_writable_and_executable(frozen):
    mappings = list(walk(frozen.physical, frozen.registers()["CR3"]))
    assert any(m.executable and not m.user for m in mappings), "no kernel code found: the walk is wrong"
    assert any(m.writable and not m.user for m in mappings), "no kernel data found: the walk is wrong"
    both = [str(m) for m in mappings if m.writable and m.executable]
    assert not both, "writable and executable:\n" + "\n".join(both[:20])
    low = [str(m) for m in mappings if m.address < 1 << 47 and not m.user]
    assert not low, "kernel mappings in the user half:\n" + "\n".join(low[:20])
    shared = [str(m) for m in mappings if m.address >= 1 << 47 and m.user]
    assert not shared, "the kernel half is open to users:\n" + "\n".join(shared[:20])
