"""Where what the tests use is built."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

# The build as the tests see it: the kernel that checks itself, the shim, and the initrd with this session's secret.
# ./rugo test --coverage: the kernel that counts its branches.
COVERAGE = bool(os.environ.get("RUGO_COVERAGE"))
TEST_BUILD = BUILD / ("coverage" if COVERAGE else "test")
# The same with the kernel that people run, for what must be known of that one.
ORDINARY_BUILD = BUILD / "test" / "ordinary"
