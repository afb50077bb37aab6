"""Without devices, with the same seed= and counted time, a scenario prints the same to the last byte."""

import pytest


@pytest.mark.parametrize("scenario", ["user.syscall", "user.fault", "user.fpu", "ipc.rules", "upcall.rules", "stress.kill count=60"])
def test_same_seed_same_log(boot, nonce, rounds, scenario):
    first = boot(f"test={scenario} seed=7 nonce={nonce}", icount=True, timeout=90).ok().log
    for _ in range(rounds(1, 10)):
        assert boot(f"test={scenario} seed=7 nonce={nonce}", icount=True, timeout=90).ok().log == first
