"""tools/run_qemu.sh keeps its contract: what it refuses, what it leaves behind, what its status means.

Where the guest does not matter it is held at its first instruction (-S).
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from rugo.machine import RUNNER, TEST_BUILD, Machine, runner_args, runner_env

WRONG = [
    (["--bogus"], "--bogus"),
    (["disk.img"], "disk.img"),
    (["--cmdline"], "--cmdline"),
    (["--cmdline", "x" * 4096], "--cmdline"),
    (["--boot", "floppy"], "--boot"),
    (["--machine", "isapc"], "--machine"),
    (["--smp", "0"], "--smp"),
    (["--smp", "two"], "--smp"),
    (["--mem", "-5"], "--mem"),
    (["--mem", "256M"], "--mem"),
    (["--accel", "xen"], "--accel"),
    (["--net", "tap"], "--net"),
    (["--net", "user,"], "--net"),
    (["--timeout", "0"], "--timeout"),
    (["--timeout", "soon"], "--timeout"),
    (["--icount", "--smp", "2"], "--icount"),
    (["--icount", "--accel", "kvm"], "--icount"),
    (["--boot", "direct", "--iso", "x.iso"], "--iso"),
    (["--iso", "/no/such.iso"], "/no/such.iso"),
    (["--disk", "/no/such.img"], "/no/such.img"),
    (["--disk", "/"], "--disk /"),
    (["--qmp", "/no/such/folder/socket"], "--qmp"),
]


def refused(args, **env):
    """The runner's complaint about these arguments; it must end with 2 and print nothing else."""
    done = subprocess.run([str(RUNNER), *args], env={**runner_env(), **env}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 2, f"status {done.returncode}: {done.stderr}"
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("args, named", WRONG, ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "")
def test_wrong_use(args, named):
    assert named in refused(args).splitlines()[0]


def test_missing_build(tmp_path):
    assert "shim.elf is missing" in refused([], BUILD=str(tmp_path))
    assert "rugo.iso is missing" in refused(["--boot", "bios"], BUILD=str(tmp_path))


def test_missing_qemu(tmp_path):
    for tool in ("bash", "dirname", "wc", "rm"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    complaint = refused([], PATH=str(tmp_path))
    assert "qemu-system-x86_64" in complaint and "Debian package qemu-system-x86" in complaint


def test_qemu_refuses(boot):
    run = boot("test=boot", extra=["-device", "no-such-device"])
    assert run.status == 2
    assert "no-such-device" in run.log


def test_disk_in_use_is_named(start, boot, make_disk, qmp):
    image = make_disk()
    first = start(disk=image, qmp=qmp.socket, extra=["-S"])
    qmp()  # who answers has opened its disks
    second = boot("test=boot", disk=image, timeout=20)
    assert second.status == 2
    assert str(image) in second.log and "lock" in second.log
    first.kill()


def processes_of(session):
    """Living processes of a session, by name."""
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, _, _, sid = rest.split()[:4]
        if int(sid) == session and state != "Z":
            names.append(name)
    return names


def nothing_left(session, folder):
    deadline = time.monotonic() + 3
    while (left := processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert list(folder.iterdir()) == [], "temporary files were left"


@pytest.fixture
def private_tmp(tmp_path, monkeypatch):
    """An empty folder in which the runner makes its temporary files."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize("how", ["direct", "uefi"])
def test_time_out_leaves_nothing(start, private_tmp, how):
    machine = start("test=boot", boot=how, timeout=2, extra=["-S"])
    run = machine.wait()
    assert run.status == 124
    assert run.seconds < 8
    nothing_left(machine.process.pid, private_tmp)


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signal_leaves_nothing(start, private_tmp, tmp_path, number, timeout):
    machine = start("test=boot", timeout=timeout, qmp=tmp_path / "q", extra=["-S"])
    deadline = time.monotonic() + 20
    while not (tmp_path / "q").exists():
        assert time.monotonic() < deadline, "QEMU did not start"
        time.sleep(0.05)
    assert "qemu-system-x86" in processes_of(machine.process.pid)
    machine.process.send_signal(number)
    status = machine.process.wait(10)
    assert status == (-number if number == signal.SIGKILL else 128 + number)
    nothing_left(machine.process.pid, private_tmp)
    if number != signal.SIGKILL:
        assert not (tmp_path / "q").exists(), "the monitor's socket was left"


@pytest.mark.parametrize("cmdline, status", [("", 0), ("test=boot", 1)])
def test_leaving_by_hand(tmp_path, cmdline, status):
    """Ctrl-A X at the terminal is a proper end, but no scenario succeeds by it."""
    args = runner_args(cmdline, timeout=None, qmp=tmp_path / "q", extra=["-S"])
    terminal = pexpect.spawn(args[0], args[1:], env=runner_env(), timeout=20)
    deadline = time.monotonic() + 20
    while not (tmp_path / "q").exists():
        assert time.monotonic() < deadline, "QEMU did not start"
        time.sleep(0.05)
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == status


def test_stdin_closed():
    done = subprocess.run(["bash", "-c", 'exec "$0" --timeout 60 --cmdline test=boot <&-', str(RUNNER)], env=runner_env(),
                          capture_output=True, text=True, timeout=80)
    assert done.returncode == 0, done.stdout + done.stderr


def test_icount_is_repeatable(boot):
    runs = [boot("test=boot", icount=True).ok() for _ in range(2)]
    assert runs[0].log == runs[1].log


def test_triple_fault_of_the_kernel(boot):
    assert boot("test=triplefault", timeout=30).status == 1


def test_iso_given_by_name(boot, tmp_path):
    """The image's own command line holds, and the runner knows from it that a scenario runs."""
    iso = tmp_path / "own.iso"
    for cmdline, status in (("test=boot", 0), ("test=no.such.thing", 1)):
        subprocess.run([RUNNER.parent / "mkiso.sh", "-o", iso], env={**runner_env(), "LIMINE_CMDLINE": cmdline}, check=True)
        assert boot(iso=iso, timeout=60).status == status


def test_iso_holds_the_kernel_unchanged(tmp_path):
    iso = tmp_path / "a.iso"
    subprocess.run([RUNNER.parent / "mkiso.sh", "-o", iso, "--cmdline", "test=x"], env=runner_env(), check=True)
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", str(iso), "-extract", "/boot/rugo.elf", str(tmp_path / "out")],
                   check=True, capture_output=True)
    assert (tmp_path / "out").read_bytes() == (TEST_BUILD / "rugo.elf").read_bytes()


def test_mkiso_refuses_a_line_break(tmp_path):
    done = subprocess.run([RUNNER.parent / "mkiso.sh", "-o", tmp_path / "a.iso", "--cmdline", "a\nb"], env=runner_env(),
                          capture_output=True, text=True)
    assert done.returncode == 2 and "line break" in done.stderr
    assert not (tmp_path / "a.iso").exists()
