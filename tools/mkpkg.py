#!/usr/bin/env python3
"""Make a package of a folder with C sources and files.

    python3 tools/mkpkg.py build DIR -o FILE.rpk        ($BUILD, default build: where Rugo was built)

DIR/pkg.conf says what is made (docs/pkg_v0.md): name, version, summary, and per program a line
`program = NAME [SOURCE...]`, compiled and linked as Rugo's own programs are and put into the package as bin/NAME.
What lies in DIR/files goes into the package as it is. The same input makes the same package, byte for byte.
Exit status: 0 made, 1 it can't be made (the reason is told; no file is left), 2 wrong use.
"""

import argparse
import hashlib
import os
import re
import shlex
import stat
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MAGIC = b"rugopkg\n"
FORMAT_VERSION = 0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")
PATH_MAX, TARGET_MAX, SUMMARY_MAX, PROGRAMS_MAX = 511, 255, 128, 16
RESERVED = "pkg.conf"


class PackageError(Exception):
    """Why there is no package."""


# ---- pkg.conf -------------------------------------------------------------------------------------

@dataclass
class Program:
    name: str
    sources: list


@dataclass
class Config:
    name: str = ""
    version: str = ""
    summary: str = ""
    cflags: list = field(default_factory=list)
    programs: list = field(default_factory=list)

    def manifest(self):
        """The text that goes into the package."""
        lines = [("name", self.name), ("version", self.version)]
        lines += [("summary", self.summary)] if self.summary else []
        lines += [("program", program.name) for program in self.programs]
        return "".join(f"{key} = {value}\n" for key, value in lines).encode()


def read_config(path):
    """pkg.conf, with every complaint naming its line."""
    config = Config()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise PackageError(f"{path}: not there; it says what the package is called") from None
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            take_line(config, line)
        except PackageError as error:
            raise PackageError(f"{path}:{number}: {error}") from None
    for key in ("name", "version"):
        if not getattr(config, key):
            raise PackageError(f"{path}: no `{key}`")
    return config


def take_line(config, line):
    key, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not value:
        raise PackageError("expected `key = value`")
    if key == "program":
        take_program(config, value.split())
    elif key == "cflags":
        config.cflags += shlex.split(value)
    elif key in ("name", "version", "summary"):
        if getattr(config, key):
            raise PackageError(f"a second `{key}`")
        if key == "summary":
            check_summary(value)
        else:
            check_name(value)
        setattr(config, key, value)
    else:
        raise PackageError(f"unknown key `{key}`")


def take_program(config, words):
    name, sources = words[0], words[1:]
    check_name(name)
    if any(program.name == name for program in config.programs):
        raise PackageError(f"a second program `{name}`")
    if len(config.programs) == PROGRAMS_MAX:
        raise PackageError(f"more than {PROGRAMS_MAX} programs")
    config.programs.append(Program(name, sources or [f"{name}.c"]))


def check_name(value):
    if not NAME.fullmatch(value):
        raise PackageError(f"`{value}` must be 1 to 32 letters, digits and ._+-, the first a letter or digit")


def check_summary(value):
    if len(value.encode()) > SUMMARY_MAX:
        raise PackageError(f"a summary of more than {SUMMARY_MAX} bytes")
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise PackageError("a control character in the summary")


# ---- compiling ------------------------------------------------------------------------------------

class Sdk:
    """How programs are compiled and linked; the Makefile wrote it down in $BUILD/sdk.conf."""

    def __init__(self, build):
        self.values = {}
        path = build / "sdk.conf"
        if not path.exists():
            raise PackageError(f"{path} is missing: build Rugo first (./rugo build)")
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" = ")
            self.values[key] = shlex.split(value)

    def run(self, *command):
        """Run a tool in the tree, where the SDK's relative paths mean something; its messages go to the user."""
        if subprocess.run(list(map(str, command)), cwd=ROOT, check=False).returncode:
            raise PackageError(f"{Path(str(command[0])).name} failed")

    def compile(self, folder, source, flags, out):
        self.run(*self.values["cc"], *self.values["cflags"], f"-ffile-prefix-map={folder}=.", f"-I{folder}",
                 *flags, "-c", source, "-o", out)

    def link(self, objects, out):
        self.run(*self.values["ld"], *self.values["ldflags"], *self.values["start"], *objects,
                 *self.values["libs"], "-o", out)
        self.run(*self.values["strip"], out)


def find_sources(folder, program):
    """The files that a program's line names; `*` means what it means in a shell."""
    sources = []
    for pattern in program.sources:
        found = sorted(folder.glob(pattern))
        if not found:
            raise PackageError(f"program {program.name}: there is no {folder / pattern}")
        sources += found
    return sources


def build_program(sdk, folder, config, program, work):
    """Compile and link one program; the path of the result."""
    objects = []
    for number, source in enumerate(find_sources(folder, program)):
        objects.append(work / f"{program.name}.{number}.o")
        sdk.compile(folder, source, config.cflags, objects[-1])
    out = work / program.name
    sdk.link(objects, out)
    return out


# ---- payload --------------------------------------------------------------------------------------

@dataclass
class Entry:
    mode: int
    data: bytes = b""


def add_entry(entries, path, entry):
    if path in entries:
        raise PackageError(f"{path} comes twice: from a program and from files/")
    if path == RESERVED:
        raise PackageError(f"files/{RESERVED}: the installed package keeps its manifest under that name")
    if len(os.fsencode(path)) > PATH_MAX:
        raise PackageError(f"{path}: a path of more than {PATH_MAX} bytes")
    if any(byte < 32 or byte == 127 for byte in os.fsencode(path)):
        raise PackageError(f"{path!r}: a control character in a name")
    entries[path] = entry


def collect_files(folder, entries):
    """Everything below folder; links are kept, and must end inside the package."""
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            source = Path(base, name)
            path = str(source.relative_to(folder))
            mode = source.lstat().st_mode
            if stat.S_ISLNK(mode):
                target = os.readlink(source)
                check_target(path, target)
                entry = Entry(stat.S_IFLNK | 0o777, os.fsencode(target))
            elif stat.S_ISDIR(mode):
                entry = Entry(stat.S_IFDIR | 0o755)
            elif stat.S_ISREG(mode):
                entry = Entry(stat.S_IFREG | (0o755 if mode & 0o111 else 0o644), source.read_bytes())
            else:
                raise PackageError(f"{source}: neither file, folder nor link")
            add_entry(entries, path, entry)


def check_target(path, target):
    """As pkg checks it: relative, `..` only in front and no more of them than the link lies deep."""
    parts = target.split("/")
    ups = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    if target.startswith("/") or ups > path.count("/") or ".." in parts[ups:]:
        raise PackageError(f"{path}: a link to {target}, which may lie outside the package")
    if len(os.fsencode(target)) > TARGET_MAX:
        raise PackageError(f"{path}: a link with a target of more than {TARGET_MAX} bytes")


def walk_order(path):
    """Folders before what is in them: the order in which pkg wants the entries."""
    return os.fsencode(path).split(b"/")


def cpio_entry(number, path, entry):
    """One entry in the newc form of cpio(5), header and data padded to 4 bytes."""
    name = os.fsencode(path) + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % value for value in fields)
    return pad4(header + name) + pad4(entry.data)


def pad4(data):
    return data + b"\0" * (-len(data) % 4)


def cpio(entries):
    out = b"".join(cpio_entry(number, path, entries[path])
                   for number, path in enumerate(sorted(entries, key=walk_order), 1))
    return out + cpio_entry(0, "TRAILER!!!", Entry(0))


# ---- the package ----------------------------------------------------------------------------------

def pack(manifest, payload):
    """The bytes of a package: docs/pkg_v0.md, "The file"."""
    head = MAGIC + struct.pack("<IIQQ", FORMAT_VERSION, len(manifest), len(payload), 0)
    return head + hashlib.sha256(head + manifest + payload).digest() + manifest + payload


def build_package(folder, build):
    folder = folder.resolve()
    config = read_config(folder / "pkg.conf")
    entries = {}
    if config.programs:
        entries["bin"] = Entry(stat.S_IFDIR | 0o755)
        sdk = Sdk(build)
        with tempfile.TemporaryDirectory() as work:
            for program in config.programs:
                binary = build_program(sdk, folder, config, program, Path(work))
                add_entry(entries, f"bin/{program.name}", Entry(stat.S_IFREG | 0o755, binary.read_bytes()))
    if (folder / "files").is_dir():
        had_bin = entries.pop("bin", None)
        collect_files(folder / "files", entries)
        if had_bin and entries.setdefault("bin", had_bin).mode != had_bin.mode:
            raise PackageError("files/bin must be a folder: the programs lie in it")
    return config, pack(config.manifest(), cpio(entries))


def write_whole(path, data):
    """The file is there whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(prog="mkpkg.py", description="Make a package of a folder.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="compile what pkg.conf names and pack it")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("-o", dest="out", type=Path, metavar="FILE", required=True)
    args = parser.parse_args()
    try:
        config, package = build_package(args.folder, ROOT / os.environ.get("BUILD", "build"))
        write_whole(args.out, package)
    except (PackageError, OSError) as error:
        sys.exit(f"mkpkg: {error}")
    print(f"{args.out}: {config.name} {config.version}, {len(package)} bytes")


if __name__ == "__main__":
    main()
