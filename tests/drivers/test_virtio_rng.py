"""The driver of the entropy device, however the device is put together; its numbers are mixed in once it has answered."""

import pytest

ANSWERS = "RANDOM: virtio-rng answers"
VARIANTS = {
    "intx": ["-device", "virtio-rng-pci,vectors=0"],
    "modern": ["-device", "virtio-rng-pci,disable-legacy=on"],
    "transitional": ["-device", "virtio-rng-pci,disable-legacy=off"],
    "two": ["-device", "virtio-rng-pci", "-device", "virtio-rng-pci"],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers(boot, nonce, secret, variant):
    run = boot(f"test=user.random nonce={nonce}", extra=VARIANTS[variant])
    run.ok().line("RANDOM: ok", nonce=nonce, secret=secret)
    assert run.log.count(ANSWERS) == 1


def test_legacy_is_left_alone(boot, nonce, secret):
    """Without the interface of version 1 the machine does without it."""
    run = boot(f"test=user.random nonce={nonce}", extra=["-device", "virtio-rng-pci,disable-modern=on,disable-legacy=off"])
    run.ok().line("RANDOM: ok", nonce=nonce, secret=secret)
    assert ANSWERS not in run.log
