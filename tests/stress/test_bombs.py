"""Bombs in the default configuration: the job's limits refuse them, and the shell stays what it was."""

import pytest

HOLD_MS = 3000


def names(sh):
    return sorted(line.split()[-1] for line in sh.ok("ps").splitlines())


def still_well(sh, before):
    assert sh.ok("echo live") == "live\n"
    assert names(sh) == before
    assert "OOM:" not in sh.record.text() and "SVC:" not in sh.record.text()


@pytest.mark.parametrize("memory", [64, 256])
def test_fork_bomb(shell, memory):
    """It is refused more processes, and Ctrl-C ends all of them at once."""
    sh = shell(mem=memory)
    before = names(sh)
    for _ in range(2):
        sh.type("/boot/test/bomb fork\r")
        sh.expect(r"BOMB: \w+")
        sh.type("\x03")
        sh.prompt()
        still_well(sh, before)


@pytest.mark.parametrize("kind", ["thread", "handle", "message", "process", "port", "region"])
def test_bomb(shell, kind):
    """Each takes what it may and holds it a while; nothing is left of it."""
    sh = shell(mem=256)
    before = names(sh)
    sh.run(f"/boot/test/stress_memory bomb {kind} 1000", timeout=60)
    still_well(sh, before)
