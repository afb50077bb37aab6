"""svcman: services that die are started again, permissions hold, the machine ends in order."""

import re
import subprocess

import pytest


def pid_of(sh, name):
    return next(line.split()[0] for line in sh.ok("ps").splitlines() if line.split()[-1] == name)


def test_killed_fsd_comes_back(shell, make_disk):
    """What was written before is there again; open files of the dead fsd give errors, no hang."""
    sh = shell(disk=make_disk())
    sh.ok("echo before > /file; sync")
    output = sh.ok(f"kill -9 {pid_of(sh, 'fsd')}; cat /file")
    assert "SVC: fsd ended (signal 9), restart 1" in output and output.endswith("before\n")
    sh.ok("echo after > /file2")
    assert sh.ok("cat /file2") == "after\n"
    assert re.search(r"^fsd +running +\d+ +1 ", sh.ok("svc"), re.M)
    assert sh.shutdown().status == 0


def test_callers_of_a_killed_fsd_get_an_error(shell, make_disk):
    """A file that was open when fsd died gives an error; a call that waits is answered by the next fsd."""
    sh = shell(disk=make_disk())
    sh.ok(f"echo 'kill -9 {pid_of(sh, 'fsd')}' > /script; echo x > /file; sync")
    output, status = sh.run("sh -c 'sh /script; cat' < /file")
    assert status == 1 and "cat: " in output and "x\n" not in output
    assert sh.ok("cat /file") == "x\n"


def test_killed_console_comes_back(shell):
    sh = shell()
    sh.type(f"kill -9 {pid_of(sh, 'console')}\r")
    assert "SVC: console ended (signal 9), restart 1" in sh.prompt()
    assert sh.ok("echo fine") == "fine\n"


@pytest.mark.parametrize("service", ["fsd", "console", "sh"])
def test_restart_in_order(shell, make_disk, service):
    """A service that is told to restart stops first: what was written a moment ago is not lost, and no death is counted."""
    sh = shell(disk=make_disk())
    for i in range(1, 8):
        sh.type(f"echo {i} > /file; svc restart {service}; echo over\r")
        assert f"SVC: {service} stopped, restart {i}" in sh.prompt()
        assert sh.ok("cat /file") == f"{i}\n"
    assert sh.shutdown().status == 0


def test_a_service_that_keeps_dying_is_given_up(shell):
    sh = shell()
    text = ""
    for _ in range(6):
        text += sh.output_of(f"kill -9 {pid_of(sh, 'fsd')}; ls /boot/etc") if "given up" not in text else ""
    assert "it has failed 6 times within 10 s and is given up" in text
    # Without fsd there are no programs; what the shell does itself still works.
    assert sh.output_of("ls /") == "sh: no such command: ls\n"
    assert sh.output_of("pwd") == "/\n"


@pytest.mark.parametrize("command", ["shutdown", "reboot"])
def test_end_of_the_machine(shell, make_disk, command):
    """What was not yet written is on the disk when the machine ends, and the disk is clean."""
    image = make_disk()
    sh = shell(disk=image)
    sh.type(f"echo kept > /file; {command}\r")
    result = sh.wait()
    assert result.status == 0 and result.log.count("FSD: unmounted") == 1
    assert subprocess.run(["e2fsck", "-fn", image], capture_output=True).returncode == 0
    done = subprocess.run(["debugfs", "-R", "cat /file", image], capture_output=True, check=True)
    assert done.stdout == b"kept\n"


def test_reset_register(shell):
    """q35's firmware names a register that resets the machine."""
    sh = shell(machine="q35")
    assert sh.shutdown("reboot").status == 0


def test_without_acpi(shell):
    """A machine that can't be switched off by software says so when it may be by hand; resetting needs no tables."""
    sh = shell(extra=["-machine", "acpi=off"])
    sh.type("shutdown\r")
    sh.expect(r"FSD: unmounted[\s\S]*SVC: the machine can't be switched off: Operation not supported")
    sh.kill()
    assert shell(extra=["-machine", "acpi=off"]).shutdown("reboot").status == 0


def test_unknown_scenario(boot):
    run = boot("test=no.such")
    assert run.status == 1 and "SVC: unknown scenario 'no.such'" in run.log


def test_list(boot):
    run = boot("test=list").ok()
    names = [line.split()[1] for line in run.lines if line.startswith("TEST: ")]
    assert {"boot", "threads", "user.hello", "ipc.pingpong", "blk.rw", "fs", "pkg", "list"} <= set(names)
    assert len(names) == len(set(names))
