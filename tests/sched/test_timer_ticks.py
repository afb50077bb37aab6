"""The timer interrupts, a hundred times."""


def test_timer_ticks(boot, nonce):
    boot(f"test=ticks nonce={nonce}").ok().line("TICK: 100", nonce=nonce)
