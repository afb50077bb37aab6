"""The user runtime's pure code on the host under ASan and UBSan, and the ELF check under libFuzzer.

Seeds for the fuzzer are programs made by ld. That it can find anything is shown with planted bugs: one check is taken out of
a copy of lib/elf_check.c, and the fuzzer must find an input that breaks the loader's promises.
"""

import os
import re
import shutil
import subprocess

import pytest

from rugo.machine import BUILD, ROOT

TESTS = ["printf", "scan", "string", "stdlib", "path", "malloc", "elf"]

# What is taken out of elf_check.c: (text, what stands there instead).
PLANTED = {
    "w_and_x": ("if ((flags & ELF_PF_W) && (flags & ELF_PF_X))", "if (0)"),
    "sizes": ("if (p->filesz > p->memsz)\n        return \"segment", "if (0)\n        return \"segment"),
    "overlap": ("if (im->nsegments > 0 && page < im->high)", "if (0)"),
    "range": ("if (p->memsz > USER_MAX || p->vaddr > USER_MAX - p->memsz)", "if (p->vaddr + p->memsz > USER_MAX)"),
    "file": ("if (p->offset > file_size || file_size - p->offset < p->filesz)\n        return \"segment",
             "if (0)\n        return \"segment"),
    "entry": ("if ((s->prot & ELF_PF_X) == 0)", "if (0)"),
    "headers": ("if (h->phoff > head_size || head_size - h->phoff < h->phnum * sizeof(struct elf_phdr))", "if (0)"),
}


def make(target):
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={os.environ.get('BUILD', 'build')}", str(target)],
                          cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_pure_code(name):
    program = BUILD / "host" / f"test_{name}"
    make(program)
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.search(rf"^{name}: (\d+) checks, 0 failed$", done.stdout, re.M)
    assert said and int(said[1]) > 0, done.stdout


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """The first KiB of programs that ld made: ours, a static one at a fixed address, a dynamic one, a PIE."""
    folder = tmp_path_factory.mktemp("seeds")
    source = folder / "main.c"
    source.write_text("int x = 1; __thread int t = 2; int main(void) { return x + t; }\n"
                      "void _start(void) { for (;;) main(); }\n")
    for i, flags in enumerate((["-static", "-nostdlib"], ["-static-pie", "-nostdlib"], ["-nostdlib", "-nostartfiles"],
                               ["-static", "-nostdlib", "-Wl,-z,noseparate-code"])):
        out = folder / f"program{i}"
        subprocess.run(["gcc", "-O1", "-fno-stack-protector", *flags, source, "-o", out], check=True)
        (folder / f"seed{i}").write_bytes(out.read_bytes()[:1024])
        out.unlink()
    source.unlink()
    return folder


def fuzz(program, seeds, tmp_path, runs, seed=1):
    corpus = tmp_path / "corpus"
    shutil.copytree(seeds, corpus)
    done = subprocess.run([program, f"-runs={runs}", f"-seed={seed}", "-max_len=1024", "-timeout=10", "-print_final_stats=1",
                           f"-artifact_prefix={tmp_path}/", corpus], capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr


def test_fuzz_elf(seeds, tmp_path, request, record_property):
    program = BUILD / "host" / "fuzz_elf"
    make(program)
    runs = 20_000_000 if request.config.getoption("--soak") else 400_000
    status, log = fuzz(program, seeds, tmp_path, runs)
    assert status == 0, log[-3000:]
    edges = int(re.search(r"\((\d+) inline 8-bit counters\)", log)[1])
    covered = int(re.findall(r"\bcov: (\d+)", log)[-1])
    record_property("edges", f"{covered} of {edges}")
    print(f"fuzz_elf: {covered} of {edges} edges covered")
    assert covered >= edges * 0.6, f"only {covered} of {edges} edges covered"


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bug_is_found(bug, seeds, tmp_path):
    old, new = PLANTED[bug]
    text = (ROOT / "lib/elf_check.c").read_text()
    assert text.count(old) == 1, f"{old!r} is not in lib/elf_check.c once"
    source = tmp_path / "elf_check.c"
    source.write_text(text.replace(old, new))
    program = tmp_path / "fuzz"
    make(BUILD / "host" / "fuzz_elf")
    subprocess.run(["clang-19", "-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined,fuzzer", "-fno-sanitize-recover=all",
                    "-I", ROOT / "tests/host", "-I", BUILD / "gen/include", "-idirafter", ROOT / "lib",
                    ROOT / "tests/host/fuzz_elf.c", source, "-o", program], check=True)
    status, log = fuzz(program, seeds, tmp_path, 20_000_000)
    assert status != 0, "20 million inputs, and the planted bug was not found"
    assert "accepted, but" in log or "ERROR: AddressSanitizer" in log, log[-3000:]
