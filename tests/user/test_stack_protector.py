"""A smashed stack is named, in a program and in the kernel, and so is one that ran over its end."""

import re
import subprocess

from rugo.machine import BUILD


def test_programs(boot, nonce, secret):
    run = boot(f"test=user.smash nonce={nonce}").ok()
    run.line("SMASH: ok", nonce=nonce, secret=secret)
    assert run.log.count("user_smash: the stack was smashed") == 2


def test_the_shell_tells(shell):
    sh = shell()
    text, status = sh.run("/boot/test/user_smash first")
    assert status == 128 + 6 and text == "user_smash: the stack was smashed\n"


def test_kernel(boot, nonce):
    run = boot(f"test=smash nonce={nonce}")
    assert run.status == 1
    run.line("TEST: a full array is well", nonce=nonce)
    assert re.search(r"^RUGO: panic code=0xe the stack was smashed in smash$", run.log, re.M)
    after = run.log[run.log.index("RUGO: panic"):]
    assert re.search(r"^  #0 0x[0-9a-f]+ smash\+0x[0-9a-f]+\n  #1 0x[0-9a-f]+ (test_smash|selftest_run)\+0x", after, re.M)


def test_user_stack_overflow_is_named(shell):
    sh = shell()
    text, status = sh.run("/boot/test/user_crash deep")
    assert status == 128 + 11
    assert re.search(r"^USER: killed pid=\d+ name=user_crash cause=PF .* \(stack overflow\)$", text, re.M)
    assert "its stack ran over its end" in text and text.count(" sink+0x") >= 10
    text, _ = sh.run("/boot/test/user_crash null")
    assert "stack overflow" not in text and "ran over" not in text


def test_kernel_stack_overflow_is_named(boot):
    assert re.search(r"^RUGO: panic code=0x3 kernel stack overflow \(address 0x[0-9a-f]+\)$", boot("test=df").log, re.M)


def test_everything_is_compiled_with_it():
    """Who has a frame with an array calls for help, in the kernel and in every program."""
    def calls(elf):
        return subprocess.run(["objdump", "-d", "--no-show-raw-insn", elf], capture_output=True, text=True).stdout.count(
            "<__stack_chk_fail>")

    assert calls(BUILD / "rugo.debug.elf") > 100
    programs = sorted((BUILD / "bin").glob("*.debug"))
    without = {program.name for program in programs if not calls(program)}
    assert len(programs) > 20 and without <= {"true.debug", "false.debug"}
