"""Disks as the tests of the block driver want them."""

import pytest


@pytest.fixture
def image(tmp_path):
    """image(mib=8, name="disk.img") → a new image of zeros."""

    def make(mib=8, name="disk.img"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(int(mib * (1 << 20)))
        return path

    return make


@pytest.fixture
def blk():
    """blk(image, "vectors=0", drive="readonly=on") → the options of a machine with a disk of that kind."""
    count = 0

    def options(path, device="", drive="", backend="format=raw,file={}"):
        nonlocal count
        count += 1
        drive = ",".join(filter(None, (backend.format(path), "if=none", f"id=d{count}", drive)))
        device = ",".join(filter(None, ("virtio-blk-pci", f"drive=d{count}", device)))
        return ["-drive", drive, "-device", device]

    return options
