"""Errors of the host's disk reach the program, and only those requests fail that they belong to."""

import pytest

BAD = 8


def test_bad_sector(boot, image, blk, nonce, secret):
    backend = (f"driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={{}},"
               f"file.inject-error.0.event=none,file.inject-error.0.sector={BAD},file.inject-error.0.errno=5")
    run = boot(f"test=blk.fault lba={BAD} nonce={nonce}", extra=blk(image(), backend=backend)).ok()
    run.line("BLK: fault ok", nonce=nonce, secret=secret)


def test_good_sector_does_not_fail(boot, image, nonce):
    """The scenario tells a disk that works from one that does not."""
    run = boot(f"test=blk.fault lba={BAD} nonce={nonce}", disk=image())
    assert run.status == 1
    assert "BLK: fault ok" not in run.log


@pytest.mark.parametrize("device", ["", "vectors=0"])
def test_processes_that_end_with_requests_under_way(boot, image, blk, nonce, secret, device):
    """The disk is slow, so that the requests outlive the process."""
    extra = blk(image(), device, drive="throttling.iops-total=200")
    boot(f"test=blk.orphan nonce={nonce}", extra=extra).ok().line("BLK: orphan ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("device,mib", [("", 16), ("", 4), ("vectors=0", 16)])
def test_resize(start, image, blk, qmp, nonce, secret, device, mib):
    machine = start(f"test=blk.resize nonce={nonce}", extra=blk(image(8), device), qmp=qmp.socket)
    machine.expect(r"^BLK: sectors=16384$")
    qmp().hmp(f"block_resize d1 {mib}M")
    run = machine.wait().ok()
    assert f"BLK: resized sectors={mib * 2048}" in run.lines
    run.line("BLK: resize ok", nonce=nonce, secret=secret)
