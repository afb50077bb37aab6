"""Random numbers: with and without RDRAND and virtio-rng, on several processors, and the same ones when seed= says so."""

import pytest

PLAIN = ["-cpu", "qemu64"]                # has no RDRAND
DEVICE = ["-device", "virtio-rng-pci"]


def first(run, nonce):
    line = run.ok().line("RANDOM: auxv=", nonce=nonce)
    return [word.partition("=")[2] for word in line.split() if word.startswith(("auxv=", "call="))]


@pytest.mark.parametrize("extra", [[], PLAIN, DEVICE, PLAIN + DEVICE], ids=["rdrand", "jitter", "virtio", "jitter-virtio"])
def test_sources(boot, nonce, secret, extra):
    run = boot(f"test=user.random nonce={nonce}", extra=extra)
    run.ok().line("RANDOM: ok", nonce=nonce, secret=secret)
    assert ("RANDOM: virtio-rng answers" in run.log) == (DEVICE[1] in extra)
    assert "can be foreseen" not in run.log
    other = boot(f"test=user.random nonce={nonce}", extra=extra)
    numbers = first(run, nonce) + first(other, nonce)
    assert len(set(numbers)) == 4, "numbers that repeat"


@pytest.mark.parametrize("smp", [2, 4, 8])
def test_processors(boot, nonce, secret, smp):
    boot(f"test=user.random nonce={nonce}", smp=smp).ok().line("RANDOM: ok", nonce=nonce, secret=secret)


def test_seed(boot, nonce):
    """Numbers of a given seed repeat, and only they; the log warns."""
    runs = [boot(f"test=user.random nonce={nonce} seed={seed}", icount=True, extra=extra)
            for seed, extra in ((5, []), (5, DEVICE), (6, []))]
    for run in runs:
        run.line("RANDOM: seed= is given: random numbers can be foreseen")
    a, b, c = (first(run, nonce) for run in runs)
    assert a == b
    assert not set(a) & set(c)
