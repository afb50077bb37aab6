"""The runtime's POSIX names over fsd, on disks of both block sizes and on the RAM disk, which stay consistent."""

import subprocess

import pytest


@pytest.mark.parametrize("block", [1024, 4096])
def test_lib_files(block, boot, nonce, secret, make_disk):
    disk = make_disk(block=block)
    boot(f"test=fs.lib nonce={nonce}", disk=disk).ok().line("FILES: ok", nonce=nonce, secret=secret)
    check = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


def test_lib_files_without_a_disk(boot, nonce, secret):
    boot(f"test=fs.lib nonce={nonce}").ok().line("FILES: ok", nonce=nonce, secret=secret)
