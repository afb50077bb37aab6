"""A sector that the guest wrote and read back is in the image, and only that one."""

import secrets

SECTOR = 512


def test_virtio_blk_rw(boot, nonce, tmp_path):
    image = tmp_path / "disk.img"
    before = secrets.token_bytes(2048 * SECTOR)
    image.write_bytes(before)
    lba = secrets.randbelow(2048)

    boot(f"test=blk.rw lba={lba} nonce={nonce}", disk=image).ok().line("BLK: rw ok", nonce=nonce)

    text = (nonce.encode() * SECTOR)[:SECTOR]
    after = image.read_bytes()
    assert after[lba * SECTOR:][:SECTOR] == text, "the sector in the image is not what the guest was to write"
    assert after == before[:lba * SECTOR] + text + before[(lba + 1) * SECTOR:], "other sectors changed"


def test_snapshot_leaves_the_image_alone(boot, nonce, tmp_path):
    image = tmp_path / "disk.img"
    before = secrets.token_bytes(2048 * SECTOR)
    image.write_bytes(before)
    boot(f"test=blk.rw lba=7 nonce={nonce}", disk=image, snapshot=True).ok()
    assert image.read_bytes() == before


def test_past_the_end_is_refused(boot, nonce, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(2048 * SECTOR))
    run = boot(f"test=blk.rw lba=2048 nonce={nonce}", disk=image)
    assert run.status == 1
    assert "BLK: rw ok" not in run.log
    assert image.read_bytes() == bytes(2048 * SECTOR)
