"""Each exception arrives at its own handler, which says which one it was and where."""

import pytest

KERNEL_HALF = 0xFFFF_8000_0000_0000


def rip_of(line):
    return int(next(word for word in line.split() if word.startswith("rip=")).removeprefix("rip="), 16)


@pytest.mark.parametrize("name, status", [("int3", 0), ("div0", 0), ("ud2", 0), ("gp", 0), ("df", 1)])
def test_exception(boot, nonce, name, status):
    run = boot(f"test={name} nonce={nonce}")
    assert run.status == status
    line = run.line(f"TRAP: {name} ", nonce=nonce)
    assert rip_of(line) >= KERNEL_HALF
    others = [other for other in ("int3", "div0", "ud2", "gp", "df") if other != name and f"TRAP: {other} " in run.log]
    assert not others, f"{name} was also reported as {others}"
