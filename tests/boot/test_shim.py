"""The shim refuses a kernel file that it cannot trust, and the kernel takes what a loader may do to it."""

import secrets
import struct

import pytest

from rugo.machine import TEST_BUILD

PHDR_SIZE = 56
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_RELA, DT_RELASZ = 7, 8


class Elf:
    """The kernel's ELF file, to be broken: fields by name, written in place."""

    HEADER = {"class": (4, "B"), "data": (5, "B"), "type": (16, "H"), "machine": (18, "H"), "entry": (24, "Q"),
              "phoff": (32, "Q"), "phentsize": (54, "H"), "phnum": (56, "H")}
    PHDR = {"type": (0, "I"), "flags": (4, "I"), "offset": (8, "Q"), "vaddr": (16, "Q"), "filesz": (32, "Q"),
            "memsz": (40, "Q")}

    def __init__(self, data):
        self.data = bytearray(data)
        self.phoff = self.get("phoff")
        self.phnum = self.get("phnum")

    def get(self, field):
        offset, kind = self.HEADER[field]
        return struct.unpack_from("<" + kind, self.data, offset)[0]

    def set(self, field, value):
        offset, kind = self.HEADER[field]
        struct.pack_into("<" + kind, self.data, offset, value)

    def segments(self, kind):
        """Offsets in the file of the program headers of this type."""
        headers = range(self.phoff, self.phoff + self.phnum * PHDR_SIZE, PHDR_SIZE)
        return [at for at in headers if struct.unpack_from("<I", self.data, at)[0] == kind]

    def segment_get(self, at, field):
        offset, kind = self.PHDR[field]
        return struct.unpack_from("<" + kind, self.data, at + offset)[0]

    def segment_set(self, at, field, value):
        offset, kind = self.PHDR[field]
        struct.pack_into("<" + kind, self.data, at + offset, value)

    def dynamic(self, tag):
        """The offset in the file of the value of a dynamic entry."""
        at = self.segment_get(self.segments(PT_DYNAMIC)[0], "offset")
        while struct.unpack_from("<Q", self.data, at)[0] != tag:
            at += 16
        return at + 8

    def relocations(self):
        """The offset in the file of the relocation table."""
        address = struct.unpack_from("<Q", self.data, self.dynamic(DT_RELA))[0]
        for at in self.segments(PT_LOAD):
            start = self.segment_get(at, "vaddr")
            if start <= address < start + self.segment_get(at, "filesz"):
                return address - start + self.segment_get(at, "offset")
        raise AssertionError("the kernel's relocation table is in no segment")


def header(field, value):
    return lambda elf: elf.set(field, value)


def segment(number, field, value):
    return lambda elf: elf.segment_set(elf.segments(PT_LOAD)[number], field, value)


def poke(where, value):
    return lambda elf: struct.pack_into("<Q", elf.data, where(elf), value)


def overlap(elf):
    first, second = elf.segments(PT_LOAD)[:2]
    elf.segment_set(second, "vaddr", elf.segment_get(first, "vaddr"))


def truncate(elf):
    last = elf.segments(PT_LOAD)[-1]
    del elf.data[elf.segment_get(last, "offset") + elf.segment_get(last, "filesz") - 1:]


BREAKS = {
    "empty header": (lambda elf: elf.data.__delitem__(slice(32, None)), "shorter than an ELF header"),
    "magic": (lambda elf: elf.data.__setitem__(0, 0), "not a 64-bit little-endian ELF file"),
    "class": (header("class", 1), "not a 64-bit little-endian ELF file"),
    "byte order": (header("data", 2), "not a 64-bit little-endian ELF file"),
    "machine": (header("machine", 183), "not for x86-64"),
    "type": (header("type", 1), "not executable"),
    "entry": (header("entry", 0xFFFFFFFF90000000), "entry point"),
    "entry in data": (lambda elf: elf.set("entry", elf.segment_get(elf.segments(PT_LOAD)[-1], "vaddr")), "entry point"),
    "phoff past the end": (header("phoff", 1 << 40), "program headers lie outside"),
    "phoff that wraps": (header("phoff", 0xFFFFFFFFFFFFFFF8), "program headers lie outside"),
    "phentsize": (header("phentsize", 32), "program headers of 32 bytes"),
    "phnum": (header("phnum", 0xFFFF), "program headers lie outside"),
    "no segments": (header("phnum", 0), "nothing to load"),
    "truncated": (truncate, "reaches past the end of the file"),
    "filesz that wraps": (segment(0, "filesz", 0xFFFFFFFFFFFFF000), "reaches past the end of the file"),
    "filesz above memsz": (segment(0, "memsz", 16), "longer in the file than in memory"),
    "huge memsz": (segment(-1, "memsz", 1 << 40), "top 2 GiB"),
    "memsz that wraps": (segment(-1, "memsz", 0xFFFFFFFFFFFFF000), "top 2 GiB"),
    "user half": (segment(-1, "vaddr", 0x400000), "top 2 GiB"),
    "not page-aligned": (segment(-1, "vaddr", 0xFFFFFFFF80800010), "not page-aligned"),
    "writable text": (segment(0, "flags", 7), "writable and executable"),
    "overlap": (overlap, "overlap"),
    "dynamic linker": (lambda elf: elf.segment_set(elf.segments(PT_DYNAMIC)[0], "type", PT_INTERP), "dynamic linker"),
    "relocation table elsewhere": (poke(lambda elf: elf.dynamic(DT_RELA), 0x1000), "outside the segments"),
    "huge relocation table": (poke(lambda elf: elf.dynamic(DT_RELASZ), 24 << 50), "outside the segments"),
    "relocation elsewhere": (poke(lambda elf: elf.relocations(), 0x1000), "a relocation outside the segments"),
    "relocation type": (poke(lambda elf: elf.relocations() + 8, 1), "a relocation of type 1"),
}


@pytest.fixture
def build_with(tmp_path):
    """build_with(kernel) → a build folder with these bytes as its kernel."""

    def folder(kernel):
        (tmp_path / "rugo.elf").write_bytes(kernel)
        for name in ("shim.elf", "initrd.cpio"):
            (tmp_path / name).symlink_to((TEST_BUILD / name).resolve())
        return tmp_path

    return folder


@pytest.mark.parametrize("name", BREAKS)
def test_broken_kernel(boot, build_with, name):
    damage, reason = BREAKS[name]
    elf = Elf((TEST_BUILD / "rugo.elf").read_bytes())
    damage(elf)
    run = boot("test=boot", build=build_with(elf.data), timeout=20)
    assert run.status == 1
    errors = [line for line in run.lines if line.startswith("SHIM: error: kernel ELF: ")]
    assert len(errors) == 1 and reason in errors[0], f"it should say {reason!r}, not {errors}"
    assert "RUGO:" not in run.log, "the broken kernel was started all the same"


def test_kernel_without_requests(boot, build_with):
    """Without the base revision tag it is no kernel for a Limine loader."""
    tag = struct.pack("<QQ", 0xF9562B2D5C95A6C8, 0x6A7B384944536BDC)
    kernel = (TEST_BUILD / "rugo.elf").read_bytes()
    assert kernel.count(tag) == 1
    run = boot("test=boot", build=build_with(kernel.replace(tag, bytes(16))), timeout=20)
    assert run.status == 1
    assert "SHIM: error: the kernel has no Limine base revision tag" in run.log


def test_missing_initrd(boot):
    run = boot("test=boot", extra=["-initrd", f"{TEST_BUILD / 'rugo.elf'} test=boot"], timeout=20)
    assert run.status == 1
    assert "gives no initrd" in run.line("RUGO: panic")


def check_hostile(boot, nonce, /, **options):
    seed = f"{secrets.randbits(48):#x}"
    run = boot(f"test=boot nonce={nonce} shim=hostile seed={seed}", **options)
    bios = ("firmware",) if options.get("boot") != "uefi" else ()
    for what in ("addresses", "answers", "memory map", "devices", *bios):
        run.line(f"SHIM: hostile {what}")
    run.ok().line("RUGO: boot ok", nonce=nonce)


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_hostile(boot, nonce, rounds, machine):
    for _ in range(rounds(4, 100)):
        check_hostile(boot, nonce, machine=machine)


@pytest.mark.parametrize("how, mem", [("direct", 32), ("direct", 8192), ("bios", 256), ("uefi", 256)])
def test_hostile_elsewhere(boot, nonce, how, mem):
    check_hostile(boot, nonce, boot=how, mem=mem, timeout=90)


def test_hostile_is_repeatable(boot):
    """The same seed does the same to the kernel, so that what it finds can be looked into."""

    def hostilities():
        run = boot("test=boot shim=hostile seed=0x1234").ok()
        return [line for line in run.lines if line.startswith("SHIM: hostile")]

    assert hostilities() == hostilities() != []


def test_cpu_without_extras(boot, nonce):
    """No 1 GiB pages, no RDRAND: an early 64-bit CPU with NX."""
    run = boot(f"test=boot nonce={nonce}", mem=6144, extra=["-cpu", "qemu64"])
    run.ok().line("RUGO: boot ok", nonce=nonce)


def test_cpu_without_long_mode(boot):
    run = boot("test=boot", extra=["-cpu", "qemu32"], timeout=20)
    assert run.status == 1
    assert "SHIM: error: this CPU has no 64-bit mode" in run.log
