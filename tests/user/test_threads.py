"""Threads: a thousand in a process, what one starts with, and the word that says its stack is free."""

import pytest


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_threads(boot, nonce, secret, smp):
    boot(f"test=user.threads cpus={smp} nonce={nonce}", smp=smp, timeout=90).ok().line("THREADS: ok", nonce=nonce, secret=secret)
