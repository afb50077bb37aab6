"""What abi/ipc/file.def promises, on a disk and on the RAM disk."""

import subprocess

import pytest


@pytest.mark.parametrize("block", [None, 1024, 4096])
def test_rules(boot, nonce, secret, make_disk, block):
    options = {"disk": make_disk(block=block)} if block else {}
    boot(f"test=fs.rules nonce={nonce}", **options).ok().line("FS: rules ok", nonce=nonce, secret=secret)
    if block:
        done = subprocess.run(["e2fsck", "-fn", options["disk"]], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
