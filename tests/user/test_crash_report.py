"""Programs that crash: what the kernel keeps, what log and shell say, and what the host makes of it."""

import re
import subprocess

import pytest

from rugo.machine import BUILD, ROOT

FRAME = re.compile(r"^  #(\d+) 0x[0-9a-f]+(?: (\w+)\+0x[0-9a-f]+)? \[(\w+)\+0x([0-9a-f]+)\]$", re.M)


def symbolized(text):
    done = subprocess.run([ROOT / "tools/symbolize.sh"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.startswith(old) for line, old in zip(done.stdout.splitlines(), text.splitlines())].count(False) == 0
    return done.stdout


def test_what_is_kept(boot, nonce, secret):
    run = boot(f"test=user.crash nonce={nonce}").ok()
    run.line("CRASH: ok", nonce=nonce, secret=secret)
    report = re.search(r"^USER: killed pid=\d+ name=user_crash cause=PF addr=0x0 rip=(0x[0-9a-f]+)\n"
                       r"  rax=[0-9a-f]{16} .*\n  rsi=.*\n   r8=.*\n  r12=.*\n  #0 \1 \[user_crash\+0x", run.log, re.M)
    assert report, "no report in full"
    assert "0xffff" not in re.sub(r"=ffff[0-9a-f]{12}", "", run.log), "an address of the kernel's"


def test_the_shell_names_functions(shell):
    sh = shell()
    text, status = sh.run("/boot/test/user_crash null")
    assert status == 128 + 11
    names = [name for _, name, program, _ in FRAME.findall(text) if name and program == "user_crash"]
    assert names[:5] == ["crash_inner", "crash_middle", "crash_outer", "crash", "main"]
    assert re.search(r"^user_crash \(pid \d+\) was ended by a fault: PF at 0x[0-9a-f]+, address 0x0, signal 11$", text, re.M)
    # One command on the host: files and lines.
    on_host = symbolized(text)
    inner = (ROOT / "tests/prog/user_crash.c").read_text().splitlines().index("    *where = 1;") + 1
    assert re.search(rf"^  #0 .*\[user_crash\+0x[0-9a-f]+\]   crash_inner at \./tests/prog/user_crash\.c:{inner}", on_host, re.M)
    assert re.search(r"^  #4 .*   main at \./tests/prog/user_crash\.c:\d+", on_host, re.M)
    # A program that ends well, or is killed, gets no report.
    assert "fault" not in sh.ok("true") + sh.run("/boot/test/user_crash nothing")[0]


def test_a_service_that_crashes(boot):
    run = boot("test=user.crashing", timeout=60)
    assert run.status == 0
    names = [name for _, name, program, _ in FRAME.findall(run.log) if name and program == "user_crash"]
    assert names[:3] == ["crash_inner", "crash_middle", "crash_outer"]


def test_kernel_frames_on_the_host(boot):
    log = boot("test=panic code=42").log
    on_host = symbolized(log)
    assert re.search(r"^  #\d+ 0x[0-9a-f]+ test_panic\+0x[0-9a-f]+   \./kernel/selftest/selftest\.c:\d+", on_host, re.M)


@pytest.mark.parametrize("arguments,reason", [(["/nowhere/rugo.debug.elf"], "no such file")])
def test_symbolize_refuses(arguments, reason):
    done = subprocess.run([ROOT / "tools/symbolize.sh", *arguments], input="x\n", capture_output=True, text=True)
    assert done.returncode != 0 and reason in done.stderr


def test_table_of_names(tmp_path):
    """The same table whoever makes it; a file that is no program is named."""
    make = [ROOT / "tools/usyms.py", "-o", tmp_path / "symbols"]
    programs = [BUILD / "bin/true.debug", BUILD / "bin/ls.debug"]
    assert subprocess.run([*make, *programs]).returncode == 0
    first = (tmp_path / "symbols").read_bytes()
    assert subprocess.run([*make, *reversed(programs)]).returncode == 0
    assert first == (tmp_path / "symbols").read_bytes() and first[:4] == b"RSYM" and b"\0main\0" in first
    done = subprocess.run([*make, __file__], capture_output=True, text=True)
    assert done.returncode != 0 and "test_crash_report.py" in done.stderr
