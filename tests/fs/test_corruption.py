"""Images with one block turned to noise: a clear line or an error, never a hang, and the kernel takes no notice."""

import random
import shutil

COMMANDS = ["ls -l /", "ls /many", "cat /small", "wc /big", "cat /deep/er/est/file", "echo new > /new", "cat /new",
            "mkdir /dir", "cp /small /dir/copy", "mv /new /dir", "rm /many/file-7", "ls -l /dir", "sync"]


def make_tree(root):
    for i in range(300):
        (root / "many").mkdir(parents=True, exist_ok=True)
        (root / "many" / f"file-{i}").write_text(f"{i}\n")
    (root / "small").write_text("small\n")
    (root / "big").write_bytes(bytes(range(256)) * 2000)
    (root / "deep" / "er" / "est").mkdir(parents=True)
    (root / "deep" / "er" / "est" / "file").write_text("down here\n")
    (root / "link").symlink_to("deep/er")


def corrupt(image, rng, block):
    """Turn one used block into noise, zeros, or a copy of another."""
    data = bytearray(image.read_bytes())
    used = [n for n in range(len(data) // block) if any(data[n * block:(n + 1) * block])]
    at = rng.choice(used) * block
    kind = rng.randrange(4)
    if kind == 0:
        data[at:at + block] = rng.randbytes(block)
    elif kind == 1:
        data[at:at + block] = bytes(block)
    elif kind == 2:
        other = rng.choice(used) * block
        data[at:at + block] = data[other:other + block]
    else:
        for _ in range(rng.randrange(1, 16)):
            data[at + rng.randrange(block)] = rng.randrange(256)
    image.write_bytes(data)


def test_random_corruptions(shell, make_disk, rounds, nonce, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    make_tree(root)
    good = {block: make_disk(root, mib=4, block=block, name=f"good-{block}.img") for block in (1024, 4096)}
    image = tmp_path / "bad.img"
    for number in range(rounds(6, 200)):
        seed = f"{nonce}-{number}"
        rng = random.Random(seed)
        block = rng.choice([1024, 4096])
        shutil.copy(good[block], image)
        corrupt(image, rng, block)
        sh = shell(disk=image)
        for command in COMMANDS:
            sh.output_of(command)
        assert sh.shutdown().status == 0, f"seed {seed}"
        assert "USER: killed" not in sh.log and "RUGO: panic" not in sh.log and "SVC: " not in sh.log, f"seed {seed}"
        sh.kill()
