"""A program that faults is killed, with a line saying what and where; another goes on."""

import re


def test_user_fault(boot, nonce, secret):
    run = boot(f"test=user.fault nonce={nonce}").ok()
    killed = re.findall(r"^USER: killed pid=(\d+) name=(\S+) cause=(\S+) addr=(0x[0-9a-f]+) rip=(0x[0-9a-f]+)", run.log, re.M)
    causes = {cause for _, _, cause, _, _ in killed}
    assert {"PF", "DE", "UD", "GP", "BP"} <= causes, f"only {causes} were seen"
    assert len({pid for pid, *_ in killed}) == len(killed), "a process was killed twice"
    survivor = run.line("USER: alive", nonce=nonce, secret=secret)
    assert run.log.index(survivor) > run.log.rindex("USER: killed"), "the survivor spoke before the last fault"


def test_null_pointer(boot, nonce, secret):
    run = boot(f"test=user.fault kind=null nonce={nonce}").ok()
    killed = re.search(r"USER: killed .* cause=PF addr=(0x[0-9a-f]+) rip=(0x[0-9a-f]+)", run.log)
    assert killed, "nobody was killed by a page fault"
    assert int(killed.group(1), 16) < 4096 <= int(killed.group(2), 16) < 1 << 47
    run.line("USER: alive", nonce=nonce, secret=secret)
