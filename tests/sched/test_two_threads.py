"""Two threads that never yield both get on: the timer takes the CPU from each."""

import itertools
import re


def test_two_threads(boot, nonce):
    run = boot(f"test=threads nonce={nonce}").ok()
    letters = "".join(re.findall(r"^[AB]+$", run.log, re.M))
    turns = [letter for letter, _ in itertools.groupby(letters)]
    assert turns.count("A") >= 3 and turns.count("B") >= 3, f"not interleaved: {letters[:200]!r}"
