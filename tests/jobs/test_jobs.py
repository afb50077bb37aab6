"""Jobs: what they may use, who pays for it, and how a whole tree of them ends."""

import secrets

import pytest


def test_limits(boot, nonce, secret):
    boot(f"test=job.limits nonce={nonce}").ok().line("JOB: limits ok", nonce=nonce, secret=secret)


def test_start(boot, nonce, secret):
    boot(f"test=job.start nonce={nonce}").ok().line("JOB: start ok", nonce=nonce, secret=secret)


def test_list(boot):
    """Processes of a job are all listed, however many there are."""
    boot("test=job.list").ok().line("MANY: 1200 listed")


@pytest.mark.parametrize("smp", [1, 4])
def test_out_of_memory(boot, nonce, secret, smp):
    """The job to blame is ended and named; its neighbour lives on."""
    run = boot(f"test=job.oom nonce={nonce}", mem=64, smp=smp).ok()
    run.line("JOB: out of memory ok", nonce=nonce, secret=secret)
    said = [line for line in run.lines if line.startswith("OOM: ")]
    assert len(said) >= 2 and all("name=hog with " in line for line in said)


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_races(boot, nonce, secret, rounds, smp):
    """Whole trees are killed while other processors make, start and meddle with what is in them."""
    seed = secrets.randbits(40) | 1
    run = boot(f"test=job.race seed={seed} count={rounds(15, 500)} nonce={nonce}", smp=smp, timeout=rounds(120, 3000))
    run.ok().line("JOB: races ok", nonce=nonce, secret=secret)
