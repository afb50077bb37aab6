"""etc/services/*.conf: mistakes are named with file and line, and cost nobody else anything."""

import re
import shutil
import subprocess

import pytest

from rugo.machine import TEST_BUILD


@pytest.fixture
def build_with(tmp_path):
    """build_with({path: text}) → a build whose initrd has these files besides its own."""

    def build(files):
        root, out = tmp_path / "initrd", tmp_path / "build"
        shutil.copytree(TEST_BUILD / "initrd", root)
        out.mkdir()
        for name in ("rugo.elf", "shim.elf"):
            (out / name).symlink_to((TEST_BUILD / name).resolve())
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        names = "\n".join(sorted(str(p.relative_to(root)) for p in root.rglob("*")))
        with (out / "initrd.cpio").open("wb") as archive:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), stdout=archive, check=True)
        return out

    return build


WRONG = {
    "key": ("program = true\nprogramm = x\n", r"etc/services/wrong\.conf:2: unknown key"),
    "line": ("# a comment\n\nprogram\n", r"etc/services/wrong\.conf:3: key = value expected"),
    "handle": ("program = true\nhandles = blk everything\n", r"etc/services/wrong\.conf:2: unknown handle"),
    "limit": ("program = true\nlimit = many\n", r"etc/services/wrong\.conf:2: expected: N in SECONDS"),
    "limit too high": ("program = true\nlimit = 1000 in 10\n", r"etc/services/wrong\.conf:2: expected: N in SECONDS"),
    "policy": ("program = true\nrestart = perhaps\n", r"etc/services/wrong\.conf:2: always, on-failure or never expected"),
    "flag": ("program = true\nready = maybe\n", r"etc/services/wrong\.conf:2: yes or no expected"),
    "boot": ("program = true\nboot = later\n", r"etc/services/wrong\.conf:2: yes or no expected"),
    "permission": ("program = true\nmay = everything\n", r"etc/services/wrong\.conf:2: unknown permission"),
    "arguments": ("program = true\nargs = " + "a " * 40 + "\n", r"etc/services/wrong\.conf:2: too many arguments"),
    "limit of what": ("program = true\nlimits = memory 1M, air 3\n", r"etc/services/wrong\.conf:2: unknown limit"),
    "no amount": ("program = true\nlimits = memory\n", r"etc/services/wrong\.conf:2: expected: KIND AMOUNT"),
    "bad amount": ("program = true\nprograms = memory 1T\n", r"etc/services/wrong\.conf:2: expected: KIND AMOUNT"),
    "percent of handles": ("program = true\nlimits = handles 5%\n", r"etc/services/wrong\.conf:2: expected: KIND AMOUNT"),
    "priority": ("program = true\npriority = 13\n", r"etc/services/wrong\.conf:2: expected: 0 to 12"),
    "watchdog": ("program = true\nwatchdog = 2\n", r"etc/services/wrong\.conf:2: expected: Ns or Nms"),
    "watchdog too short": ("program = true\nwatchdog = 50ms\n", r"etc/services/wrong\.conf:2: expected: Ns or Nms"),
    "startup": ("program = true\nstartup = soon\n", r"etc/services/wrong\.conf:2: expected: Ns or Nms"),
    "empty": ("# nothing\n", r"etc/services/wrong\.conf:\d: no program is named"),
    "noise": ("\x01\x02=\x03\n", r"etc/services/wrong\.conf:1: unknown key"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named(start, build_with, mistake):
    text, line = WRONG[mistake]
    machine = start(build=build_with({"etc/services/wrong.conf": text}))
    machine.expect(r"SVC: " + line)
    machine.expect(r"SVC: wrong is not started")
    machine.expect(r"rugo:/\$ ")


def test_references_to_nobody(start, build_with):
    """A service that comes after one that does not exist is started all the same."""
    machine = start(build=build_with({"etc/services/lost.conf": "program = echo\nargs = it runs\nhandles = log\n"
                                                                "after = nobody\ncalls = nobody\nrestart = never\n"}))
    machine.expect(r"SVC: etc/services/lost\.conf: there is no service nobody")
    machine.expect(r"^it runs$")
    machine.expect(r"SVC: lost ended \(exit status 0\)$")
    machine.expect(r"rugo:/\$ ")


def test_no_such_program(start, build_with):
    machine = start(build=build_with({"etc/services/ghost.conf": "program = no-such\nlimit = 3 in 600\n"}))
    machine.expect(r"SVC: ghost can't be started from bin/no-such: No such file or directory")
    machine.expect(r"SVC: ghost ended \(.*\); it has failed 4 times within 600 s and is given up")
    assert len(re.findall("ghost can't be started", machine.log)) == 4
    machine.expect(r"rugo:/\$ ")


@pytest.mark.parametrize("policy, program, restarts", [
    ("never", "false", 0), ("on-failure", "true", 0), ("on-failure", "false", 2), ("always", "true", 2)])
def test_policies(start, build_with, policy, program, restarts):
    text = f"program = {program}\nrestart = {policy}\nlimit = 2 in 600\n"
    machine = start(build=build_with({"etc/services/short.conf": text}))
    machine.expect(r"SVC: short ended \(exit status \d\)" + ("; it has failed 3 times" if restarts else "$"))
    machine.expect(r"rugo:/\$ ")
    assert len(re.findall(r"SVC: short ended .*, restart", machine.log)) == restarts


@pytest.mark.parametrize("mode", ["loop", "deadlock"])
def test_watchdog(start, build_with, mode):
    """A service that hangs is killed when it has not answered in time, and then its restart policy holds."""
    text = f"program = test/svc_hang\nargs = {mode}\nhandles = log\nwatchdog = 400ms\nlimit = 2 in 60\n"
    machine = start(build=build_with({"etc/services/sick.conf": text}))
    for restart in (1, 2):
        machine.expect(rf"HANG: {mode} begins")
        machine.expect(r"SVC: sick has not answered for 400 ms: it hangs and is killed$")
        machine.expect(rf"SVC: sick ended \(signal 9\), restart {restart}")
    machine.expect(r"SVC: sick ended \(signal 9\); it has failed 3 times within 60 s and is given up")
    machine.expect(r"rugo:/\$ ")


def test_watchdog_lets_the_busy_live(start, build_with):
    text = "program = test/svc_hang\nargs = busy\nhandles = log\nwatchdog = 2s\n"
    machine = start(build=build_with({"etc/services/busy.conf": text}))
    machine.expect(r"HANG: busy answered 10 times", timeout=60)
    assert "it hangs" not in machine.log


def test_a_service_that_never_gets_ready(start, build_with):
    """It is killed when its time is over, and given up after a few times, however long each of them took."""
    text = "program = test/svc_hang\nargs = unready\nhandles = log\nready = yes\nstartup = 1s\nlimit = 2 in 1\n"
    after = "program = echo\nargs = it goes on\nhandles = log\nafter = sick\nrestart = never\n"
    machine = start(build=build_with({"etc/services/sick.conf": text, "etc/services/next.conf": after}))
    for restart in (1, 2):
        machine.expect(r"SVC: sick has not become ready for 1000 ms: it hangs and is killed$")
        machine.expect(rf"SVC: sick ended \(signal 9\), restart {restart}")
    assert "it goes on" not in machine.log
    machine.expect(r"SVC: sick ended \(signal 9\); it was not ready 3 times in a row and is given up")
    machine.expect(r"^it goes on$")


def test_a_service_that_starts_slowly(start, build_with):
    """Three times as long as it has; but it says all the time that it lives."""
    text = "program = test/svc_hang\nargs = slow\nhandles = log\nready = yes\nstartup = 1s\nwatchdog = 2s\n"
    machine = start(build=build_with({"etc/services/slow.conf": text}))
    machine.expect(r"HANG: slow is ready")
    machine.expect(r"rugo:/\$ ")
    assert "it hangs" not in machine.log


def fsd_conf(**values):
    lines = (TEST_BUILD / "initrd/etc/services/fsd.conf").read_text().splitlines()
    kept = [line for line in lines if line.split("=")[0].strip() not in values]
    return {"etc/services/fsd.conf": "\n".join(kept + [f"{key} = {value}" for key, value in values.items()]) + "\n"}


def test_a_request_of_fsd_that_hangs(shell, build_with, make_disk):
    """Others go on meanwhile; then fsd is started again, and who hung gets an error."""
    sh = shell(build=build_with(fsd_conf(args="hang=stuck", watchdog="2s")), disk=make_disk())
    sh.ok("echo before > /file; sync")
    output = sh.output_of("cat stuck | cat /file /file; sync")
    assert "before\nbefore\n" in output and "cat: stuck: " in output
    assert output.index("before") < output.index("FSD: a request waits for what will never come")
    assert "SVC: fsd has not answered for 2000 ms: it hangs and is killed" in output
    assert "SVC: fsd ended (signal 9), restart 1" in output
    assert sh.ok("cat /file") == "before\n"


def test_fsd_with_a_disk_that_is_slow(shell, build_with, make_disk, tmp_path):
    """One transfer a second: much takes longer than the watchdog's time, and nothing hangs."""
    (tmp_path / "files").mkdir()
    for i in range(8):
        (tmp_path / "files" / f"f{i}").write_bytes(bytes(3000))
    image = make_disk(tmp_path / "files")
    sh = shell(build=build_with(fsd_conf(watchdog="1s", startup="2s")), timeout=240,
               extra=["-drive", f"if=virtio,format=raw,file={image},throttling.iops-total=1"])
    sh.ok("cat /f0 | cat /f1 | cat /f2 | cat /f3 | wc", timeout=120)
    sh.ok("echo x > /new; sync; cat /f4", timeout=120)
    assert "hangs" not in sh.log and "never come" not in sh.log


def test_too_many_services(start, build_with):
    files = {f"etc/services/s{i:02}.conf": "program = true\nrestart = never\n" for i in range(40)}
    machine = start(build=build_with(files))
    machine.expect(r"SVC: etc/services/\S+: too many services, this one is left out")


def test_no_configuration_at_all(start, build_with, tmp_path):
    """svcman runs on with nothing to do; nothing crashes."""
    build = build_with({"etc/services/sh.conf": "program = false\nrestart = never\nserves = no\n"})
    machine = start(build=build)
    machine.expect(r"SVC: sh ended \(exit status 1\)")
    machine.expect(r"FSD: mount ok")


SCENARIOS = {
    "bad word": ("x.y: test/user_hello handles=nonsense\n", r"SVC: etc/scenarios: x\.y: bad word"),
    "no program": ("x.y:\n", r"SVC: etc/scenarios: x\.y: no program is named"),
    "missing program": ("x.y: test/no_such\n", r"SVC: test can't be started from test/no_such"),
    "expected death does not come": ("x.y: bin/true expect=killed\n", r"SVC: scenario x\.y failed \(exit status 0\)"),
    "unexpected death": ("x.y: test/user_fault null\n", r"SVC: scenario x\.y failed \(signal 11\)"),
}


@pytest.mark.parametrize("mistake", SCENARIOS)
def test_bad_scenarios_fail(start, build_with, mistake):
    text, line = SCENARIOS[mistake]
    run = start("test=x.y", build=build_with({"etc/scenarios": text})).wait()
    assert run.status == 1 and re.search(line, run.log)


def test_expected_death(start, build_with):
    build = build_with({"etc/scenarios": "x.y: test/user_fault null expect=killed\n"})
    assert start("test=x.y", build=build).wait().status == 0
