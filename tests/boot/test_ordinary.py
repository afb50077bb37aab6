"""The kernel that people run, without the checks of the one that the tests boot: it does what that one does."""

import pytest

from rugo.machine import ORDINARY_BUILD


@pytest.mark.parametrize("scenario", ["user.syscall", "user.fault", "user.fpu", "ipc.rules", "ipc.shm", "stress.hostile",
                                      "stress.kill count=300", "mm.heap"])
def test_scenario(boot, scenario, nonce):
    boot(f"test={scenario} nonce={nonce}", build=ORDINARY_BUILD, timeout=60).ok()


def test_shell(shell, make_disk, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("one line\n")
    sh = shell(build=ORDINARY_BUILD, disk=make_disk(tmp_path / "tree"))
    assert sh.ok("cat /a") == "one line\n"
    sh.ok("cp /a /b")
    assert sh.ok("cat /b") == "one line\n"
    sh.shutdown()


def test_has_no_bugs_to_plant(boot, nonce):
    run = boot(f"test=plant kind=shift nonce={nonce}", build=ORDINARY_BUILD)
    assert run.status == 1
    run.line("TEST: this kernel has no bug", nonce=nonce)
