"""tools/abigen.py: what it makes of a small contract, what it refuses, and that its C compiles."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABIGEN = ROOT / "tools/abigen.py"

ERRORS = "2  ENOENT  no such file\n22 EINVAL  invalid argument\n38 ENOSYS  no such call\n"
SYSCALLS = """\
const SYS_BASE = 0x1000          Where numbers begin.
const HANDLE_NONE = -1           No handle.
const IPC_DATA_MAX = 3968        Most bytes.
const IPC_HANDLE_MAX = 8         Most handles.
flags right                      What is allowed.
    RIGHT_READ = 0x1             reading
struct point 16                  A point.
    x u32                        across
    y u32                        up
    tag u8[8]                    text
0   put (h: handle, buf: in bytes, len: size) -> size
    Put it.
    rights: h WRITE
    errors: EINVAL
2   look (p: out point, all: out point[], n: size, at: addr, t: i64) -> status
    Look.
3   leave (code: u32) -> never
    Leave.
"""
PROTOCOL = """\
protocol toy 9                   A toy.
1   pull (weight: u32, name: string, buf: out bytes) -> (count: u64, h: handle)
    Pull it.
    errors: ENOENT
"""


def run(folder, *, errors=ERRORS, syscalls=SYSCALLS, protocol=PROTOCOL, docs=False):
    """Write the definitions into folder/abi and run the generator into folder/out."""
    (folder / "abi/ipc").mkdir(parents=True, exist_ok=True)
    (folder / "abi/error.def").write_text(errors)
    (folder / "abi/syscall.def").write_text(syscalls)
    (folder / "abi/ipc/toy.def").write_text(protocol)
    command = [sys.executable, ABIGEN, "--out", "out"] + (["--docs", "docs"] if docs else []) + ["abi/"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def text_of(folder, name):
    """A generated file with its blanks squeezed, so that the layout may change."""
    return re.sub(r"\s+", " ", (folder / name).read_text())


def test_constants_and_structures(tmp_path):
    assert run(tmp_path).returncode == 0
    abi = text_of(tmp_path, "out/include/rugo/abi.h")
    assert "#define SYS_put 0x1000" in abi and "#define SYS_leave 0x1003" in abi
    assert "#define RIGHT_READ 0x1 /* reading */" in abi
    assert "#define HANDLE_NONE (-1)" in abi
    assert "#ifndef ENOENT #define ENOENT 2 /* no such file */ #endif" in abi
    assert "struct point { uint32_t x; /* across */ uint32_t y; /* up */ uint8_t tag[8]; /* text */ };" in abi
    assert '_Static_assert(sizeof(struct point) == 16, "point");' in abi
    assert '_Static_assert(__builtin_offsetof(struct point, tag) == 8, "point.tag");' in abi


def test_stubs_and_table(tmp_path):
    assert run(tmp_path).returncode == 0
    stubs = text_of(tmp_path, "out/include/rugo/syscall.h")
    assert "static inline int64_t sys_put(handle_t h, const void *buf, size_t len)" in stubs
    assert ("static inline int sys_look(struct point *p, struct point *all, size_t n, uintptr_t at, int64_t t)"
            in stubs)
    assert "static inline _Noreturn void sys_leave(uint32_t code)" in stubs
    handlers = text_of(tmp_path, "out/kernel/syscall_table.h")
    assert "int64_t sys_put(handle_t h, struct user_in buf, size_t len);" in handlers
    assert "int64_t sys_look(struct user_out p, struct user_out all, size_t n, uintptr_t at, int64_t t);" in handlers
    table = text_of(tmp_path, "out/kernel/syscall_table.c")
    assert "const uint32_t syscall_count = 4;" in table
    assert "[0] = call_put, [1] = no_call, [2] = call_look, [3] = call_leave," in table
    assert "return -ENOSYS;" in table


def test_protocol(tmp_path):
    assert run(tmp_path, docs=True).returncode == 0
    proto = text_of(tmp_path, "out/include/rugo/proto_toy.h")
    assert "#define TOY_PULL 0x90001" in proto
    assert ("struct toy_pull_request { uint32_t op; /* TOY_PULL */ uint32_t weight; uint16_t name_len; "
            "/* bytes of name, its NUL not counted */ uint16_t reserved; /* 0 */ };") in proto
    assert ("int toy_pull(handle_t session, uint32_t weight, const char *name, void *buf, size_t buf_len, "
            "uint64_t *count, handle_t *h);") in proto
    document = (tmp_path / "docs/toy.md").read_text()
    assert "### pull" in document and "Errors: ENOENT." in document
    assert "| 0x1000 | [put](#put) |" in (tmp_path / "docs/syscall_v0.md").read_text()


def test_a_page_for_each_version(tmp_path):
    """What a version adds is on its page and not on those before; what came before is on all."""
    later = SYSCALLS + "version 1\n7 more () -> status\n    Do more.\n"
    assert run(tmp_path, syscalls=later, docs=True).returncode == 0
    v0, v1 = ((tmp_path / f"docs/syscall_v{n}.md").read_text() for n in (0, 1))
    assert "ABI v0" in v0 and "[put](#put)" in v0 and "more" not in v0.split("## All calls")[1]
    assert "ABI v1" in v1 and "[put](#put)" in v1 and "[more](#more)" in v1


def test_bad_version(tmp_path):
    result = run(tmp_path, syscalls=SYSCALLS + "version one\n")
    assert result.returncode == 1 and "expected `version NUMBER`" in result.stderr


def test_unchanged_files_are_left_alone(tmp_path):
    assert run(tmp_path).returncode == 0
    header = tmp_path / "out/include/rugo/abi.h"
    before = header.stat().st_mtime_ns
    assert run(tmp_path, protocol=PROTOCOL.replace("pull", "push")).returncode == 0
    assert header.stat().st_mtime_ns == before
    assert "toy_push" in (tmp_path / "out/lib/proto_toy.c").read_text()


def test_code_of_a_dropped_protocol_goes(tmp_path):
    assert run(tmp_path).returncode == 0
    assert run(tmp_path, protocol=PROTOCOL.replace("toy", "top")).returncode == 0
    assert not (tmp_path / "out/lib/proto_toy.c").exists()
    assert (tmp_path / "out/lib/proto_top.c").exists()


BAD_SYSCALLS = {
    "a hole": ("x u32", "x u8", 9, "not aligned to"),
    "a wrong size": ("struct point 16", "struct point 20", 7, "says 20 bytes, its fields make 16"),
    "an unknown field type": ("tag u8[8]", "tag u9[8]", 10, "unknown type `u9`"),
    "a number used twice": ("3   leave", "2   leave", 17, "number 2 is taken by abi/syscall.def:15"),
    "a name used twice": ("3   leave", "3   put", 17, "name put is taken by"),
    "a constant used twice": ("RIGHT_READ", "SYS_BASE", 6, "constant SYS_BASE is taken by abi/syscall.def:1"),
    "an unknown error": ("errors: EINVAL", "errors: EWHAT", 11, "unknown error EWHAT"),
    "an unknown argument type": ("p: out point,", "p: out pint,", 15, "unknown type `out pint` of `p`"),
    "an unknown result": ("-> never", "-> newer", 17, "unknown result type `newer`"),
    "bytes without length": ("buf: in bytes, len: size", "len: size, buf: in bytes", 11, "a size must follow `buf`"),
    "an array without count": ("n: size,", "n: u64,", 15, "a size must follow `all`"),
    "seven arguments": ("code: u32", "a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32", 17, "more than 6"),
    "a broken line": ("3   leave (code", "3   leave code", 17, "expected `NUMBER NAME"),
    "a value that is no number": ("RIGHT_READ = 0x1", "RIGHT_READ = one", 6, "expected `NAME = VALUE"),
    "an orphan": ("const HANDLE_NONE", "    const HANDLE_NONE", 2, "nothing above takes indented lines"),
    "a tab": ("    x u32", "\tx u32", 8, "a tab"),
}


@pytest.mark.parametrize("values,text", [
    ("flags right", "which is no argument"), ("code rights", "unknown group"), ("code right|right|right|right", "more than three")])
def test_bad_values(tmp_path, values, text):
    result = run(tmp_path, syscalls=SYSCALLS + f"    values: {values}\n")
    assert result.returncode == 1 and text in result.stderr


def test_contract_as_data(tmp_path):
    assert run(tmp_path, syscalls=SYSCALLS + "    values: code right\n").returncode == 0
    table = text_of(tmp_path, "out/lib/calls.c")
    assert '[3] = { "leave", ABI_NEVER, 1, { { "code", ABI_UNSIGNED, 32, { &abi_group_right } }, } },' in table
    assert '{ "h", ABI_HANDLE, 32, { NULL } }, { "buf", ABI_IN, 64, { NULL } }, { "len", ABI_SIZE, 64, { NULL } },' in table
    assert 'values_right[] = { { "RIGHT_READ", 0x1 }, };' in table
    assert '{ 0x90001, 12, 8, "toy", "pull" },' in table


@pytest.mark.parametrize("what", BAD_SYSCALLS)
def test_bad_syscall_definitions(tmp_path, what):
    old, new, line, text = BAD_SYSCALLS[what]
    assert old in SYSCALLS
    result = run(tmp_path, syscalls=SYSCALLS.replace(old, new, 1))
    assert result.returncode == 1
    assert re.match(rf"abi/syscall\.def:{line}: ", result.stderr), result.stderr
    assert text in result.stderr
    assert not (tmp_path / "out").exists(), "something was written all the same"


BAD_PROTOCOLS = {
    "no protocol line": ("protocol toy 9", "# protocol", 2, "no `protocol NAME ID` line"),
    "an unknown type": ("weight: u32", "weight: f32", 2, "unknown type `f32` of `weight`"),
    "a string as result": ("count: u64", "count: string", 2, "a result can't be `string`"),
    "three strings": ("weight: u32", "a: string, b: string", 2, "more than 2 `string`"),
    "two out buffers": ("weight: u32", "b: out bytes", 2, "more than 1 `out bytes`"),
    "a name of the generated code": ("weight:", "msg:", 2, "`msg` can't be a field's name"),
    "a second session": ("weight: u32", "session: handle", 2, "each operation has a `session` already"),
    "a word as result": ("(count: u64, h: handle)", "status", 2, "an operation's results are"),
    "an id out of range": ("protocol toy 9", "protocol toy 40000", 1, "a protocol's id is"),
}


@pytest.mark.parametrize("what", BAD_PROTOCOLS)
def test_bad_protocol_definitions(tmp_path, what):
    old, new, line, text = BAD_PROTOCOLS[what]
    assert old in PROTOCOL
    result = run(tmp_path, protocol=PROTOCOL.replace(old, new, 1))
    assert result.returncode == 1
    assert result.stderr.startswith(f"abi/ipc/toy.def:{line}: "), result.stderr
    assert text in result.stderr


def test_errors_are_unique(tmp_path):
    result = run(tmp_path, errors=ERRORS + "2 EAGAIN again\n")
    assert result.returncode == 1
    assert result.stderr.startswith("abi/error.def:4: error number 2 is taken by abi/error.def:1")


def make_variable(name):
    """A variable of the Makefile, expanded: generated C must pass under the flags of the project."""
    rule = f"print-it:\n\t@echo '$({name})'\n"
    command = ["make", "-s", "-f", "Makefile", "-f", "-", "print-it"]
    result = subprocess.run(command, cwd=ROOT, input=rule, check=True, capture_output=True, text=True)
    return result.stdout.splitlines()[-1].split()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The generated tree of the real contract."""
    folder = tmp_path_factory.mktemp("gen")
    subprocess.run([sys.executable, ABIGEN, "--out", folder, "--docs", folder / "docs", "abi/"], cwd=ROOT, check=True)
    return folder


def compile_c(folder, source, flags, *includes):
    paths = [f"-I{path}" for path in (*includes, folder / "include")]
    command = ["gcc", *flags, "-O2", *paths, "-c", source, "-o", folder / "out.o"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_real_contract_compiles(real):
    flags = [flag for flag in make_variable("TARGET") if "prefix-map" not in flag]
    for source in sorted((real / "lib").glob("*.c")):
        compile_c(real, source, flags, "lib")
    (real / "mm").mkdir()
    (real / "mm/usercopy.h").write_text(
        "#pragma once\n#include <stdint.h>\nstruct user_in { uintptr_t addr; };\nstruct user_out { uintptr_t addr; };\n")
    compile_c(real, real / "kernel/syscall_table.c", flags, real, real / "kernel")


def test_numbers_reach_assembly(real):
    source = real / "numbers.S"
    source.write_text("#include <rugo/abi.h>\n.long SYS_ipc_call, ENOENT, HANDLE_SELF, RIGHT_ALL\n")
    compile_c(real, source, [])
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", real / "out.o", real / "out.bin"], check=True)
    data = (real / "out.bin").read_bytes()
    numbers = [int.from_bytes(data[i:i + 4], "little", signed=True) for i in range(0, 16, 4)]
    assert numbers == [0x100b, 2, -2, 0x7ff]


def test_documents_are_current(real):
    for document in (real / "docs").iterdir():
        assert (ROOT / "docs/abi" / document.name).read_text() == document.read_text(), "run make abi-docs"
