"""Two processes exchange messages through kernel endpoints."""


def test_ping_pong(boot, nonce, secret):
    run = boot(f"test=ipc.pingpong nonce={nonce}").ok()
    run.line("PING: ok", nonce=nonce, secret=secret)
    run.line("PONG: ok", nonce=nonce, secret=secret)
