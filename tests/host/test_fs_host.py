"""The file system core on the host: random operations beside a model with new seeds each time, and, with --soak, every power
cut and thousands of damaged images. (Each test_*.c also runs once as it is: test_programs.py.)"""

import os
import random
import re
import subprocess

import pytest

from rugo.machine import BUILD, ROOT


def make(name):
    build = os.environ.get("BUILD", "build")
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={build}", f"{build}/host/{name}"], cwd=ROOT,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / "host" / name


def run(name, *args):
    done = subprocess.run([make(name), *map(str, args)], capture_output=True, text=True, timeout=3600,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{name} {args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_model(rounds):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    said = run("test_ext2_model", rounds(20, 2000), seed)
    assert int(re.search(r"ext2 model: (\d+) checks, 0 failed", said)[1]) > 1000, f"seed {seed}: {said}"


def test_faults(rounds):
    said = run("test_ext2_faults", rounds(200, 20_000))
    writable, read_only = map(int, re.search(r"mounted writable (\d+), read-only (\d+)", said).groups())
    assert writable > 0 and writable + read_only > 10, said


@pytest.mark.parametrize("kib", [64, 300, 40_000])
def test_format_is_what_mke2fs_would_say(kib, tmp_path):
    """The judge of a fresh file system is not only e2fsck: dumpe2fs must be able to read all of it."""
    program = tmp_path / "format.c"
    program.write_text(f"""
        #include "tests/host/fs_image.h"
        int main(void)
        {{
            struct image *im = image_new({kib} * 1024u);
            int err = ext2_format(&im->disk, 0, &image_env);
            image_save(im, "image");
            (void)image_mount; (void)image_enter; (void)image_mke2fs; (void)image_is_clean;
            image_free(im);
            return err != 0;
        }}""")
    core = [ROOT / "services/fsd" / f"{n}.c" for n in ("balloc", "cache", "check", "dir", "dirindex", "file", "fs", "inode",
                                                       "map", "mkfs", "namei", "super", "txn")]
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-w", "-I", ROOT, "-I", ROOT / "tests/host", program, *core, "-o", tmp_path / "format"],
                   check=True)
    subprocess.run([tmp_path / "format"], cwd=tmp_path, check=True)
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    said = subprocess.run(["dumpe2fs", "image"], cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout
    assert "Filesystem state:         clean" in said
    blocks = int(re.search(r"Block count: +(\d+)", said)[1])
    size = int(re.search(r"Block size: +(\d+)", said)[1])
    assert kib * 0.9 <= blocks * size / 1024 <= kib
