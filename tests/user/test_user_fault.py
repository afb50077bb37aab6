"""A program that faults is killed, with a line saying what and where; another goes on."""

import re


def test_user_fault(boot, nonce, secret):
    run = boot(f"test=user.fault nonce={nonce}").ok()
    killed = re.search(r"USER: killed pid=(\d+) name=(\S+) cause=(\S+) addr=(0x[0-9a-f]+) rip=(0x[0-9a-f]+)", run.log)
    assert killed, "nobody was killed"
    assert killed.group(3) == "PF"
    assert int(killed.group(5), 16) < 1 << 47, "the instruction was not a user's"
    survivor = run.line("USER: alive", nonce=nonce, secret=secret)
    assert run.log.index(survivor) > killed.end(), "the survivor spoke before the fault"
