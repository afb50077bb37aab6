"""Programs that do their worst: everything else goes on, and what they took comes back to the last handle."""

import secrets

import pytest

# The bombs need memory that is soon taken.
SMALL = {"mem": 64}


def marked(run, marker, nonce, secret):
    run.ok().line(marker, nonce=nonce, secret=secret)


def test_hostile(boot, nonce, secret, rounds):
    for _ in range(rounds(1, 10)):
        marked(boot(f"test=stress.hostile nonce={nonce}", timeout=60), "STRESS: hostile ok", nonce, secret)


def test_random_syscalls(boot, make_disk, nonce, secret, rounds):
    """What the program checks: 30 % succeed, each documented pair of call and result is seen, and nothing is left over."""
    seed = secrets.randbits(40) | 1
    run = boot(f"test=stress.syscall seed={seed} calls={rounds(200_000, 10_000_000)} nonce={nonce}", disk=make_disk(), smp=4,
               timeout=rounds(240, 7200))
    marked(run, "STRESS: syscalls ok", nonce, secret)


def test_bombs(boot, nonce, secret):
    marked(boot(f"test=stress.memory nonce={nonce}", timeout=120, **SMALL), "STRESS: memory ok", nonce, secret)


@pytest.mark.parametrize("kind", ["vm", "shm", "thread", "process", "handle", "message", "table"])
def test_shell_survives_bomb(shell, kind):
    """The shell and the services live through a bomb that holds all memory, and run the next program."""
    sh = shell(**SMALL)
    sh.run(f"/boot/test/stress_memory bomb {kind} 500", timeout=60)
    assert sh.ok("echo live") == "live\n"
    assert "test" in sh.ok("ls /boot").split()
