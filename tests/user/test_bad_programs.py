"""Broken programs on a disk: each is refused with its reason, the shell goes on, and nothing is left of them."""

import re
import struct
import subprocess

from rugo.machine import TEST_BUILD

PHDR = 64                               # where ld puts the program headers
SIZE = 56                               # of one


def field(image, offset, form, value):
    changed = bytearray(image)
    struct.pack_into("<" + form, changed, offset, value)
    return bytes(changed)


def segment(image, number, offset, form, value):
    return field(image, PHDR + SIZE * number + offset, form, value)


def broken(good):
    """(name, image, what the reason must contain)."""
    text = 1                            # ld's order: headers, text, read-only data, data
    at = struct.unpack_from("<Q", good, PHDR + SIZE * text + 16)[0]
    return [
        ("empty", b"", "too short"),
        ("script", b"#!/bin/sh\necho hello\n", "ELF"),
        ("zeros", bytes(8192), "not an ELF"),
        ("magic", field(good, 0, "B", 0x7e), "not an ELF"),
        ("class", field(good, 4, "B", 1), "64-bit"),
        ("order", field(good, 5, "B", 2), "little-endian"),
        ("version", field(good, 20, "I", 3), "version"),
        ("system", field(good, 7, "B", 9), "another system"),
        ("machine", field(good, 18, "H", 183), "x86-64"),
        ("type", field(good, 16, "H", 1), "executable"),
        ("headers", field(good, 32, "Q", 1 << 63), "outside the file"),
        ("headersize", field(good, 54, "H", 32), "wrong size"),
        ("count", field(good, 56, "H", 60000), "too many"),
        ("none", field(good, 56, "H", 0), "no program headers"),
        ("entry", field(good, 24, "Q", 0xffff800000000000), "entry"),
        ("noexec", field(good, 24, "Q", 8), "executable segment"),
        ("wx", segment(good, text, 4, "I", 7), "writable and executable"),
        ("kernel", segment(good, text, 16, "Q", 0xffff800000000000 + at), "outside the user"),
        ("overlap", segment(good, 0, 40, "Q", 0x100000), "overlap"),
        ("giant", segment(good, 3, 40, "Q", 1 << 62), "outside the user"),
        ("large", segment(good, 3, 40, "Q", 1 << 46), "too large"),
        ("larger", segment(good, text, 40, "Q", 16), "larger in the file"),
        ("outside", segment(good, text, 8, "Q", 1 << 40), "outside the file"),
        ("align", segment(good, text, 48, "Q", 3), "power of two"),
        ("shifted", segment(good, text, 8, "Q", 0x800), "do not agree"),
        ("interp", segment(good, 0, 0, "I", 3), "dynamic linker"),
        ("short", good[:len(good) // 2], "outside the file"),
    ]


def counted(prompt):
    """(used KiB, processes, threads, handles, sessions, memory objects, ports)"""
    text = prompt.ok("free")
    used = int(text.splitlines()[1].split()[2])
    return [used, *(int(n) for n in re.findall(r"(\d+) (?:processes|threads|handles|sessions|memory objects|ports)", text))]


def test_broken_programs_are_refused(shell, make_disk, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    good = (TEST_BUILD / "initrd" / "bin" / "true").read_bytes()
    cases = broken(good)
    for name, image, _ in [*cases, ("good", good, "")]:
        (folder / name).write_bytes(image)
        (folder / name).chmod(0o755)
    (folder / "plain").write_bytes(good)
    (folder / "plain").chmod(0o644)
    prompt = shell(disk=make_disk(folder))
    prompt.ok("/good")
    for name in [*(case[0] for case in cases), "plain"]:    # fsd keeps what was asked for
        prompt.run(f"/{name}")
    before = counted(prompt)
    for name, _, reason in cases:
        printed, status = prompt.run(f"/{name}")
        assert status not in (0, 1) and f"/{name}" in printed and reason in printed, f"{name}: {status}: {printed}"
    printed, status = prompt.run("/plain")
    assert status == 126 and "permission" in printed
    prompt.ok("/good")
    after = counted(prompt)
    assert after[1:] == before[1:]
    assert after[0] <= before[0] + 512, f"{before[0]} KiB were used, now {after[0]}"     # fsd's cache may have grown
    assert prompt.shutdown().status == 0
