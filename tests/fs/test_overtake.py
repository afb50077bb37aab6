"""A client that reads from a slow disk does not delay one whose data are in the cache."""


def test_overtake(boot, nonce, secret, make_disk, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "small").write_text("small\n")
    (folder / "big").write_bytes(bytes(range(256)) * 4096)
    image = make_disk(folder, mib=8, block=4096)
    slow = ["-drive", f"if=none,id=slow,format=raw,file={image},throttling.bps-read=262144",
            "-device", "virtio-blk-pci,drive=slow"]
    boot(f"test=fs.overtake nonce={nonce}", extra=slow).ok().line("FS: overtake ok", nonce=nonce, secret=secret)
