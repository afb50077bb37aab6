"""Running programs leaves nothing behind: objects and memory are the same after many as after a few."""

import re


def measure(sh):
    """Counts of kernel objects, and KiB of the kernel and of all processes but fsd, which fills its cache."""
    text = sh.ok("free")
    sizes = {"kernel": int(re.search(r"memory +\d+ +\d+ +\d+ +(\d+)", text).group(1))}
    for line in sh.ok("ps").splitlines()[1:]:
        fields = line.split()
        if fields[-1] not in ("ps", "fsd"):
            sizes[fields[-1]] = int(fields[5])
    return re.search(r"objects: (.*)", text).group(1), sizes


def test_nothing_is_left_behind(shell, rounds, make_disk):
    sh = shell(disk=make_disk(), timeout=300)
    commands = ["true", "ls / > /list", "cat < /list", "no-such-program", "/boot/test/user_fault null", "mkdir /d; rmdir /d",
                "sh -c 'echo a; false'", "cp /list /copy; rm /copy", "svc", "kill -9 999999"]
    for command in commands * 3:
        sh.run(command)
    measure(sh)                         # fsd keeps its two programs as well
    objects, sizes = measure(sh)
    for command in commands * rounds(10, 200):
        sh.run(command)
    objects_after, sizes_after = measure(sh)
    assert objects_after == objects
    for name, size in sizes.items():
        assert sizes_after[name] <= size + 16, f"{name} grew from {size} to {sizes_after[name]} KiB"
