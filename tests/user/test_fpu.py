"""Vector registers, MXCSR and the x87 control word belong to a thread."""

import pytest


@pytest.mark.parametrize("cpu,kind", [("max", "AVX"), ("max,-avx", "SSE"), ("max,-xsave", "SSE"), ("qemu64", "SSE")])
def test_fpu(boot, nonce, secret, cpu, kind):
    run = boot(f"test=user.fpu nonce={nonce}", extra=("-cpu", cpu), timeout=60)
    run.ok().line("FPU: ok", nonce=nonce, secret=secret)
    assert f"FPU: {kind}" in run.lines
