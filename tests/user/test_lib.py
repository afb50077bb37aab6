"""The user runtime on the real kernel: threads, heap, children, refused programs, and nothing left behind."""


def test_lib(boot, nonce, secret):
    boot(f"test=user.lib nonce={nonce}").ok().line("LIB: ok", nonce=nonce, secret=secret)
