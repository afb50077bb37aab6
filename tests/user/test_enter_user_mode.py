"""A program in ring 3 says hello, with a secret that the kernel does not know."""


def test_enter_user_mode(boot, nonce, secret):
    boot(f"test=user.hello nonce={nonce}").ok().line("USER: hello", nonce=nonce, secret=secret)
