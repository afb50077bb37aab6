"""Under ./rugo test --coverage each machine has its memory in a file, where the kernel's counters are found when it has ended."""

import os
import pickle
import sys

from rugo.places import BUILD, COVERAGE, ROOT, TEST_BUILD

sys.path.insert(0, str(ROOT / "tools"))
import coverage  # noqa: E402  (tools/coverage.py)

FOLDER = BUILD / "coverage" / "counts"
counts = {}


def save(counted, machine):
    """After each machine, so that nothing is lost with a worker. Whoever reads the file meanwhile sees the whole of it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f"{os.getpid()}.machines", "a") as f:
        f.write(f"{'counted' if counted else 'nothing'} {machine}\n")
    new = FOLDER / f"{os.getpid()}.new"
    new.write_bytes(pickle.dumps(counts))
    new.rename(FOLDER / f"{os.getpid()}.counts")


class CountedMemory:
    """The memory of a machine that is about to start. Without --coverage it is nothing."""

    def __init__(self, cmdline, options):
        self.file = None
        self.machine = f"{os.environ.get('PYTEST_CURRENT_TEST')} {cmdline}"
        if COVERAGE:
            extra, self.file = coverage.options_for(BUILD / "coverage", options.get("mem") or 256)
            options["extra"] = [*options.get("extra", ()), *extra]

    def collect(self):
        """The machine has ended. Once is enough."""
        file, self.file = self.file, None
        if file and file.exists():
            save(coverage.collect(file, coverage.mark_offset(TEST_BUILD / "rugo.debug.elf"), counts), self.machine)
