"""What abi/syscall.def promises about endpoints, sessions, messages and ports, seen from user mode; and calls that go wrong."""

import secrets

import pytest


@pytest.mark.parametrize("smp", [1, 4])
def test_rules(boot, nonce, secret, smp):
    boot(f"test=ipc.rules nonce={nonce}", smp=smp).ok().line("IPC: rules ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_failures(boot, nonce, secret, smp):
    """Each side hears what the contract says, and nothing is left over."""
    boot(f"test=ipc.fail nonce={nonce}", smp=smp, timeout=120).ok().line("IPC: failures ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_crowd(boot, nonce, secret, smp, rounds):
    """Many clients, a server with several threads: each answer belongs to its question."""
    for _ in range(rounds(1, 20)):
        run = boot(f"test=ipc.crowd seed={secrets.randbits(40)} nonce={nonce}", smp=smp, timeout=120)
        run.ok().line("IPC: crowd ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("smp", [1, 4])
def test_lending(boot, nonce, secret, smp):
    """A server is as important as who waits for it."""
    boot(f"test=ipc.lend nonce={nonce}", smp=smp, timeout=120).ok().line("IPC: lending ok", nonce=nonce, secret=secret)
