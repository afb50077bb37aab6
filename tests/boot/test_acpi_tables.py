"""Firmware tables are input: a list of processors and interrupt controllers that is wrong does not stop the machine."""

import struct

import pytest

LAPIC, IOAPIC = 0xFEE00000, 0xFEC00000


def cpu(apic_id, flags=1):
    return struct.pack("<BBBBI", 0, 8, apic_id, apic_id, flags)


def ioapic(number, address, first):
    return struct.pack("<BBBBII", 1, 12, number, 0, address, first)


def isa(source, gsi, flags):
    return struct.pack("<BBBBIH", 2, 10, 0, source, gsi, flags)


SHORT = b"\0\4\1\1" + b"\1\4\0\0" + b"\2\4\0\0" + b"\5\4\0\0" + b"\x7f\2"

# What QEMU's own table is followed by: the entries, how many processors the machine has, and what the log says.
TABLES = {
    "nothing": (b"", 1, None),
    "absent": (cpu(9), 1, "CPU: processor 9 does not start; going on with 1"),
    "absent beside another": (cpu(9), 2, "CPU: processor 9 does not start; going on with 2"),
    "listed twice": (cpu(0) + cpu(1), 2, None),
    "disabled": (cpu(9, 0) + cpu(8, 2), 1, None),
    "too many": (b"".join(map(cpu, range(10, 30))), 1, "CPU: processor 10 does not start; going on with 1"),
    "no length": (cpu(9, 0) + b"\0\0" + cpu(9), 1, None),
    "past the end": (b"\0\x40" + cpu(9), 1, None),
    "short entries": (SHORT, 1, None),
    "ends in an entry": (b"\0", 1, None),
    "many controllers": (b"".join(ioapic(n, IOAPIC, 24 * n) for n in range(1, 20)), 1, None),
    "controller nowhere": (ioapic(1, 0, 300) + ioapic(2, 0xFFFFF000, 400), 1, None),
    "lines": (isa(200, 5, 15) + isa(7, 7, 15) + isa(6, 6, 13) + isa(3, 3, 5), 1, None),
    "registers elsewhere": (struct.pack("<BBHQ", 5, 12, 0, LAPIC), 2, None),
}


@pytest.mark.parametrize("name", TABLES)
def test_processors(boot, tmp_path, nonce, name):
    entries, cpus, says = TABLES[name]
    (tmp_path / "table").write_bytes(struct.pack("<II", LAPIC, 1) + entries)
    run = boot(f"test=sched.smp nonce={nonce}", smp=cpus, extra=["-acpitable", f"sig=APIC,data={tmp_path / 'table'}"]).ok()
    assert [line for line in run.lines if "does not start" in line] == ([says] if says else [])
