"""The clock page tells the kernel's time without a call, on all processors, also when the TSC is not to be trusted."""

import pytest


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_same_time(boot, nonce, secret, smp):
    boot(f"test=user.clock nonce={nonce}", smp=smp).ok().line("CLOCK: ok", nonce=nonce, secret=secret)


def test_modes(boot, nonce, secret):
    boot(f"test=user.clock mode=tsc nonce={nonce}").ok().line("CLOCK: ok", nonce=nonce, secret=secret)
    boot(f"test=user.clock mode=syscall tsc=distrust nonce={nonce}", smp=2).ok().line("CLOCK: ok", nonce=nonce, secret=secret)


def test_cost(boot, nonce):
    line = boot(f"test=user.clock mode=tsc nonce={nonce}", icount=True).ok().line("CLOCK: cost", nonce=nonce)
    costs = dict(word.split("=") for word in line.split() if "=" in word)
    assert int(costs["page"]) <= 40, "instructions to read the page"
