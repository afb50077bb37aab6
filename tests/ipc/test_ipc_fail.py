"""Calls that go wrong: each side hears what the contract says, and nothing is left over."""


def test_failures(boot, nonce, secret):
    boot(f"test=ipc.fail nonce={nonce}").ok().line("IPC: failures ok", nonce=nonce, secret=secret)
