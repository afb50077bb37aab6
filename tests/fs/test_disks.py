"""Disks a person may bring: every kind of bad one gives a clear line and a live shell, good ones are read exactly."""

import hashlib
import os
import secrets
import subprocess
import time

import pytest


def fsck(image):
    done = subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, text=True)
    assert done.returncode == 0, f"e2fsck: {done.stdout}{done.stderr}"


def debugfs(image, command):
    return subprocess.run(["debugfs", "-R", command, str(image)], capture_output=True, check=True).stdout


def lives(sh):
    """The shell works, on a RAM disk that can be written."""
    sh.ok("echo text > /file")
    assert sh.ok("cat /file") == "text\n"
    assert "boot" in sh.ok("ls /").split()
    assert sh.shutdown().status == 0


def test_no_disk(shell):
    sh = shell()
    assert "FSD: no disk, / is a RAM disk" in sh.boot_text
    assert "FSD: mount ok ext2 on a RAM disk" in sh.boot_text
    lives(sh)


@pytest.mark.parametrize("size", [512, 1024, 4096, 65536, 1 << 20, 8 << 20])
def test_zeros(shell, tmp_path, size):
    image = tmp_path / "zero.img"
    image.write_bytes(bytes(size))
    sh = shell(disk=image)
    assert "FSD: " in sh.boot_text and "disk 0 is left alone, / is a RAM disk" in sh.boot_text
    lives(sh)
    assert image.read_bytes() == bytes(size)


def test_bad_magic(shell, tmp_path):
    image = tmp_path / "noise.img"
    before = b"".join(hashlib.sha256(bytes([i % 256, i // 256 % 256])).digest() for i in range(1 << 15))
    image.write_bytes(before)
    sh = shell(disk=image)
    assert "FSD: bad magic" in sh.boot_text
    lives(sh)
    assert image.read_bytes() == before


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_truncated(shell, make_disk, tmp_path, keep):
    image = make_disk(mib=16)
    os.truncate(image, int(16 * keep) << 20)
    before = image.read_bytes()
    sh = shell(disk=image)
    assert "FSD: truncated" in sh.boot_text
    lives(sh)
    assert image.read_bytes() == before


def test_read_only(shell, make_disk, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "hello").write_text("from the host\n")
    image = make_disk(tmp_path / "d")
    before = image.read_bytes()
    sh = shell(extra=["-drive", f"if=none,id=ro,format=raw,readonly=on,file={image}", "-device", "virtio-blk-pci,drive=ro"])
    assert "read-only" in sh.boot_text
    assert sh.ok("cat /hello") == "from the host\n"
    output, status = sh.run("echo x > /new")
    assert status == 1 and "Read-only" in output
    assert sh.run("rm /hello")[1] != 0 and sh.run("mkdir /d")[1] != 0
    assert sh.ok("cat /hello") == "from the host\n"
    assert sh.shutdown().status == 0
    assert image.read_bytes() == before


def test_full(shell, make_disk, tmp_path):
    """No space is an error that harms nothing; after rm there is room again."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").write_text("old data\n")
    (tmp_path / "d" / "chunk").write_bytes(secrets.token_bytes(1 << 20))
    image = make_disk(tmp_path / "d", mib=4)
    sh = shell(disk=image)
    statuses = [sh.run(f"cp /chunk /copy{i}") for i in range(6)]
    assert any(statuses) and all(status == 0 or "No space" in output for output, status in statuses)
    assert statuses[-1][1] != 0
    assert sh.ok("cat /old") == "old data\n"
    assert sh.run("mkdir /dir")[1] in (0, 1)
    sh.ok("rm /copy0")
    sh.ok("cp /old /new")
    assert sh.ok("cat /new") == "old data\n"
    assert sh.shutdown().status == 0
    fsck(image)
    assert debugfs(image, "cat /new") == b"old data\n"
    assert debugfs(image, "cat /chunk") == (tmp_path / "d" / "chunk").read_bytes()


def make_tree(root):
    """Everything a person's folder may hold; (path, content) of its files."""
    files = {}

    def file(path, data):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        files[path] = data

    for i in range(5000):
        file(f"many/file-{i:04}", b"%d\n" % i)
    file("n" * 255, b"a name of 255 bytes\n")
    file("ö" * 127 + "x", b"another\n")
    file("naïve/Grüße 漢字 🙂.txt", "Inhalt: äöü\n".encode())
    file("/".join(["deep"] * 60) + "/bottom", b"down here\n")
    file("spaces in  a name", b"spaces\n")
    (root / "link").symlink_to("naïve/Grüße 漢字 🙂.txt")
    (root / "long-link").symlink_to("./" * 100 + "spaces in  a name")
    (root / "absolute").symlink_to("/many/file-0042")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    with (root / "sparse").open("wb") as sparse:
        sparse.seek((64 << 20) - 4)
        sparse.write(b"end\n")
    return files


@pytest.mark.parametrize("block", [1024, 4096])
def test_a_persons_image(shell, make_disk, tmp_path, block):
    root = tmp_path / "tree"
    root.mkdir()
    files = make_tree(root)
    image = make_disk(root, mib=96, block=block)
    sh = shell(disk=image, timeout=240)
    assert f"{block}-byte blocks" in sh.boot_text
    assert len(sh.ok("ls /many", timeout=60).split()) == 5000
    assert sh.ok("cat /many/file-0000 /many/file-4999 /many/file-2500") == "0\n4999\n2500\n"
    for path in (p for p in files if not p.startswith("many/")):
        assert sh.ok(f"cat '/{path}'").encode() == files[path]
    listing = sh.ok("ls -l /")
    assert "n" * 255 in listing and "ö" * 127 + "x" in listing
    assert sh.ok("cat /link") == "Inhalt: äöü\n"
    assert sh.ok("cat /long-link") == "spaces\n"
    assert sh.ok("cat /absolute") == "42\n"
    assert sh.run("cat /loop")[1] == 1 and sh.run("cat /dangling")[1] == 1
    assert str(64 << 20) in sh.ok("ls -l /sparse")
    assert sh.ok("wc /sparse", timeout=120).split()[2] == str(64 << 20)
    sh.ok("rm /many/file-0001; mv /many/file-0002 /moved; echo new > '/naïve/neu'")
    assert sh.shutdown().status == 0
    fsck(image)
    assert debugfs(image, "cat /moved") == b"2\n"
    assert debugfs(image, 'cat "/naïve/neu"') == b"new\n"
    assert b"file-0001" not in debugfs(image, "ls /many")


def test_a_file_of_200_mib(shell, make_disk, tmp_path):
    """Read whole on the guest, to the checksum wc can give; copied in part and read back on the host."""
    root = tmp_path / "tree"
    root.mkdir()
    piece = secrets.token_bytes(1 << 20)
    with (root / "big").open("wb") as big:
        for i in range(200):
            big.write(i.to_bytes(8, "little") + piece[8:])
        big.write(b"the end\n")
    image = make_disk(root, mib=460, block=4096)
    sh = shell(disk=image, timeout=400, mem=128)
    assert str((200 << 20) + 8) in sh.ok("ls -l /big")
    sh.ok("cp /big /copy", timeout=200)
    assert sh.shutdown().status == 0
    fsck(image)
    out = tmp_path / "copy"
    debugfs(image, f"dump /copy {out}")
    with out.open("rb") as a, (root / "big").open("rb") as b:
        assert hashlib.file_digest(a, "sha256").digest() == hashlib.file_digest(b, "sha256").digest()


def test_files_written_in_the_guest(shell, make_disk):
    image = make_disk(mib=32)
    sh = shell(disk=image)
    for i in range(40):
        sh.output_of(f"mkdir /d{i % 5}; echo 'line {i}' >> /d{i % 5}/f; cp /d{i % 5}/f /d{i % 5}/copy{i}")
    sh.ok("mv /d0 /e; rm /d1/f; cp /boot/bin/sh /program")
    assert sh.shutdown().status == 0
    fsck(image)
    assert debugfs(image, "cat /d2/f") == b"".join(b"line %d\n" % i for i in range(2, 40, 5))
    assert b"copy0" in debugfs(image, "ls /e")
    assert debugfs(image, "cat /program")[:4] == b"\x7fELF"


def marked_clean(image):
    """Whether the superblock says so (s_state, 58 bytes into it)."""
    with open(image, "rb") as disk:
        disk.seek(1024 + 58)
        return int.from_bytes(disk.read(2), "little") == 1


def test_clean_after_a_quiet_moment(shell, make_disk):
    """Some time after the last change the disk is clean by itself, even if the machine is then simply killed."""
    image = make_disk()
    sh = shell(disk=image)
    sh.ok("echo durable > /file")
    deadline = time.monotonic() + 30
    while not (debugfs(image, "cat /file") == b"durable\n" and marked_clean(image)):
        assert time.monotonic() < deadline, "the disk was never marked clean"
        time.sleep(0.1)
    sh.kill()
    fsck(image)
    assert debugfs(image, "cat /file") == b"durable\n"
