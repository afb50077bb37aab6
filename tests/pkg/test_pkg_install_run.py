"""A package made on the host is installed and its program run; files and exit status come back."""

import pytest

from rugo.machine import ROOT

SOURCE = """
#include <stdio.h>

int main(int argc, char **argv)
{
    printf("APP: hello world %s %d\\n", "@SECRET@", argc);
    return argc > 1 ? 42 : 0;
}
"""

CONFIG = """name = greeter
version = 1.0
program = greeter greeter.c
"""


@pytest.fixture
def package_disk(rugo, make_disk, secret, tmp_path):
    """A disk with a package of a C program that knows this session's secret."""
    project = tmp_path / "greeter"
    project.mkdir()
    (project / "greeter.c").write_text(SOURCE.replace("@SECRET@", secret))
    (project / "pkg.conf").write_text(CONFIG)
    rugo("pkg", "build", project, "-o", tmp_path / "greeter.rpk")
    image = make_disk()
    rugo("disk", "put", image, tmp_path / "greeter.rpk", "/greeter.rpk")
    return image


def test_pkg_install_run(shell, package_disk, secret):
    sh = shell(disk=package_disk)
    sh.ok("pkg install /greeter.rpk")
    assert "greeter" in sh.ok("pkg list")
    assert f"APP: hello world {secret} 1\n" in sh.ok("greeter")
    assert sh.run("run greeter x")[1] == 42
    sh.ok("pkg remove greeter")
    output, status = sh.run("greeter")
    assert status != 0 and "APP:" not in output
    assert sh.shutdown().status == 0


def test_pkg_scenario(boot, nonce, make_disk, tmp_path, rugo):
    rugo("pkg", "build", ROOT / "samples" / "hello", "-o", tmp_path / "hello.rpk")
    image = make_disk()
    rugo("disk", "put", image, tmp_path / "hello.rpk", "/hello.rpk")
    boot(f"test=pkg nonce={nonce}", disk=image).ok().line("APP: hello world", nonce=nonce)
