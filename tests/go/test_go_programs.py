"""Programs in Go (TinyGo): the language and its runtime, files, and how they end."""

import os
import re
import subprocess

import pytest

from rugo.machine import BUILD, ROOT

pytestmark = pytest.mark.skipif(os.environ.get("GO") == "no", reason="built without Go (--no-go)")

FRAME = re.compile(r"^  #\d+ 0x[0-9a-f]+ ([^ ]+)\+0x[0-9a-f]+ \[gopanic\+0x[0-9a-f]+\]$", re.M)


def test_start(boot, nonce):
    run = boot(f"test=go.hello nonce={nonce}").ok()
    assert f'GOHELLO: [test/gohello alpha "beta"] NONCE={nonce}' in run.log


@pytest.mark.parametrize("smp", [1, 4])
def test_language(boot, nonce, smp):
    boot(f"test=go.runtime nonce={nonce}", smp=smp, timeout=120).ok().line("GORT: ok", nonce=nonce)


def test_files(boot, nonce, smp):
    run = boot(f"test=go.files nonce={nonce}", smp=smp, timeout=60).ok()
    assert re.findall(r"^GOFS: (\w+)$", run.log, re.M) == ["files", "directories", "refused", "waiting", "crowd"]
    run.line("GOFS: ok", nonce=nonce)


ENDS = {
    "nil": (r"runtime error at 0x[0-9a-f]+: nil pointer dereference", "main.sum"),
    "index": (r"runtime error at 0x[0-9a-f]+: index out of range", "main.pick"),
    "divide": (r"runtime error at 0x[0-9a-f]+: divide by zero", "main.divide"),
    "stack": (r"runtime error at 0x[0-9a-f]+: goroutine stack overflow \(0x[0-9a-f]+\)", "main.deeper"),
    "wild": (r"runtime error at 0x[0-9a-f]+: invalid memory address \(0xdead000\)", "main.wild"),
    "memory": (r"runtime error at 0x[0-9a-f]+: out of memory \(0x[0-9a-f]+\)", "main.hoard"),
    "deadlock": (r"runtime error at 0x[0-9a-f]+: all goroutines are asleep: deadlock", "runtime.runMain"),
    "panic": (r"no way from panic", "main.main"),
    "goroutine": (r"no way from goroutine", "main.fail"),
    "map": (r"runtime error at 0x[0-9a-f]+: assignment to entry in nil map", "runtime.hashmapStringSet"),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_panic_names_program_cause_and_callers(boot, how):
    line, function = ENDS[how]
    run = boot(f"test=go.panic.{how}", mem=64, timeout=60)
    assert run.status == 0, "it did not end by a fault"
    assert re.search(rf"^gopanic: panic: {line}$", run.log, re.M)
    names = FRAME.findall(run.log)
    assert function in names
    if how != "deadlock":
        assert names[-1] == "tinygo_startTask" or how == "stack"


def test_lines_on_the_host(boot):
    log = boot("test=go.panic.index").log
    done = subprocess.run([ROOT / "tools/symbolize.sh"], input=log, capture_output=True, text=True)
    at = (ROOT / "go/tests/gopanic/main.go").read_text().splitlines().index("\treturn list[i]") + 1
    assert re.search(rf"\[gopanic\+0x[0-9a-f]+\]   main\.pick at .*/tests/gopanic/main\.go:{at}$", done.stdout, re.M), done.stdout


def test_exit_status(boot):
    run = boot("test=go.exit")
    assert run.status == 1
    assert "scenario go.exit failed (exit status 7)" in run.log
    assert "not printed" not in run.log


def test_small():
    """A program with fmt and os stays small."""
    assert (BUILD / "bin/test/gohello").stat().st_size < 150 * 1024


def test_what_is_missing_is_said(tmp_path):
    """Without Go the set-up says so, and how to do without it."""
    for tool in ("sh", "dirname", "mkdir"):
        path = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / tool).symlink_to(path)
    command = [ROOT / "go/tinygo/setup.sh", "compiler", tmp_path / "out"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "missing: go" in done.stderr and "--no-go" in done.stderr
    # A TinyGo that is given must be the right one.
    done = subprocess.run(command, env={**os.environ, "TINYGO": "/bin/true"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "TINYGO=/bin/true is not TinyGo" in done.stderr


def test_a_second_build_costs_nothing():
    assert subprocess.run(["make", "-q", "-C", ROOT, f"BUILD={BUILD}", "programs"]).returncode == 0


def test_without_go(tmp_path):
    """GO=no asks for nothing of Go's."""
    done = subprocess.run(["make", "-n", "-C", ROOT, f"BUILD={tmp_path}/build", "GO=no", "all"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "tinygo" not in done.stdout
