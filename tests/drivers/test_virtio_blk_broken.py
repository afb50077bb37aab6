"""A device that breaks the rules of the queue is stopped: its requests end with EIO, nothing hangs, nothing is accepted.

QEMU's device keeps the rules, so the host reaches into the driver with gdb and moves its idea of the rings:
"used" makes the device seem to return a chain for the second time, "avail" makes it find nonsense and ask for a reset.
"""

import subprocess

import pytest

from rugo.machine import TEST_BUILD

DAMAGE = {"used": "used_index -= 1", "avail": "avail_index += 1000"}


@pytest.mark.parametrize("device", ["", "vectors=0"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_broken(start, image, blk, nonce, secret, tmp_path_factory, damage, device):
    socket = tmp_path_factory.mktemp("g") / "gdb"
    machine = start(f"nokaslr test=blk.broken nonce={nonce}",
                    extra=[*blk(image(), device), "-gdb", f"unix:{socket},server=on,wait=off"])
    machine.expect("^BLK: waiting for damage$")
    gdb = subprocess.run(["gdb", "-nx", "-batch", str(TEST_BUILD / "rugo.debug.elf"), "-ex", f"target remote {socket}",
                          "-ex", "set $v = (struct virtio_blk *)devices[0]",
                          "-ex", f"set var $v->vq.{DAMAGE[damage]}", "-ex", "detach"],
                         capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    run = machine.wait()
    assert run.status == 0, gdb.stdout + gdb.stderr
    run.line("BLK: broken ok", nonce=nonce, secret=secret)
    assert "failed and was stopped" in run.log
