"""A program calls the kernel and gets answers, and errors for what is wrong."""


def test_syscall_roundtrip(boot, nonce, secret):
    boot(f"test=user.syscall nonce={nonce}").ok().line("SYSCALL: ok", nonce=nonce, secret=secret)
