"""A thread is found among 1,000 of its process as fast as among 10: counted in instructions."""

from rugo.machine import ORDINARY_BUILD


def values(run, n, nonce):
    line = run.line("SCALE: threads", n=n, nonce=nonce)
    return {key: int(value) for key, value in (word.split("=") for word in line.split() if "=" in word and "nonce" not in word)}


def test_scale(boot, nonce, secret):
    run = boot(f"test=sched.scale nonce={nonce}", build=ORDINARY_BUILD, icount=True, timeout=120).ok()
    run.line("SCALE: ok", nonce=nonce, secret=secret)
    few, many = (values(run, n, nonce) for n in (10, 1000))
    # A tree: log2(1000) steps deep, or up to twice that.
    for call in ("find", "look"):
        assert many[call] <= few[call] + 200, f"{call}: {few[call]} and {many[call]} instructions"
