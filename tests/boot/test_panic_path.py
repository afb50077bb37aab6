"""A panic says why and where, and ends the run with failure."""

import re
import secrets


def test_panic_path(boot, nonce):
    code = f"{secrets.randbits(31) | 1:#x}"
    run = boot(f"test=panic code={code} nonce={nonce}")
    assert run.status == 1
    run.line(f"RUGO: panic code={code}", nonce=nonce)


def test_backtrace_has_names(boot, nonce):
    run = boot(f"test=panic code=0x1 nonce={nonce}")
    after = run.log[run.log.index("RUGO: panic"):]
    frames = re.findall(r"\b([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+", after)
    assert "kmain" in frames or any(name.endswith("_main") or "thread" in name for name in frames), \
        f"the backtrace does not lead back to where the kernel began: {frames}"
    assert len(frames) >= 2, "a backtrace of fewer than two frames"
