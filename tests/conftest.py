"""What every test gets: a fresh build, machines that cannot be left behind, and the serial log of those that failed.

The session builds once, with a secret of its own compiled into the test programs: a marker that carries it was
printed by the program and not by a kernel that knows the marker's text.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from rugo.machine import BUILD, ORDINARY_BUILD, ROOT, TEST_BUILD, Machine, leftovers, make
from rugo.places import COVERAGE
from rugo.qmp import Qmp
from rugo.shell import Shell

HOST_TOOLS = ["qemu-system-x86_64", "make", "gcc", "mke2fs", "e2fsck", "debugfs", "xorriso", "mcopy", "grub-mkrescue",
              "clang-19", "gdb", "cpio"]


# How often ./rugo soak boots each test of several CPUs.
SMP_BOOTS = 50

LOCK = pytest.StashKey()
MACHINES = pytest.StashKey[list]()


def is_worker(config):
    return hasattr(config, "workerinput")


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="do every randomised or repeated thing as often as it deserves")


def pytest_generate_tests(metafunc):
    """A test with an argument `smp` runs with 1, 2, 4 and 8 CPUs, unless it says otherwise; under soak fifty times each."""
    if "smp" not in metafunc.fixturenames:
        return
    marks = metafunc.definition.iter_markers("parametrize")
    if not any("smp" in mark.args[0] for mark in marks):
        metafunc.parametrize("smp", [1, 2, 4, 8])
    if metafunc.config.option.soak:
        metafunc.fixturenames.append("boot_number")
        metafunc.parametrize("boot_number", range(1, SMP_BOOTS + 1))


def pytest_sessionstart(session):
    """Build what is tested. Only once: the workers of pytest-xdist inherit the environment."""
    if is_worker(session.config) or session.config.option.collectonly:
        return
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in HOST_TOOLS if not shutil.which(tool)]
    if missing:
        pytest.exit(f"the host lacks {', '.join(missing)}: ./rugo test installs them", returncode=2)
    own_the_build(session)
    os.environ["RUGO_TEST_RUN"] = secrets.token_hex(8)
    os.environ["RUGO_TEST_SECRET"] = secrets.token_hex(8)
    try:
        make("-j2", "all", "coverage-kernel" if COVERAGE else "checked-kernel", BUILD / "host/explore.a")
        make("initrd", f"SECRET={os.environ['RUGO_TEST_SECRET']}")
    except AssertionError as why:
        pytest.exit(str(why), returncode=1)
    link(TEST_BUILD, BUILD / "shim.elf")
    if COVERAGE:
        for name in ("initrd.cpio", "initrd"):
            link(TEST_BUILD, BUILD / "test" / name)
    for file in (BUILD / "rugo.elf", BUILD / "rugo.debug.elf", BUILD / "shim.elf", BUILD / "test" / "initrd.cpio"):
        link(ORDINARY_BUILD, file)


def link(folder, file):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file.name).unlink(missing_ok=True)
    (folder / file.name).symlink_to(file)


def own_the_build(session):
    """Two sessions in one build folder would take each other's secret away: the second one is told."""
    (BUILD / "test").mkdir(parents=True, exist_ok=True)
    session.stash[LOCK] = lock = open(BUILD / "test" / "session.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pytest.exit(f"another test session uses {BUILD}: wait for it, or set BUILD to another folder", returncode=2)


def pytest_sessionfinish(session, exitstatus):
    """No machine may outlive the tests: one that does is ended, named, and fails the session."""
    if is_worker(session.config) or "RUGO_TEST_RUN" not in os.environ:
        return
    left = leftovers(os.environ["RUGO_TEST_RUN"])
    for pid, command in left:
        print(f"\nleft behind: process {pid}: {command}")
        os.kill(pid, signal.SIGKILL)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the serial log of a test that failed."""
    report = yield
    if report.failed:
        for number, machine in enumerate(item.stash.get(MACHINES, []), 1):
            report.sections.append((f"serial log of machine {number}", machine.log))
    return report


@pytest.fixture
def machines(request):
    """The list of machines that this test has started; all are ended with it."""
    started = request.node.stash.setdefault(MACHINES, [])
    yield started
    for machine in started:
        machine.kill()


@pytest.fixture
def start(machines):
    """start(cmdline, **options) → a running Machine. The options are the runner's, see runner_args()."""

    def start_machine(cmdline="", **options):
        machines.append(Machine(cmdline, **options))
        return machines[-1]

    return start_machine


@pytest.fixture
def boot(start):
    """boot(cmdline, **options) → the Result of a machine that ran to its end."""
    return lambda cmdline="", **options: start(cmdline, **options).wait()


@pytest.fixture
def shell(machines):
    """shell(**options) → a Shell that has shown its first prompt."""

    def start_shell(cmdline="", **options):
        machines.append(Shell(cmdline, **options))
        machines[-1].boot_text = machines[-1].prompt()
        return machines[-1]

    return start_shell


@pytest.fixture
def qmp(tmp_path_factory):
    """qmp.socket is an option for a machine, qmp() connects to it."""

    class Connector:
        # Short, because the path of a socket must not be longer than some 100 characters.
        socket = Path(tmp_path_factory.mktemp("q")) / "qmp"
        opened = []

        def __call__(self):
            self.opened.append(Qmp(self.socket))
            return self.opened[-1]

    connector = Connector()
    yield connector
    for connection in connector.opened:
        connection.close()


@pytest.fixture
def nonce():
    """A fresh number, in hexadecimal, for the command line; what the guest prints must give it back."""
    return f"{secrets.randbits(63) | 1 << 62:x}"


@pytest.fixture
def secret():
    """The secret of this session, known only to the test programs in the initrd."""
    return os.environ["RUGO_TEST_SECRET"]


@pytest.fixture
def rounds(request):
    """rounds(n_test, n_soak) → how often to repeat: a few times under ./rugo test, all of them under ./rugo soak."""
    return lambda n_test, n_soak: n_soak if request.config.option.soak else n_test


@pytest.fixture
def make_disk(tmp_path):
    """make_disk(folder=None, mib=16, block=1024, kind="ext2") → a new image with the folder's content."""

    def mke2fs(folder=None, mib=16, block=1024, kind="ext2", name="disk.img", options=()):
        image = tmp_path / name
        command = ["mke2fs", "-q", "-F", "-t", kind, "-b", str(block), *options]
        command += ["-d", str(folder)] if folder else []
        done = subprocess.run([*command, str(image), f"{mib}M"], capture_output=True, text=True)
        assert done.returncode == 0, f"mke2fs: {done.stderr}"
        return image

    return mke2fs


@pytest.fixture
def rugo():
    """rugo(*args) → run the front door; its output, or the error it ended with."""

    def front_door(*args, status=0):
        done = subprocess.run([str(ROOT / "rugo"), *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == status, f"./rugo {' '.join(map(str, args))}: status {done.returncode}: {done.stderr}"
        return done.stdout

    return front_door
