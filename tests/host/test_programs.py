"""The pure code on the host: each tests/host/test_NAME.c is built with sanitizers and run; so is `make check`."""

import os
import subprocess
from pathlib import Path

import pytest

from rugo.machine import BUILD, ROOT

PROGRAMS = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))


def make(*targets):
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={os.environ.get('BUILD', 'build')}", *targets],
                          cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, tmp_path):
    make(f"{os.environ.get('BUILD', 'build')}/host/{program}")
    done = subprocess.run([BUILD / "host" / program], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"


def test_check():
    make("check")
