"""The host's own look at the machine: its registers and physical memory, by QEMU's monitor protocol."""

import contextlib
import re
import time
from pathlib import Path

from qemu.qmp import ExecInterruptedError
from qemu.qmp.legacy import QEMUMonitorProtocol


class Qmp:
    """A connection to a machine that was started with qmp=SOCKET."""

    def __init__(self, socket, patience=10):
        deadline = time.monotonic() + patience
        while not Path(socket).exists():
            assert time.monotonic() < deadline, f"QEMU made no QMP socket within {patience} s"
            time.sleep(0.02)
        self.monitor = QEMUMonitorProtocol(str(socket))
        self.monitor.connect(negotiate=True)
        self.scratch = Path(str(socket) + ".mem")

    def hmp(self, command):
        """What the human monitor answers."""
        return self.monitor.cmd("human-monitor-command", **{"command-line": command})

    def last(self, command):
        """As hmp, for a command that ends the machine, perhaps before it answers."""
        with contextlib.suppress(ExecInterruptedError):
            self.hmp(command)
        with contextlib.suppress(EOFError):
            self.monitor.close()
        self.monitor = None

    def stop(self):
        """Freeze the guest, so that what is read belongs together."""
        self.monitor.cmd("stop")

    def registers(self, cpu=0):
        """Name → value of a CPU's control registers, EFER, RIP and the rest of `info registers`."""
        self.hmp(f"cpu {cpu}")
        text = self.hmp("info registers")
        return {name: int(value, 16) for name, value in re.findall(r"\b([A-Z][A-Z0-9]*)\s*=\s*([0-9a-f]{8,16})\b", text)}

    def physical(self, address, size):
        """Bytes of the guest's physical memory."""
        self.monitor.cmd("pmemsave", val=address, size=size, filename=str(self.scratch))
        data = self.scratch.read_bytes()
        self.scratch.unlink()
        return data

    def close(self):
        if self.monitor:
            self.monitor.close()
