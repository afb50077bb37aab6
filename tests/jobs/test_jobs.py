"""Jobs: what they may use, who pays for it, and how a whole tree of them ends."""


def test_limits(boot, nonce, secret):
    boot(f"test=job.limits nonce={nonce}").ok().line("JOB: limits ok", nonce=nonce, secret=secret)
