"""The checking kernel (make DEBUG=1) stops at the first lock taken out of order: here it does most of what a system does."""

import os
import subprocess

import pytest

from rugo.machine import BUILD, ROOT, TEST_BUILD

DEBUG = BUILD / "debug"


@pytest.fixture(scope="module")
def checking_kernel(tmp_path_factory):
    """A build folder with the checking kernel, and shim and initrd of this session."""
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={DEBUG}", "DEBUG=1", "kernel"], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout
    folder = tmp_path_factory.mktemp("debug")
    os.symlink(DEBUG / "rugo.elf", folder / "rugo.elf")
    for name in ("shim.elf", "initrd.cpio"):
        os.symlink((TEST_BUILD / name).resolve(), folder / name)
    return folder


@pytest.mark.parametrize("scenario", ["user.syscall", "user.fault", "ipc.rules", "ipc.shm", "blk.orphan", "fs", "svc.spawn",
                                      "stress.hostile", "stress.kill count=300", "stress.syscall count=6000"])
def test_scenario(boot, checking_kernel, make_disk, tmp_path, scenario, nonce, secret):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "secret.txt").write_text(secret)
    boot(f"test={scenario} nonce={nonce}", disk=make_disk(tmp_path / "tree"), build=checking_kernel, timeout=120).ok()
