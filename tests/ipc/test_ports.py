"""Ports: refusals, wakes, posts, one sleeper among pollers, handles that close meanwhile, waiters that die."""

import pytest


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_ports(boot, nonce, secret, smp):
    boot(f"test=ipc.ports nonce={nonce}", smp=smp).ok().line("PORTS: ok", nonce=nonce, secret=secret)
