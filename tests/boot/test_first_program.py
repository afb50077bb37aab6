"""The kernel does not trust the initrd: an archive or a first program that is broken is named, and nothing is started."""

import struct

import pytest

from rugo.machine import TEST_BUILD

PT_LOAD = 1
NAME = "bin/svcman"


def member(name, content, *, magic=b"070701", size=None, name_size=None, end=b"\0"):
    """A file in an archive in the format newc; size and name_size are what its header claims."""
    fields = [0] * 13
    fields[6] = len(content) if size is None else size
    fields[11] = len(name) + 1 if name_size is None else name_size
    head = magic + b"".join(f if isinstance(f, bytes) else b"%08x" % f for f in fields) + name.encode() + end
    head += bytes(-len(head) % 4)
    return head + content + bytes(-len(content) % 4)


def program():
    """svcman's program, out of this session's initrd."""
    archive, at = (TEST_BUILD / "initrd.cpio").read_bytes(), 0
    while True:
        size, name = (int(archive[at + i:at + i + 8], 16) for i in (54, 94))
        data = (at + 110 + name + 3) & ~3
        if archive[at + 110:at + 109 + name] == NAME.encode():
            return bytearray(archive[data:data + size])
        at = (data + size + 3) & ~3


def changed(**values):
    """The program with other values in its header, or (seg_…) in the header of its last loaded segment."""
    header = {"machine": (18, "H"), "type": (16, "H"), "phoff": (32, "Q"), "phentsize": (54, "H"), "phnum": (56, "H"),
              "class": (4, "B")}
    segment = {"seg_offset": (8, "Q"), "seg_vaddr": (16, "Q"), "seg_filesz": (32, "Q"), "seg_memsz": (40, "Q")}
    elf = program()
    phoff, phnum = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<H", elf, 56)[0]
    loaded = [at for at in range(phoff, phoff + 56 * phnum, 56) if struct.unpack_from("<I", elf, at)[0] == PT_LOAD]
    for field, value in values.items():
        offset, kind = header[field] if field in header else segment[field]
        struct.pack_into("<" + kind, elf, offset + (0 if field in header else loaded[-1]), value)
    return bytes(elf)


MISSING, NO_ELF, HEADERS, SEGMENT = "not in the initrd", "not a static-PIE ELF64 program", "bad program headers", "bad segment"

BROKEN = {
    "no such file": (lambda: member("bin/other", b"x"), MISSING),
    "another format": (lambda: member(NAME, b"x", magic=b"070702"), MISSING),
    "size is no number": (lambda: member(NAME, b"x", size=b"0000000@"), MISSING),
    "length of the name is no number": (lambda: member(NAME, b"x", name_size=b"g0000000"), MISSING),
    "no name": (lambda: member(NAME, b"x", name_size=0), MISSING),
    "name past the end": (lambda: member(NAME, b"x", name_size=0xffffffff), MISSING),
    "file past the end": (lambda: member(NAME, b"x", size=0xffffffff), MISSING),
    "name without end": (lambda: member(NAME, b"x", end=b"y"), MISSING),
    "empty": (lambda: member(NAME, b""), NO_ELF),
    "32 bits": (lambda: member(NAME, changed(**{"class": 1})), NO_ELF),
    "not to be moved": (lambda: member(NAME, changed(type=2)), NO_ELF),
    "another machine": (lambda: member(NAME, changed(machine=183)), NO_ELF),
    "odd program headers": (lambda: member(NAME, changed(phentsize=32)), HEADERS),
    "program headers elsewhere": (lambda: member(NAME, changed(phoff=2**64 - 56)), HEADERS),
    "too many program headers": (lambda: member(NAME, changed(phnum=0xffff)), HEADERS),
    "segment past the end": (lambda: member(NAME, changed(seg_offset=2**64 - 4096)), SEGMENT),
    "segment longer than the file": (lambda: member(NAME, changed(seg_filesz=2**40, seg_memsz=2**40)), SEGMENT),
    "more in the file than in memory": (lambda: member(NAME, changed(seg_memsz=0x10, seg_filesz=0x20)), SEGMENT),
    "segment in the kernel": (lambda: member(NAME, changed(seg_vaddr=2**64 - 4096)), SEGMENT),
    "segment without end": (lambda: member(NAME, changed(seg_memsz=2**64 - 1)), SEGMENT),
    "one segment on another": (lambda: member(NAME, changed(seg_vaddr=0)), "segment can't be mapped"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(boot, tmp_path, name):
    make, reason = BROKEN[name]
    for file in ("rugo.elf", "shim.elf"):
        (tmp_path / file).symlink_to((TEST_BUILD / file).resolve())
    (tmp_path / "initrd.cpio").write_bytes(make())
    run = boot("test=user.hello", build=tmp_path, timeout=20)
    assert run.status == 1
    run.line(f"first program {NAME}: {reason}")
