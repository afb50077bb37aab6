"""Sleeping on a word: no wake is lost, time-outs, sharing between processes, killed sleepers, bad addresses."""

import pytest


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_futex(boot, nonce, secret, smp):
    boot(f"test=ipc.futex nonce={nonce}", smp=smp).ok().line("FUTEX: ok", nonce=nonce, secret=secret)
