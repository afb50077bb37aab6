"""The driver finds the disk and its true size."""

import re

import pytest


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_virtio_blk_identify(boot, nonce, tmp_path, machine):
    sectors = 20000 + int(nonce, 16) % 10000
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(sectors * 512)
    line = boot(f"test=blk nonce={nonce}", disk=image, machine=machine).ok().line("BLK: found virtio-blk", nonce=nonce)
    assert re.search(rf"\b{sectors}\b", line), f"{sectors} sectors expected"


def test_no_disk_is_a_failed_scenario(boot, nonce):
    run = boot(f"test=blk nonce={nonce}")
    assert run.status == 1
    assert "BLK: found" not in run.log
