"""tools/mkpkg.py: what it makes, that it makes it twice the same, and what it says when it can't."""

import os
import subprocess

import pytest

from rugo.machine import BUILD, ROOT

CONF = "name = toy\nversion = 1.0\nprogram = toy\n"
SOURCE = '#include <stdio.h>\n#include "toy.h"\nint main() { puts(TEXT); return 0; }\n'


@pytest.fixture
def project(tmp_path):
    """A folder as a user would have it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pkg.conf").write_text(CONF)
    (folder / "toy.c").write_text(SOURCE)
    (folder / "toy.h").write_text('#define TEXT "toy: secret-text"\n')
    return folder


def mkpkg(project, out, *, build=BUILD):
    """(exit status, what it said); tools/mkpkg.py as ./rugo pkg calls it."""
    done = subprocess.run(["/usr/bin/python3", ROOT / "tools/mkpkg.py", "build", project, "-o", out],
                          env={**os.environ, "BUILD": str(build)}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def content(package):
    """Path → (mode, data) of a package, unpacked by cpio(1)."""
    data = package.read_bytes()
    payload = data[64 + int.from_bytes(data[12:16], "little"):]
    out = package.with_suffix(".unpacked")
    out.mkdir()
    subprocess.run(["cpio", "-i", "--quiet"], cwd=out, input=payload, check=True)
    return {str(path.relative_to(out)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in out.rglob("*")}


def test_programs_and_files(project, tmp_path):
    (project / "files/bin").mkdir(parents=True)
    (project / "files/bin/script").write_text("text")
    (project / "files/bin/script").chmod(0o700)
    (project / "files/link").symlink_to("bin/toy")
    (project / "pkg.conf").write_text(CONF + "program = other src/*.c\ncflags = -DTEXT='\"other\"'\n")
    (project / "toy.c").write_text(SOURCE.replace('#include "toy.h"\n', ""))
    (project / "src").mkdir()
    (project / "src/a.c").write_text("int b(void);\nint main(void) { return b(); }\n")
    (project / "src/b.c").write_text("int b(void);\nint b(void) { return 3; }\n")
    status, said = mkpkg(project, tmp_path / "toy.rpk")
    assert status == 0 and "toy.rpk: toy 1.0, " in said, said
    found = content(tmp_path / "toy.rpk")
    assert sorted(found) == ["bin", "bin/other", "bin/script", "bin/toy", "link"]
    assert found["bin/script"][0] == 0o100755 and found["bin"][0] == 0o040755
    elf = found["bin/toy"][1]
    assert elf[:4] == b"\x7fELF" and elf[16] == 3 and b"other" in elf and str(project).encode() not in elf


def test_the_same_twice(project, tmp_path):
    assert mkpkg(project, tmp_path / "a.rpk")[0] == 0
    moved = project.rename(tmp_path / "elsewhere")
    os.utime(moved / "toy.c", (1, 1))
    assert mkpkg(moved, tmp_path / "b.rpk")[0] == 0
    assert (tmp_path / "a.rpk").read_bytes() == (tmp_path / "b.rpk").read_bytes()


BAD_CONF = {
    "no name": ("version = 1\n", "pkg.conf: no `name`"),
    "no version": ("name = toy\n", "pkg.conf: no `version`"),
    "a bad name": ("name = ../toy\nversion = 1\n", "pkg.conf:1: `../toy` must be"),
    "two names": ("name = a\nname = b\n", "pkg.conf:2: a second `name`"),
    "an unknown key": (CONF + "colour = red\n", "pkg.conf:4: unknown key `colour`"),
    "no equals": ("name toy\n", "pkg.conf:1: expected `key = value`"),
    "a program twice": (CONF + "program = toy\n", "pkg.conf:4: a second program `toy`"),
    "a program without source": (CONF + "program = ghost\n", "program ghost: there is no "),
    "a long summary": (CONF + f"summary = {'x' * 129}\n", "pkg.conf:4: a summary of more than 128 bytes"),
}


@pytest.mark.parametrize("what", BAD_CONF)
def test_bad_configuration(project, tmp_path, what):
    text, words = BAD_CONF[what]
    (project / "pkg.conf").write_text(text)
    status, said = mkpkg(project, tmp_path / "toy.rpk")
    assert status == 1 and words in said, said
    assert not list(tmp_path.glob("toy.rpk*"))


def test_no_configuration(tmp_path):
    status, said = mkpkg(tmp_path, tmp_path / "toy.rpk")
    assert status == 1 and "pkg.conf: not there" in said


def test_a_program_that_does_not_compile(project, tmp_path):
    (project / "toy.c").write_text("int main(void) { return nothing; }\n")
    status, said = mkpkg(project, tmp_path / "toy.rpk")
    assert status == 1 and "nothing" in said and "mkpkg: gcc failed" in said
    assert not list(tmp_path.glob("toy.rpk*"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "x/../..", "deep/../../x"])
def test_links_that_leave(project, tmp_path, target):
    (project / "files").mkdir()
    (project / "files/link").symlink_to(target)
    status, said = mkpkg(project, tmp_path / "toy.rpk")
    assert status == 1 and "which may lie outside the package" in said


def test_other_bad_files(project, tmp_path):
    (project / "files/bin").mkdir(parents=True)
    for name, words in (("bin/toy", "comes twice"), ("pkg.conf", "keeps its manifest under that name"),
                        ("a\x1bb", "a control character")):
        (project / "files" / name).write_text("x")
        status, said = mkpkg(project, tmp_path / "toy.rpk")
        assert status == 1 and words in said, said
        (project / "files" / name).unlink()
    os.mkfifo(project / "files/tube")
    assert "neither file, folder nor link" in mkpkg(project, tmp_path / "toy.rpk")[1]


def test_without_a_build(project, tmp_path):
    status, said = mkpkg(project, tmp_path / "toy.rpk", build=tmp_path)
    assert status == 1 and "build Rugo first" in said
