"""Address spaces and memory objects: the rules, the errors, and many threads at once."""

import pytest


@pytest.mark.parametrize("smp", [1, 2])
def test_rules(boot, nonce, secret, smp):
    boot(f"test=vm.rules nonce={nonce}", smp=smp).ok().line("VM: rules ok", nonce=nonce, secret=secret)


@pytest.mark.parametrize("smp", [1, 2, 4, 8])
def test_smp(boot, nonce, secret, smp, rounds):
    boot(f"test=vm.smp nonce={nonce} rounds={rounds(20, 400)}", smp=smp, timeout=120).ok() \
        .line("VM: smp ok", nonce=nonce, secret=secret)


def test_dma(boot, nonce, secret, tmp_path):
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(range(256)) * 4096)
    boot(f"test=vm.dma nonce={nonce}", disk=disk).ok().line("VM: dma ok", nonce=nonce, secret=secret)
    assert disk.read_bytes() == bytes(range(256)) * 4096
