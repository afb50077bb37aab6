"""What block calls refuse: ranges, rights, bad pointers, bad flags. The disk stays as it was."""

import pytest


@pytest.mark.parametrize("device", ["", "logical_block_size=4096,physical_block_size=4096", "vectors=0"])
def test_refusals(boot, image, blk, nonce, secret, device):
    boot(f"test=blk.refuse nonce={nonce}", extra=blk(image(), device)).ok().line("BLK: refusals ok", nonce=nonce, secret=secret)


def test_read_only(boot, image, blk, nonce, secret):
    path = image()
    run = boot(f"test=blk.refuse nonce={nonce}", extra=blk(path, drive="readonly=on")).ok()
    run.line("BLK: refusals ok", nonce=nonce, secret=secret)
    assert " ro " in run.line("BLK: found virtio-blk")
    assert path.read_bytes() == bytes(8 << 20)
