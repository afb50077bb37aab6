"""Pipes: order, whole small writes, closing ends, waiting, readiness, bad addresses, killed users, memory as used."""

import pytest


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_pipe(boot, nonce, secret, smp):
    boot(f"test=ipc.pipe nonce={nonce}", smp=smp).ok().line("PIPE: ok", nonce=nonce, secret=secret)
