"""10,000 registrations and 10,000 timers cost no more in use than 10: counted in instructions."""

from rugo.machine import ORDINARY_BUILD


def values(run, what, n, nonce):
    line = run.line(f"SCALE: {what}", n=n, nonce=nonce)
    return {key: int(value) for key, value in (word.split("=") for word in line.split() if "=" in word and "nonce" not in word)}


def test_scale(boot, nonce, secret):
    run = boot(f"test=ipc.scale nonce={nonce}", build=ORDINARY_BUILD, icount=True, timeout=120).ok()
    run.line("SCALE: ok", nonce=nonce, secret=secret)
    few, many = (values(run, "port", n, nonce) for n in (10, 10000))
    # Waiting does not know how many there are; entering and leaving go through a tree, log2(10000) deep or somewhat more.
    for call in ("wait", "poll"):
        assert abs(many[call] - few[call]) <= 0.03 * few[call], f"{call}: {few[call]} and {many[call]} instructions"
    for call in ("add", "del", "signal"):
        assert many[call] <= few[call] + 400, f"{call}: {few[call]} and {many[call]} instructions"
    few, many = (values(run, "timers", n, nonce) for n in (10, 10000))
    for call in ("arm", "cancel"):
        assert many[call] <= few[call] + 400, f"{call}: {few[call]} and {many[call]} instructions"
