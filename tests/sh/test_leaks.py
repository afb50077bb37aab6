"""Running programs leaves nothing behind: objects and memory are the same after many as after a few."""

import re


def measure(sh):
    text = sh.ok("free")
    used = int(re.search(r"memory +\d+ +(\d+)", text).group(1))
    return used, re.search(r"objects: (.*)", text).group(1)


def test_nothing_is_left_behind(shell, rounds, make_disk):
    sh = shell(disk=make_disk(), timeout=300)
    commands = ["true", "ls / > /list", "cat < /list", "no-such-program", "/boot/test/user_fault null", "mkdir /d; rmdir /d",
                "sh -c 'echo a; false'", "cp /list /copy; rm /copy", "svc", "kill -9 999999"]
    for command in commands * 3:
        sh.run(command)
    used, objects = measure(sh)
    for command in commands * rounds(10, 200):
        sh.run(command)
    used_after, objects_after = measure(sh)
    assert objects_after == objects
    assert used_after <= used + 64, f"{used_after - used} KiB more after many programs"
