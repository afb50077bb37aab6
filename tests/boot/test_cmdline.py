"""The command line reaches the kernel byte for byte, whichever loader carries it."""

import random
import string

import pytest

# All that some loader between the user and the kernel has a meaning for.
AWKWARD = r"""  'single' "double" it's a\b \\ \" \' \x41 \n $HOME ${x} `id` a,b,,c {x;y} # & | <i> * ? [z] ~ = %d %s ümläut é  end\ """
LIMIT = 4095


def noise(length):
    alphabet = string.ascii_letters + string.digits + string.punctuation + " "
    return "".join(random.choices(alphabet, k=length))


TEXTS = {
    "awkward": AWKWARD,
    "thousand": noise(1200),
    "longest": "x" * (LIMIT - len("test=cmdline ")),
    "quotes": "'x\"" * 1300,
    "backslashes": "\\" * 2000 + "$" * 2000,
}


def check(boot, text, how):
    cmdline = "test=cmdline " + text
    run = boot(cmdline, boot=how, timeout=90)
    assert f"CMDLINE: {len(cmdline.encode())} {cmdline}" in run.lines
    run.ok()


@pytest.mark.parametrize("how", ["direct", "bios"])
@pytest.mark.parametrize("name", TEXTS)
def test_byte_identical(boot, how, name):
    check(boot, TEXTS[name], how)


@pytest.mark.parametrize("name", ["awkward", "thousand"])
def test_byte_identical_uefi(boot, name):
    check(boot, TEXTS[name], "uefi")


def test_spaces_in_the_folders_name(boot, tmp_path):
    """QEMU itself cuts a module's name at the first space."""
    from rugo.machine import TEST_BUILD

    folder = tmp_path / "with spaces, and a comma"
    folder.symlink_to(TEST_BUILD.resolve())
    for how in ("direct", "bios"):
        run = boot("test=cmdline a,b", boot=how, build=folder).ok()
        assert "CMDLINE: 16 test=cmdline a,b" in run.lines


def test_too_long_for_the_shim(boot):
    """The runner refuses it first, so QEMU gets it behind the runner's back."""
    from rugo.machine import TEST_BUILD

    modules = f"{TEST_BUILD / 'rugo.elf'} {'y' * (LIMIT + 1)},{TEST_BUILD / 'initrd.cpio'}"
    run = boot("test=cmdline", extra=["-initrd", modules], timeout=20)
    assert run.status == 1
    assert "SHIM: error: the kernel's command line is longer than 4095 bytes" in run.log
