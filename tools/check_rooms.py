#!/usr/bin/env python3
"""Calls run downhill: read every #include line and say where a stair is climbed the wrong way.

    check_rooms.py              check the tree; exit 1 and name each wrong line
    check_rooms.py --self-test  check this program with good and bad examples

The stairs of the kernel, from the top to the cellar; a room includes only itself and rooms below it, so rooms on
one step do not see each other (except in the cellar):

    main.c, selftest → entry → syscall → ipc, dev → proc → sched → mm → object → x86, klib

Outside it: services, apps and tests/prog see lib and the contract (services/*.h is common to services); lib sees the contract; the kernel sees the
contract; the shim sees only what boot protocol it shares with the kernel. Programs do not see each other.
"""

import re
import subprocess
import sys
from pathlib import Path

STEPS = [["main", "selftest"], ["entry"], ["syscall"], ["ipc", "dev"], ["proc"], ["sched"], ["mm"], ["object"], ["x86", "klib"]]
DEPTH = {room: depth for depth, step in enumerate(STEPS) for room in step}
TOP, CELLAR = 0, len(STEPS) - 1

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')

# The only header that boot/shim shares with the kernel: the protocol between them.
BOOT_PROTOCOL = "entry/limine.h"


def room_of(path):
    """The room that a file of the tree belongs to: ("kernel", "mm"), ("services", "fsd"), ("lib", "")."""
    parts = Path(path).parts
    if parts[:2] == ("tests", "prog"):
        return "program", "tests/prog"
    if parts[0] == "kernel":
        return "kernel", parts[1] if len(parts) > 2 else "main"
    if parts[0] == "services" and len(parts) > 2:
        return "program", "services/" + parts[1]
    if parts[0] == "apps":
        return "program", "apps/" + parts[1].removesuffix(".c")
    if parts[0] == "lib":
        return "lib", ""
    if parts[:2] == ("boot", "shim"):
        return "shim", ""
    return None, None


def kernel_complaint(room, name):
    """Why a file of this kernel room may not include "name", or None."""
    if room not in DEPTH:
        return f"kernel/{room} is on no step of the stairs (tools/check_rooms.py)"
    target = name.split("/")[0]
    if target in ("lib", "services", "apps", "tests", "boot"):
        return "the kernel does not see programs, their library or loaders"
    if "/" not in name or target not in DEPTH or target == room:
        return None
    here, there = DEPTH[room], DEPTH[target]
    if here == TOP or here < there or here == there == CELLAR:
        return None
    if here == there:
        return f"{room} and {target} stand on one step and do not see each other"
    return f"{room} lies below {target}: calls run downhill"


def complaint(path, bracket, name):
    """Why the file at path may not have this #include line, or None."""
    kind, room = room_of(path)
    if kind is None or name.startswith("rugo/") and bracket == "<":
        return None
    if name.startswith("../") or "/../" in name:
        return "include from the root of the tree, not by .."
    if kind == "kernel":
        return kernel_complaint(room, name) if bracket == '"' else None
    target = name.split("/")[0]
    if target == "kernel" or (bracket == '"' and "/" in name and target in DEPTH and kind != "shim"):
        return "only the kernel sees the kernel's headers"
    if kind == "shim":
        in_kernel = "/" in name and target in DEPTH
        return f"the shim shares only {BOOT_PROTOCOL} with the kernel" if in_kernel and name != BOOT_PROTOCOL else None
    if target in ("services", "apps"):
        if kind == "lib":
            return "lib lies below services and apps"
        shared = name.startswith("services/") and name.count("/") == 1
        if not shared and not f"{name}/".startswith(room + "/") and not name.startswith(room + "."):
            return "programs do not see each other: they talk through abi/ipc"
    return None


def check_tree():
    """Print each wrong line; the number of them."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h", "*.S"],
                           capture_output=True, text=True, check=True).stdout.split()
    wrong = 0
    for path in filter(lambda p: Path(p).is_file(), files):
        for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            why = match and complaint(path, *match.groups())
            if why:
                print(f"{path}:{number}: {line.strip()}: {why}", file=sys.stderr)
                wrong += 1
    return wrong


GOOD = [
    ("kernel/entry/trap.c", '#include "mm/fault.h"'),
    ("kernel/syscall/sys_ipc.c", '#include "ipc/endpoint.h"'),
    ("kernel/x86/serial.c", '#include "klib/spinlock.h"'),
    ("kernel/klib/spinlock.h", '#include "x86/cpu.h"'),
    ("kernel/main.c", '#include "entry/limine.h"'),
    ("kernel/mm/vm.c", '#include "mm/frame.h"'),
    ("kernel/syscall/table.c", '#include "syscall_table.h"'),
    ("kernel/mm/vm.c", "#include <rugo/abi.h>"),
    ("boot/shim/main.c", '#include "entry/limine.h"'),
    ("services/fsd/main.c", '#include "services/fsd/fs.h"'),
    ("services/fsd/main.c", '#include "services/say.h"'),
    ("apps/sh/line.c", '#include "apps/sh/line.h"'),
    ("apps/cat.c", "#include <stdio.h>"),
    ("lib/file.c", "#include <rugo/proto_file.h>"),
    ("tests/host/test_fs.c", '#include "services/fsd/fs.h"'),
]

BAD = [
    ("kernel/mm/vm.c", '#include "sched/thread.h"'),
    ("kernel/ipc/port.c", '#include "dev/pci.h"'),
    ("kernel/dev/pci.c", '#include "ipc/port.h"'),
    ("kernel/klib/panic.c", '#include "object/object.h"'),
    ("kernel/proc/process.c", '#  include "syscall/user.h"'),
    ("kernel/entry/trap.c", '#include "main/main.h"'),
    ("kernel/mm/vm.c", '#include "lib/string.h"'),
    ("kernel/mm/vm.c", '#include "../sched/thread.h"'),
    ("kernel/attic/old.c", '#include "klib/list.h"'),
    ("lib/file.c", '#include "services/fsd/fs.h"'),
    ("lib/file.c", '#include "kernel/mm/vm.h"'),
    ("apps/cat.c", '#include "mm/vm.h"'),
    ("apps/cat.c", '#include "services/fsd/fs.h"'),
    ("services/console/main.c", '#include "services/fsd/fs.h"'),
    ("tests/prog/hello.c", '#include "klib/list.h"'),
    ("boot/shim/main.c", '#include "mm/vm.h"'),
]


def self_test():
    """Print each example that is judged wrongly; the number of them."""
    failures = 0
    for examples, expected in ((GOOD, False), (BAD, True)):
        for path, line in examples:
            match = INCLUDE.match(line)
            if match is None or bool(complaint(path, *match.groups())) != expected:
                print(f"self-test: {path}: {line}: should {'not ' if expected else ''}be allowed", file=sys.stderr)
                failures += 1
    return failures


if __name__ == "__main__":
    sys.exit(1 if (self_test() if "--self-test" in sys.argv[1:] else check_tree()) else 0)
