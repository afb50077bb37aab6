"""The pure code on the host: each tests/host/test_NAME.c is built with sanitizers and run; so is `make check`."""

import subprocess
from pathlib import Path

import pytest

from rugo.machine import BUILD, make

PROGRAMS = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, tmp_path):
    make(BUILD / "host" / program)
    done = subprocess.run([BUILD / "host" / program], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"


def test_check():
    make("check")
