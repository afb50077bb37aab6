"""The driver works with a device however it is put together, and refuses what it can't drive."""

import re

import pytest

VARIANTS = {
    "intx": "vectors=0",
    "one-vector": "vectors=1",
    "modern": "disable-legacy=on",
    "transitional": "disable-legacy=off,disable-modern=off",
    "large-sectors": "logical_block_size=4096,physical_block_size=4096",
    "middle-sectors": "logical_block_size=1024,physical_block_size=4096",
    "small-queue": "queue-size=16",
    "tiny-queue": "queue-size=4",
    "large-queue": "queue-size=1024",
    "many-queues": "num-queues=4",
    "no-write-cache": "write-cache=off,config-wce=off",
    "below-a-bridge": "bus=b1,addr=3",
    "second-function": "multifunction=on,addr=0xb.1",
}
NEEDS = {
    "below-a-bridge": ["-device", "pci-bridge,id=b1,chassis_nr=1"],
    "second-function": ["-device", "virtio-rng-pci,multifunction=on,addr=0xb.0"],
}


@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_load(boot, image, blk, nonce, secret, variant, machine, rounds):
    extra = NEEDS.get(variant, []) + blk(image(), VARIANTS[variant])
    cmdline = f"test=blk.load seed={int(nonce, 16) % 10**9} rounds={rounds(6, 200)} nonce={nonce}"
    boot(cmdline, machine=machine, extra=extra).ok().line("BLK: load ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("variant,word", [("vectors=0", "intx"), ("vectors=2", "msix"), ("vectors=1", "msix")])
def test_kind_of_interrupt(boot, image, blk, nonce, variant, word):
    line = boot(f"test=blk nonce={nonce}", extra=blk(image(), variant)).ok().line("BLK: found virtio-blk", nonce=nonce)
    assert word in line.split()


def test_uefi(boot, image, blk, nonce, secret):
    """Under UEFI and with much memory the firmware puts the BARs above 4 GiB."""
    run = boot(f"test=blk.load rounds=4 nonce={nonce}", boot="uefi", machine="q35", mem=5120, timeout=120,
               extra=blk(image(), "disable-legacy=on"))
    run.ok().line("BLK: load ok", nonce=nonce, secret=secret)


def test_several_disks(boot, image, blk, nonce):
    """Each is found, in the order of their PCI addresses; two share an interrupt line."""
    extra = (blk(image(3, "c.img"), "addr=0x9,vectors=0") + blk(image(1, "a.img"), "addr=0x5,vectors=0")
             + blk(image(2, "b.img"), "addr=0x7", drive="readonly=on"))
    run = boot(f"test=blk nonce={nonce}", extra=extra).ok()
    found = re.findall(r"^BLK: found virtio-blk capacity=(\d+) sectors \((\d+) MiB\) (r[ow]) at (\S+) (\w+)", run.log, re.M)
    assert found == [("2048", "1", "rw", "00:05.0", "intx"), ("4096", "2", "ro", "00:07.0", "msix"),
                     ("6144", "3", "rw", "00:09.0", "intx")]


def test_shared_line(boot, image, blk, nonce, secret):
    """Two disks on one interrupt pin: 00:05.0 and 00:09.0 are wired to the same line."""
    extra = blk(image(8, "a.img"), "addr=0x5,vectors=0") + blk(image(8, "b.img"), "addr=0x9,vectors=0")
    boot(f"test=blk.load rounds=4 nonce={nonce}", extra=extra).ok().line("BLK: load ok", nonce=nonce, secret=secret)


def test_legacy_only_is_refused(boot, image, blk, nonce):
    run = boot(f"test=blk nonce={nonce}", extra=blk(image(), "addr=0x5,disable-modern=on,disable-legacy=off"))
    assert run.status == 1
    assert "BLK: found" not in run.log
    assert re.search(r"^BLK: virtio-blk at 00:05.0 refused: .*legacy", run.log, re.M)


def test_refused_beside_a_good_one(boot, image, blk, nonce):
    """Large sectors that the ABI has no name for: that disk is refused, the next one is used."""
    extra = blk(image(8, "a.img"), "addr=0x5,logical_block_size=8192,physical_block_size=8192") + blk(image(8, "b.img"), "addr=0x6")
    run = boot(f"test=blk nonce={nonce}", extra=extra).ok()
    assert re.search(r"^BLK: virtio-blk at 00:05.0 refused", run.log, re.M)
    assert " at 00:06.0 " in run.line("BLK: found virtio-blk", nonce=nonce)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1023, 70000])
def test_odd_sizes(boot, blk, nonce, tmp_path, size):
    """QEMU rounds the image up to whole sectors; an empty disk is a disk without sectors."""
    path = tmp_path / "odd.img"
    path.write_bytes(bytes(size))
    run = boot(f"test=blk nonce={nonce}", extra=blk(path))
    assert run.status == (0 if size else 1), "a disk to work with is one that has sectors"
    assert f"capacity={-(-size // 512)} " in run.line("BLK: found virtio-blk", nonce=nonce)
