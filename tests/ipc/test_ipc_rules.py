"""What abi/syscall.def promises about endpoints, sessions, messages and ports, seen from user mode."""


def test_rules(boot, nonce, secret):
    boot(f"test=ipc.rules nonce={nonce}").ok().line("IPC: rules ok", nonce=nonce, secret=secret)
