"""A service in Go: answers over IPC, is killed and comes back behind the same session, and talks to programs in C and Go."""

import os
import re
import subprocess

import pytest

from rugo.machine import BUILD, ORDINARY_BUILD, ROOT

pytestmark = pytest.mark.skipif(os.environ.get("GO") == "no", reason="built without Go (--no-go)")


def test_go_user_service(boot, nonce, secret):
    run = boot(f"test=go.service nonce={nonce}", timeout=60).ok()
    run.line("GOUSR: ok", nonce=nonce)
    run.line("GOCLIENT: ok", nonce=nonce, secret=secret)
    assert "SVC: goecho ended (signal 9), restart 1" in run.log


def test_go_speaks_to_go(boot, nonce, smp):
    run = boot(f"test=go.ipc nonce={nonce}", smp=smp, timeout=60).ok()
    run.line("GOIPC: ok", nonce=nonce)


def test_a_call_costs_little_more_than_to_c(boot, nonce):
    """Counted instructions of a call of 64 bytes, at most one and a half times those to a server in C."""
    run = boot(f"test=go.speed nonce={nonce}", build=ORDINARY_BUILD, icount=True, timeout=60).ok()
    go, c = map(int, re.search(r"GOUSR: call ns=(\d+), to C ns=(\d+)", run.log).groups())
    assert go <= 1.5 * c


def test_small():
    assert (BUILD / "bin/goecho").stat().st_size < 150 * 1024


def test_package_sys_on_this_host():
    """Its unit tests, against a kernel that they supply."""
    script = '. "$0/go/env" && cd "$0/go/src" && exec go test ./sys'
    done = subprocess.run(["sh", "-c", script, (ROOT / BUILD).resolve()], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
