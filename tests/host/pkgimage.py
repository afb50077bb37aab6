"""Packages as a malicious author could write them: every field free, independent of tools/mkpkg.py."""

import hashlib
import struct
from dataclasses import dataclass

FILE, FOLDER, LINK, CHAR, BLOCK, FIFO = 0o100000, 0o040000, 0o120000, 0o020000, 0o060000, 0o010000
MANIFEST = b"name = toy\nversion = 1.0\nsummary = A toy\nprogram = toy\n"


@dataclass
class Entry:
    """One cpio entry; `fields` overrides numbers of the header by position in cpio(5), `name` and `size` what they say."""

    path: bytes
    mode: int = FILE | 0o644
    data: bytes = b""
    nlink: int = 1
    magic: bytes = b"070701"
    namesize: int | None = None
    filesize: int | None = None

    def encode(self):
        name = self.path + b"\0"
        fields = [1, self.mode, 0, 0, self.nlink, 0, len(self.data) if self.filesize is None else self.filesize,
                  0, 0, 0, 0, len(name) if self.namesize is None else self.namesize, 0]
        header = self.magic + b"".join(b"%08x" % field for field in fields)
        return pad4(header + name) + pad4(self.data)


def pad4(data):
    return data + b"\0" * (-len(data) % 4)


def payload(*entries, tail=b""):
    return b"".join(entry.encode() for entry in [*entries, Entry(b"TRAILER!!!", 0)]) + tail


def good_entries():
    """A small package that must be accepted: folders, a program, data, links."""
    return [Entry(b"bin", FOLDER | 0o755), Entry(b"bin/toy", FILE | 0o755, b"\x7fELF and so on"),
            Entry(b"bin-extra", FILE | 0o600, b"sorts behind what is in bin"),
            Entry(b"share", FOLDER | 0o755), Entry(b"share/deep", FOLDER | 0o755),
            Entry(b"share/deep/link", LINK | 0o777, b"../../bin/toy"), Entry(b"share/empty", FILE | 0o644),
            Entry("share/grüße".encode(), FILE | 0o644, b"hi")]


def package(body=None, manifest=MANIFEST, *, magic=b"rugopkg\n", version=0, manifest_size=None, payload_size=None,
            reserved=0, digest=None, tail=b""):
    """The whole file; the hash is right unless `digest` says otherwise, so that what is wrong inside gets looked at."""
    body = payload(*good_entries()) if body is None else body
    head = magic + struct.pack("<IIQQ", version, len(manifest) if manifest_size is None else manifest_size,
                               len(body) if payload_size is None else payload_size, reserved)
    right = hashlib.sha256(head + manifest + body + tail).digest()
    return head + (digest or right) + manifest + body + tail


def with_entry(entry, at=None):
    """The good package with one more entry, put where it belongs by name unless `at` says where."""
    entries = good_entries()
    if at is None:
        key = entry.path.split(b"/")
        at = sum(other.path.split(b"/") <= key for other in entries)
    return package(payload(*entries[:at], entry, *entries[at:]))


def with_manifest(text):
    return package(manifest=text)


def bad_packages():
    """Name -> (package, words that the refusal must contain)."""
    good = package()
    body = payload(*good_entries())
    bad = {
        "empty": (b"", "not a package"),
        "short header": (good[:63], "not a package"),
        "wrong magic": (package(magic=b"rugopkg\r"), "not a package"),
        "wrong version": (package(version=1), "format version 1"),
        "huge version": (package(version=0xffffffff), "format version 4294967295"),
        "reserved in use": (package(reserved=1), "reserved"),
        "cut by one": (good[:-1], "cut short"),
        "cut to the header": (good[:64], "cut short"),
        "one byte more": (good + b"\0", "bytes behind its end"),
        "payload size huge": (package(payload_size=2**64 - 1), "cut short"),
        "manifest size huge": (package(manifest_size=0xffffffff), "a manifest of more than 4096 bytes"),
        "wrong hash": (package(digest=bytes(32)), "hash does not match"),
        "manifest without name": (with_manifest(b"version = 1\n"), "no name"),
        "manifest without version": (with_manifest(b"name = toy\n"), "no version"),
        "manifest with two names": (with_manifest(b"name = a\nname = b\nversion = 1\n"), "line 2: said twice"),
        "manifest with a path": (with_manifest(b"name = ../x\nversion = 1\n"), "line 1: not 1 to 32 letters"),
        "manifest with a hidden name": (with_manifest(b"name = .tmp-x\nversion = 1\n"), "line 1: not 1 to 32 letters"),
        "manifest with a long name": (with_manifest(b"name = " + b"x" * 33 + b"\nversion = 1\n"), "line 1: not 1 to"),
        "manifest with an unknown key": (with_manifest(MANIFEST + b"colour = red\n"), "line 5: unknown key"),
        "manifest with no equals": (with_manifest(b"name toy\n"), "line 1: not `key = value`"),
        "manifest with an escape": (with_manifest(MANIFEST.replace(b"A toy", b"A \x1b[2J")), "line 3: a line that is too long"),
        "manifest with a NUL": (with_manifest(MANIFEST.replace(b"A toy", b"A\0toy")), "line 3: a line that is too long"),
        "manifest with a long line": (with_manifest(MANIFEST + b"#" * 300), "line 5: a line that is too long"),
        "manifest with its own hash": (with_manifest(MANIFEST + b"sha256 = " + b"0" * 64 + b"\n"), "written by pkg alone"),
        "manifest with a missing program": (with_manifest(MANIFEST + b"program = other\n"), "program `other` is not in it"),
        "manifest with 17 programs": (with_manifest(MANIFEST + b"".join(b"program = p%d\n" % i for i in range(16))),
                                      "line 20: more than 16 programs"),
        "manifest with a program twice": (with_manifest(MANIFEST + b"program = toy\n"), "line 5: the same program twice"),
        "up and out": (with_entry(Entry(b"../evil"), 0), "`../evil`: a path that leaves the package"),
        "up inside": (with_entry(Entry(b"bin/../../evil"), 1), "a path that leaves the package"),
        "the folder above": (with_entry(Entry(b"..", FOLDER | 0o755), 0), "`..`: a path that leaves the package"),
        "the folder above, inside": (with_entry(Entry(b"bin/..", FOLDER | 0o755), 1), "a path that leaves the package"),
        "absolute": (with_entry(Entry(b"/etc/passwd"), 0), "`/etc/passwd`: an absolute path"),
        "a dot": (with_entry(Entry(b".", FOLDER | 0o755), 0), "`.`: a path with empty parts"),
        "a dot inside": (with_entry(Entry(b"bin/./x"), 1), "a path with empty parts"),
        "two slashes": (with_entry(Entry(b"bin//x"), 1), "a path with empty parts"),
        "a slash at the end": (with_entry(Entry(b"bin/", FOLDER | 0o755), 1), "a path with empty parts"),
        "no name": (with_entry(Entry(b""), 0), "without a name"),
        "a name of 256": (with_entry(Entry(b"x" * 256)), "a name of more than 255 bytes"),
        "a path of 512": (with_entry(Entry(b"/".join([b"x" * 127] * 4) + b"y")), "more than 511 bytes"),
        "a NUL in a name": (with_entry(Entry(b"a\0b"), 0), "a path with a NUL"),
        "a name without end": (with_entry(Entry(b"abc", namesize=3), 0), "a path with a NUL"),
        "an escape in a name": (with_entry(Entry(b"\x1b[2Jx"), 0), "`?[2Jx`: a control character"),
        "pkg's own file": (with_entry(Entry(b"pkg.conf")), "`pkg.conf`: a name that pkg itself uses"),
        "the same file twice": (with_entry(Entry(b"bin-extra"), 3), "`bin-extra`: there twice"),
        "the same file later": (with_entry(Entry(b"bin-extra"), 5), "`bin-extra`: out of order, or there twice"),
        "the same folder twice": (with_entry(Entry(b"share", FOLDER | 0o755), 4), "`share`: there twice"),
        "no such folder": (with_entry(Entry(b"other/x")), "`other/x`: in a folder that is not in the package"),
        "a file as folder": (with_entry(Entry(b"share/empty/x"), 7), "below something that is no folder"),
        "a link as folder": (with_entry(Entry(b"share/deep/link/x"), 6), "below something that is no folder"),
        "a character device": (with_entry(Entry(b"tty", CHAR | 0o666)), "`tty`: a device node"),
        "a block device": (with_entry(Entry(b"vda", BLOCK | 0o666)), "`vda`: a device node"),
        "a pipe": (with_entry(Entry(b"tube", FIFO | 0o666)), "neither file, folder nor link"),
        "a mode without type": (with_entry(Entry(b"thing", 0o644)), "neither file, folder nor link"),
        "a set-user-id program": (with_entry(Entry(b"su", FILE | 0o4755)), "`su`: a set-user-id"),
        "a hard link": (with_entry(Entry(b"hard", nlink=2)), "`hard`: a hard link"),
        "a folder with data": (with_entry(Entry(b"zoo", FOLDER | 0o755, b"x")), "`zoo`: a folder with data"),
        "a link to an absolute path": (with_entry(Entry(b"zlink", LINK | 0o777, b"/etc")), "a link to an absolute path"),
        "a link out": (with_entry(Entry(b"zlink", LINK | 0o777, b"../other")), "a link that leaves the package"),
        "a link far out": (with_entry(Entry(b"share/deep/z", LINK | 0o777, b"../../../x"), 6), "a link that leaves"),
        "a link out by a detour": (with_entry(Entry(b"zlink", LINK | 0o777, b"share/../..")), "a link that leaves"),
        "a link to nothing": (with_entry(Entry(b"zlink", LINK | 0o777, b"")), "a target of no or too many bytes"),
        "a link of 256": (with_entry(Entry(b"zlink", LINK | 0o777, b"x" * 256)), "a target of no or too many bytes"),
        "a link with NUL": (with_entry(Entry(b"zlink", LINK | 0o777, b"a\0b")), "a NUL in its target"),
        "a link with an escape": (with_entry(Entry(b"zlink", LINK | 0o777, b"a\x1bb")), "a control character in its target"),
        "a file too large": (with_entry(Entry(b"zfile", filesize=0xffffffff)), "`zfile`: cut short"),
        "a name too large": (with_entry(Entry(b"zfile", namesize=0xffffffff)), "no or more than 511 bytes"),
        "another archive": (with_entry(Entry(b"zfile", magic=b"070707")), "not an entry of a newc archive"),
        "no trailer": (package(b"".join(entry.encode() for entry in good_entries())), "cut short"),
        "no payload": (package(b""), "cut short"),
        "bytes behind the trailer": (package(body + b"\0\0x\0"), "bytes behind the last entry"),
        "much behind the trailer": (package(body + bytes(1100)), "bytes behind the last entry"),
    }
    no_digit = bytearray(body)
    no_digit[14] = ord("g")
    bad["a number that is none"] = (package(bytes(no_digit)), "a number that is none")
    return bad
