"""pkg at the prompt: every bad package refused, upgrades, full disks, leftovers. What is on the disk, the host sees itself."""

import subprocess
import sys
import time

import pytest

from rugo.machine import ROOT

sys.path.insert(0, str(ROOT / "tests/host"))
from pkgimage import FILE, FOLDER, LINK, MANIFEST, Entry, bad_packages, good_entries, package, payload  # noqa: E402

BAD = bad_packages()
REFUSED = "refused: "


def names_on_disk(image, folder):
    """Names in a folder of an image without . and .., as debugfs sees them; None if there is no such folder."""
    done = subprocess.run(["debugfs", "-R", f"ls -p {folder}", image], capture_output=True, text=True, check=True)
    if "not found" in done.stderr:
        return None
    fields = [line.split("/") for line in done.stdout.splitlines() if line.startswith("/")]
    return sorted(field[5] for field in fields if field[5] not in (".", "..") and field[1] != "0")


def read_from_disk(image, path):
    return subprocess.run(["debugfs", "-R", f"cat {path}", image], capture_output=True, check=True).stdout


def assert_clean(image):
    done = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def disk_of(make_disk, tmp_path):
    """disk_of({"name": bytes, …}) → an image with these files."""

    def make(files, **options):
        folder = tmp_path / "content"
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return make_disk(folder, **options)

    return make


def test_bad_packages(shell, disk_of):
    """Every kind of bad package at the prompt of one machine; then a good one, to show that all still works."""
    kinds = sorted(BAD)
    image = disk_of({f"bad/{i}.rpk": BAD[kind][0] for i, kind in enumerate(kinds)} | {"good.rpk": package()})
    sh = shell(disk=image, timeout=240)
    for i, kind in enumerate(kinds):
        output, status = sh.run(f"pkg install /bad/{i}.rpk")
        assert status == 1 and REFUSED in output and BAD[kind][1] in output, f"{kind}: {status}: {output}"
    assert sh.run("ls /pkg")[1] != 0, "a refused package made /pkg"
    assert sh.ok("pkg install /good.rpk") == "toy 1.0 installed\n"
    assert sh.shutdown().status == 0
    assert_clean(image)
    assert names_on_disk(image, "/pkg") == ["toy"]
    assert names_on_disk(image, "/pkg/toy") == ["bin", "bin-extra", "pkg.conf", "share"]


def test_flipped_bytes(shell, disk_of, rounds):
    """A package with one byte flipped, for bytes all over it."""
    good = package()
    places = range(0, len(good), max(1, len(good) // rounds(20, 200)))
    files = {}
    for at in places:
        bad = bytearray(good)
        bad[at] ^= 0x40
        files[f"{at}.rpk"] = bytes(bad)
    image = disk_of(files)
    sh = shell(disk=image, timeout=400)
    for at in places:
        output, status = sh.run(f"pkg install /{at}.rpk")
        assert status == 1 and REFUSED in output, f"byte {at}: {status}: {output}"
    assert sh.shutdown().status == 0
    assert names_on_disk(image, "/pkg") is None


def test_upgrade_and_removal(shell, disk_of):
    entries = [Entry(b"bin", FOLDER | 0o755), Entry(b"bin/toy", FILE | 0o755, b"new"), Entry(b"l", LINK | 0o777, b"bin/toy")]
    image = disk_of({"one.rpk": package(), "two.rpk": package(payload(*entries), MANIFEST.replace(b"1.0", b"2.0"))})
    sh = shell(disk=image)
    assert sh.ok("pkg install /one.rpk") == "toy 1.0 installed\n"
    assert sh.ok("pkg install /one.rpk") == "toy 1.0 is installed already\n"
    assert sh.ok("pkg list").split() == ["toy", "1.0", "A", "toy"]
    assert sh.ok("cat /pkg/toy/share/grüße") == "hi"
    assert sh.ok("pkg install /two.rpk") == "toy 2.0 installed, in place of 1.0\n"
    assert "version   2.0" in sh.ok("pkg info toy") and "version   1.0" in sh.ok("pkg info /one.rpk")
    assert sh.ok("cat /pkg/toy/l") == "new"
    assert sh.ok("pkg remove toy") == "toy 2.0 removed\n"
    assert sh.run("pkg remove toy") == ("pkg: toy: not installed\n", 1)
    assert sh.run("pkg install /three.rpk") == ("pkg: /three.rpk: No such file or directory\n", 1)
    assert sh.run("pkg fly")[1] == 2
    assert sh.ok("pkg install /two.rpk") == "toy 2.0 installed\n"
    assert sh.shutdown().status == 0
    assert_clean(image)
    assert names_on_disk(image, "/pkg") == ["toy"] and read_from_disk(image, "/pkg/toy/bin/toy") == b"new"


def test_full_disk(shell, disk_of):
    """A package larger than what is free: nothing is left of it, an older version stays, and there is room as before."""
    big = [*good_entries(), Entry(b"zbig", FILE | 0o644, bytes(range(256)) * 2400)]
    image = disk_of({"small.rpk": package(), "big.rpk": package(payload(*big), MANIFEST.replace(b"1.0", b"2.0"))}, mib=1)
    sh = shell(disk=image)
    output, status = sh.run("pkg install /big.rpk")
    assert status == 1 and "No space left on device" in output and "toy: not installed" in output
    assert sh.run("ls /pkg")[1] != 0, "a folder was left"
    assert sh.ok("pkg install /small.rpk") == "toy 1.0 installed\n"
    output, status = sh.run("pkg install /big.rpk")
    assert status == 1 and "No space left on device" in output and "toy: not upgraded" in output
    assert sh.ok("pkg list").split()[:2] == ["toy", "1.0"]
    assert sh.ok("cat /pkg/toy/share/grüße") == "hi"
    assert sh.shutdown().status == 0
    assert_clean(image)
    assert names_on_disk(image, "/pkg") == ["toy"]


def test_leftovers_go(shell, disk_of):
    """What interrupted runs left is cleaned up by the next pkg, and an old version comes back."""
    image = disk_of({"pkg/.tmp-a/deep/er/file": b"x", "pkg/.del-b/file": b"x",
                     "pkg/.old-c/pkg.conf": b"name = c\nversion = 3\n", "pkg/.old-c/data": b"precious"})
    sh = shell(disk=image)
    output = sh.ok("pkg list")
    assert "the old version is back" in output and output.splitlines()[-1].split() == ["c", "3"]
    assert sh.ok("cat /pkg/c/data") == "precious"
    assert sh.shutdown().status == 0
    assert_clean(image)
    assert names_on_disk(image, "/pkg") == ["c"]


def test_interrupted_installation(shell, disk_of, rounds):
    """Ctrl-C at some moment of an installation: the package is there whole or not at all, and nothing else is."""
    many = [Entry(b"d%03d" % i, FILE | 0o644, b"x" * 3000) for i in range(900)]
    image = disk_of({"many.rpk": package(payload(*good_entries()[:3], *many, *good_entries()[3:]))})
    sh = shell(disk=image, timeout=240)
    sh.ok("mkdir /pkg")
    interrupted = 0
    for i in range(rounds(5, 40)):
        sh.type("pkg install /many.rpk\r")
        time.sleep(0.1 + i * 0.1)
        sh.type("\x03")
        sh.expect(r"\^C")
        sh.type(f"echo round {i}\r")             # the key may come before, in or after the installation
        sh.expect(rf"\nround {i}\r*\n")
        sh.prompt()
        assert sh.output_of("pkg list").split()[-4:] in ([], ["toy", "1.0", "A", "toy"])
        present = sh.run("ls /pkg/toy")[1] == 0
        assert len(sh.ok("ls -a /pkg").split()) == (3 if present else 2)
        if present:
            assert len(sh.ok("ls /pkg/toy").split()) == 4 + len(many)
            sh.ok("pkg remove toy")
        else:
            interrupted += 1
    assert interrupted > 0, "no installation was slow enough to be interrupted"
    assert sh.shutdown().status == 0
    assert_clean(image)


def test_status_of_a_packaged_program(shell, rugo, disk_of, make_disk, secret, tmp_path):
    """Arguments go in, output and exit status come back; `run` and the bare name do the same."""
    project = tmp_path / "status"
    project.mkdir()
    (project / "pkg.conf").write_text("name = status\nversion = 0.1\nprogram = status\nprogram = second status.c\n")
    (project / "status.c").write_text(f'''#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {{ printf("{secret} %s\\n", argv[argc - 1]); return atoi(argv[argc - 1]); }}
''')
    rugo("pkg", "build", project, "-o", tmp_path / "status.rpk")
    sh = shell(disk=disk_of({"status.rpk": (tmp_path / "status.rpk").read_bytes()}))
    sh.ok("pkg install /status.rpk")
    assert sh.run("status 7") == (f"{secret} 7\n", 7)
    assert sh.run("run second 255") == (f"{secret} 255\n", 255)
    assert sh.run("/pkg/status/bin/second 0") == (f"{secret} 0\n", 0)
    assert sh.shutdown().status == 0
