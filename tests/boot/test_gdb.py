"""tools/gdb: gdb looks into a running machine and sees what the guest sees itself."""

import re
import subprocess

import pytest

from rugo.machine import ROOT, TEST_BUILD
from rugo.pagetable import walk


def gdb(socket, *commands):
    """gdb's output and errors after these commands on a running machine, which goes on afterwards."""
    script = ["set pagination off", f"target remote {socket}", *commands, "detach"]
    done = subprocess.run(["gdb", "--batch", "-nx", TEST_BUILD / "rugo.debug.elf", "-x", ROOT / "tools/gdb/rugo.py",
                           *(word for command in script for word in ("-ex", command))],
                          capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


@pytest.fixture
def machine(shell, tmp_path_factory):
    """(a shell, the socket of its machine's debugger)"""
    socket = tmp_path_factory.mktemp("g") / "gdb"       # short: the path of a socket has a limit
    return shell(smp=2, extra=("-gdb", f"unix:{socket},server=on,wait=off")), socket


def table(text, head):
    """Rows of words below the line that begins with head, up to one that is none."""
    rows = []
    for line in text[text.index(head):].splitlines()[1:]:
        if not re.match(r" *(0x)?[0-9a-f]+ ", line):
            break
        rows.append(line.split())
    return rows


def test_what_gdb_sees(machine):
    sh, socket = machine
    in_guest = table(sh.ok("ps"), "  PID")[:-1]         # ps itself is gone
    handles = table(sh.ok("handles 2"), "    HANDLE")
    text, errors = gdb(socket, "rugo kernel", "rugo ps", "rugo threads", "rugo cpus", "rugo handles 2", "rugo load 4",
                       "info symbol run_program", "info symbol kmain")
    assert not errors.strip(), errors
    in_gdb = table(text, "  PID")
    assert [(row[0], row[1], row[2], row[-1]) for row in in_gdb] == [(row[0], row[1], row[2], row[-1]) for row in in_guest]
    assert len({row[5] for row in in_gdb}) == len(in_gdb), "each at an address of its own"
    # The same handles: numbers, types, rights, objects.
    rights = {letter: 1 << bit for bit, letter in enumerate("rwxsvodtami")}
    assert [(row[0], row[1], int(row[2], 16), row[3]) for row in table(text, "    HANDLE")] == \
        [(row[0], row[1], sum(rights.get(letter, 0) for letter in row[2]), row[3]) for row in handles]
    # The console sleeps at its port.
    console = re.search(r"^thread \d+ of 2 console: blocked\n((?:  #.*\n)+)", text, re.M)
    assert console and re.search(r"^  #\d+ 0x[0-9a-f]+ port_wait\+0x[0-9a-f]+ at \./?kernel/ipc/port\.c:\d+|"
                                 r"^  #\d+ 0x[0-9a-f]+ port_wait\+0x[0-9a-f]+ at kernel/ipc/port\.c:\d+", console[1], re.M)
    assert re.search(r"^CPU 0: thread \d+ ", text, re.M) and re.search(r"^CPU 1: thread \d+ ", text, re.M)
    assert "run_program in section .text of " in text and "kmain in section .text" in text
    # It goes on as if nothing had been.
    assert sh.ok("echo well") == "well\n"


def test_what_gdb_refuses(machine):
    sh, socket = machine
    for command, reason in [("rugo bt 99999", "no thread 99999"), ("rugo handles 99999", "no process 99999"),
                            ("rugo handles one", "not a number"), ("rugo handles", "rugo handles PID"),
                            ("rugo ps 1", "rugo ps"), ("rugo load 4 /no/such/file", "no/such/file")]:
        _, errors = gdb(socket, "rugo kernel", command)
        assert reason in errors, f"{command}: {errors}"
    assert sh.ok("echo well") == "well\n"


def test_no_process_has_writable_code(shell, qmp, tmp_path_factory):
    """gdb finds the page tables of all processes, the host walks them."""
    socket = tmp_path_factory.mktemp("g") / "gdb"
    shell(smp=2, qmp=qmp.socket, extra=("-gdb", f"unix:{socket},server=on,wait=off"))
    roots = "python [print('root of', int(p['pid']), int(p['aspace']['root'])) for p in processes()]"
    text, errors = gdb(socket, "rugo kernel", roots)
    assert not errors.strip(), errors
    machine = qmp()
    machine.stop()
    found = re.findall(r"^root of (\d+) (\d+)$", text, re.M)
    assert len(found) >= 4
    for pid, root in found:
        mappings = [m for m in walk(machine.physical, int(root)) if m.address < 1 << 47]
        assert any(m.executable for m in mappings) and any(m.writable for m in mappings), f"process {pid}: a wrong walk"
        assert all(m.user for m in mappings), f"process {pid}: the kernel's pages in its half"
        assert not [str(m) for m in mappings if m.writable and m.executable], f"process {pid}: writable code"
        assert min(m.address for m in mappings) >= 4096, f"process {pid}: page 0 is mapped"
