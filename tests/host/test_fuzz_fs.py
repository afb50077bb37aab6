"""libFuzzer on ext2 images and cpio archives. Seeds are images by mke2fs and archives by cpio; the edge coverage is reported;
that the fuzzers can find anything is shown with planted bugs: a check is taken out of a copy of the code."""

import os
import re
import shutil
import subprocess

import pytest

from rugo.machine import BUILD, ROOT

CORE = ["balloc", "cache", "check", "dir", "dirindex", "file", "fs", "inode", "map", "namei", "super", "txn"]

# What is taken out: (fuzzer, file, text, what stands there instead).
PLANTED = {
    "name_end": ("ext2", "dir.c", "entry_size(len) <= rec_len &&", ""),
    "entry_zero": ("ext2", "dir.c", "rec_len >= entry_size(1) &&", ""),
    "contents": ("cpio", "cpiofs.c", "size > cf->size - data", "0"),
    "name_size": ("cpio", "cpiofs.c", "|| name_size > left - HEADER", ""),
    "header_end": ("cpio", "cpiofs.c", "if (left < HEADER)", "if (0)"),
}

# The same, but it takes minutes.
PLANTED_DEEP = {
    "entry_end": ("ext2", "dir.c", "rec_len <= fs->block_size - offset &&", ""),
    "own_blocks": ("ext2", "super.c", "return block - ext2_group_first(fs, group) >= super_blocks(fs, group);",
                   "return block >= 1;"),
}


def make(*targets):
    build = os.environ.get("BUILD", "build")
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={build}", *(f"{build}/host/{t}" for t in targets)], cwd=ROOT,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """{"ext2": folder, "cpio": folder}"""
    folder = tmp_path_factory.mktemp("seeds")
    ext2, cpio, source = folder / "ext2", folder / "cpio", folder / "source"
    ext2.mkdir(), cpio.mkdir()
    make("fuzz_ext2", "fuzz_cpio")
    subprocess.run([BUILD / "host/fuzz_ext2", "--seeds", ext2], check=True)
    (source / "bin/deep").mkdir(parents=True)
    (source / "bin/prog").write_text("hello")
    os.link(source / "bin/prog", source / "bin/same")
    (source / "link").symlink_to("bin/prog")
    (source / ("n" * 255)).write_text("")
    for number, names in enumerate([".", ".\nbin\nbin/deep\nbin/prog\nbin/same\nlink", "link\nbin/prog\n" + "n" * 255]):
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=source, check=True,
                                 capture_output=True).stdout
        (cpio / str(number)).write_bytes(archive.rstrip(b"\0") + b"\0")
    (cpio / "words").unlink(missing_ok=True)
    return {"ext2": ext2, "cpio": cpio}


def fuzz(kind, program, seeds, tmp_path, runs, seconds, seed=1):
    corpus = tmp_path / "corpus"
    shutil.copytree(seeds[kind], corpus)
    max_len = {"ext2": 1 << 20, "cpio": 4096}[kind]
    done = subprocess.run([program, f"-runs={runs}", f"-seed={seed}", f"-max_len={max_len}", "-timeout=5", "-rss_limit_mb=4096",
                           f"-max_total_time={seconds}", f"-artifact_prefix={tmp_path}/", corpus],
                          capture_output=True, text=True, errors="replace", cwd=tmp_path)
    shutil.rmtree(corpus)
    return done.returncode, done.stderr


@pytest.mark.parametrize("kind, least, runs, soak_runs", [("ext2", 0.4, 4_000, 2_000_000), ("cpio", 0.25, 60_000, 20_000_000)])
def test_fuzz(kind, least, runs, soak_runs, seeds, tmp_path, rounds, record_property):
    status, log = fuzz(kind, BUILD / f"host/fuzz_{kind}", seeds, tmp_path, rounds(runs, soak_runs), rounds(20, 7200))
    assert status == 0, log[-3000:]
    edges = int(re.search(r"\((\d+) inline 8-bit counters\)", log)[1])
    covered = int(re.findall(r"\bcov: (\d+)", log)[-1])
    record_property("edges", f"{covered} of {edges}")
    print(f"fuzz_{kind}: {covered} of {edges} edges covered")
    assert covered >= edges * least, f"only {covered} of {edges} edges covered"


@pytest.mark.parametrize("bug", [*PLANTED, *PLANTED_DEEP])
def test_planted_bug_is_found(bug, seeds, tmp_path, request):
    if bug in PLANTED_DEEP and not request.config.option.soak:
        return                                  # not skipped: left to ./rugo soak
    kind, file, old, new = {**PLANTED, **PLANTED_DEEP}[bug]
    folder = tmp_path / "services/fsd"
    shutil.copytree(ROOT / "services/fsd", folder)
    text = (folder / file).read_text()
    assert text.count(old) == 1, f"{old!r} is not in services/fsd/{file} once"
    (folder / file).write_text(text.replace(old, new))
    names = CORE if kind == "ext2" else ["cpiofs", "fs", "path"]
    program = tmp_path / "fuzz"
    subprocess.run(["clang-19", "-std=gnu11", "-g", "-O1", "-w", "-D_GNU_SOURCE", "-fsanitize=address,undefined,fuzzer",
                    "-fno-sanitize-recover=all", "-I", tmp_path, "-I", ROOT, "-I", ROOT / "tests/host",
                    ROOT / f"tests/host/fuzz_{kind}.c", *(folder / f"{n}.c" for n in names), "-o", program], check=True)
    status, log = fuzz(kind, program, seeds, tmp_path, 30_000_000, 900 if bug in PLANTED_DEEP else 120)
    assert status != 0, "the planted bug was not found"
    assert re.search(r"overwrote its own|broken promise|ERROR: AddressSanitizer|runtime error|libFuzzer: timeout|beyond the disk",
                     log), log[-3000:]
