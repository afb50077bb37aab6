"""The runner's word on how a machine ended. The machine is a few instructions in place of the shim, so that no
mistake of the kernel can hide one of the runner."""

import subprocess

import pytest

from rugo.machine import BUILD

STUB = """
.section .text
.long 0x1BADB002, 0, -0x1BADB002        # Multiboot 1: magic, flags, checksum
.global _start
_start:
    cli
    %s
empty: .word 0; .long 0
"""

TRIPLE_FAULT = "lidt empty\n int3"
SUCCESS = "mov $0x10, %eax\n out %eax, $0xf4\n 1: jmp 1b"
FAILURE = "mov $0x11, %eax\n out %eax, $0xf4\n 1: jmp 1b"
SPIN = "1: jmp 1b"


@pytest.fixture
def stub(tmp_path):
    """stub(instructions) → a build folder whose shim does just that."""

    def assemble(instructions):
        (tmp_path / "stub.S").write_text(STUB % instructions)
        subprocess.run(["gcc", "-m32", "-c", "stub.S", "-o", "stub.o"], cwd=tmp_path, check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x100000", "-z", "noexecstack", "-z", "max-page-size=4096",
                        "stub.o", "-o", "shim.elf"], cwd=tmp_path, check=True)
        for name in ("rugo.elf", "initrd.cpio"):
            (tmp_path / name).write_bytes((BUILD / name).read_bytes())
        return tmp_path

    return assemble


def test_triple_fault_is_a_failure(boot, stub):
    assert boot("test=boot", build=stub(TRIPLE_FAULT), timeout=20).status == 1


def test_success(boot, stub):
    assert boot("test=boot", build=stub(SUCCESS), timeout=20).status == 0


def test_failure(boot, stub):
    assert boot("test=boot", build=stub(FAILURE), timeout=20).status == 1


def test_time_out(boot, stub):
    run = boot("test=boot", build=stub(SPIN), timeout=2)
    assert run.status == 124
    assert 2 <= run.seconds < 10
