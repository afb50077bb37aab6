"""One run of Rugo under QEMU, always started by tools/run_qemu.sh and always with a time limit.

At most two machines run at once on a host, whoever starts them: each holds one of two locks as long as it lives.
"""

import fcntl
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rugo.coverage import CountedMemory
from rugo.places import BUILD, COVERAGE, ORDINARY_BUILD, ROOT, TEST_BUILD  # noqa: F401  (tests take them from here)

RUNNER = ROOT / "tools" / "run_qemu.sh"

# How much longer than its own --timeout the runner may take before it counts as broken.
GRACE = 15


def make(*targets):
    """Run make in the tree; its output. What it can't make is a failure, with all that it said."""
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={BUILD}", *map(str, targets)], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"make {' '.join(map(str, targets))}:\n{done.stdout}"
    return done.stdout


class Slot:
    """The right to run one machine."""

    def __init__(self, patience=300):
        deadline = time.monotonic() + patience
        while True:
            for number in (1, 2):
                self.file = open(Path(tempfile.gettempdir()) / f"qemu.lock{number}", "a")
                try:
                    fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    self.file.close()
            assert time.monotonic() < deadline, f"no machine could be started: two others have run for {patience} s"
            time.sleep(0.05)

    def free(self):
        self.file.close()


def patience(options, seconds):
    """The time limit of a machine: its own, or this many seconds; longer for CPUs that take turns on two of the host,
    and for a kernel that counts its branches."""
    given = options.get("timeout", seconds)
    return given and given * max(1, (options.get("smp") or 1) // 2) * (2 if COVERAGE else 1)


def runner_args(cmdline="", *, timeout=60, boot=None, machine=None, smp=None, mem=None, disk=(), snapshot=False,
                net=None, icount=False, qmp=None, iso=None, extra=()):
    """The command that starts a machine; the names are those of the runner's options (MILESTONES: its contract)."""
    args = [str(RUNNER)]
    if cmdline:
        args += ["--cmdline", cmdline]
    for name, value in (("boot", boot), ("machine", machine), ("smp", smp), ("mem", mem), ("net", net), ("qmp", qmp),
                        ("iso", iso), ("timeout", timeout)):
        if value is not None:
            args += [f"--{name}", str(value)]
    for image in [disk] if isinstance(disk, (str, Path)) else disk:
        args += ["--disk", str(image)]
    args += ["--snapshot"] if snapshot else []
    args += ["--icount"] if icount else []
    return args + (["--", *extra] if extra else [])


def runner_env(build=None):
    """The environment of a machine, with the folder that its kernel, shim and initrd are taken from."""
    return {**os.environ, "BUILD": str(build or TEST_BUILD)}


@dataclass
class Result:
    """How a run ended: the runner's exit status, all that came over the serial line, and the wall time."""

    status: int
    log: str
    seconds: float

    @property
    def lines(self):
        return self.log.splitlines()

    def line(self, text, **values):
        """The one line with this text and all of `key=value`; fails when there is none."""
        wanted = [f"{key}={value}" for key, value in values.items()]
        for line in self.lines:
            if text in line and set(wanted) <= set(line.split()):
                return line
        raise AssertionError(f"the serial log has no line with {text!r} and {' '.join(wanted) or 'nothing else'}")

    def ok(self):
        """This result, which must be a success."""
        assert self.status == 0, f"exit status {self.status} instead of 0"
        return self


def heed_signals():
    """In the runner: a job in the background may have been started with these ignored, and a shell can't undo that."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Machine:
    """A running machine without a terminal: its log can be watched, nothing can be typed."""

    def __init__(self, cmdline="", build=None, **options):
        self.limit = options["timeout"] = patience(options, 60)
        self.output = bytearray()
        self.memory = CountedMemory(cmdline, options)
        args = runner_args(cmdline, **options) # what is wrong with the options must not cost a slot
        self.slot = Slot()
        self.started = time.monotonic()
        self.grown = threading.Condition()
        self.process = subprocess.Popen(args, env=runner_env(build), cwd=ROOT,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True,
                                        preexec_fn=heed_signals)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            with self.grown:
                self.output += chunk
                self.grown.notify_all()

    @property
    def log(self):
        return self.output.decode(errors="replace").replace("\r", "")

    def expect(self, pattern, timeout=30):
        """Wait until the log matches the regular expression; the match."""
        deadline = time.monotonic() + timeout
        with self.grown:
            while not (match := re.search(pattern, self.log, re.M)):
                left = deadline - time.monotonic()
                alive = self.reader.is_alive()
                assert left > 0 and alive, f"{pattern!r} did not come " + (f"within {timeout} s" if alive else "before the end")
                self.grown.wait(min(left, 0.2))
        return match

    def wait(self):
        """Wait for the end of the machine; its Result."""
        try:
            status = self.process.wait(max(0, self.started + self.limit + GRACE - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the runner did not keep its own --timeout of {self.limit} s") from None
        self.reader.join(5)
        seconds = time.monotonic() - self.started
        self.memory.collect()
        self.slot.free()
        return Result(status, self.log, seconds)

    def kill(self):
        """End the machine, whatever it does; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.terminate()            # the runner ends QEMU and removes its temporary files
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        kill_session(self.process.pid)
        self.process.wait()
        self.memory.collect()
        self.slot.free()


def kill_session(sid):
    """End all processes of a session that a Machine or Shell has started, QEMU among them."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the command in parentheses: state, parent, process group, session.
            if int(stat.read_text().rpartition(")")[2].split()[3]) == sid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


def leftovers(run_id):
    """Processes still alive that a test session with this RUGO_TEST_RUN started, apart from the callers: (pid, command)."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit():
            continue
        try:
            ours = f"RUGO_TEST_RUN={run_id}".encode() in (proc / "environ").read_bytes().split(b"\0")
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if ours and "qemu" in command.split(" ")[0]:
            found.append((int(proc.name), command))
    return found
