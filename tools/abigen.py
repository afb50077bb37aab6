#!/usr/bin/env python3
"""Turn the contract in abi/*.def into C headers, stubs, tables and documents.

    python3 tools/abigen.py [--out DIR] [--docs DOCDIR] [--go GODIR] abi/        (or the .def files by name)

The grammar is described at the head of abi/syscall.def and abi/ipc/file.def. From it come

    DIR/include/rugo/abi.h            numbers, errors, constants and structures; for C and assembly, kernel and programs
    DIR/include/rugo/syscall.h        one inline stub per system call
    DIR/include/rugo/call_rows.h      the system calls as data: arguments, errors; for programs that try them all
    DIR/kernel/syscall_table.{h,c}    prototypes of the handlers and the table with typed adapters
    DIR/include/rugo/proto_NAME.h     messages of a protocol, client stubs, server operations
    DIR/lib/proto_NAME.c              their code, on top of lib/rugo/proto.h
    DOCDIR/syscall_vN.md, NAME.md     the same, for people: a page for each version of the ABI
    GODIR/z*.go                       the same in Go (abigo.py)

Reading (class Parser) knows nothing of C, and the writers (write_*) trust what Parser and check_* let through.
A file whose text would not change is not written, so that nothing is compiled again without need. Every
complaint names file and line: `abi/syscall.def:12: ...`; then nothing is written and the exit status is 1.
"""

import argparse
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import abigo

# ---- the model: what the definitions say ----------------------------------------------------------

INTEGERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8}
ARGUMENTS = {"handle", "u32", "i32", "u64", "i64", "size", "addr"}
RESULTS = {"status", "size", "addr", "handle", "u32", "i64", "never"}
FIELDS = {"u32", "i32", "u64", "i64", "string", "handle", "in bytes", "out bytes"}
MAX_ARGUMENTS = 6
MAX_STRINGS = 2
C_WORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline
    int long register return short signed sizeof static struct switch typedef union unsigned void volatile while
    ctx call msg req rep at ops st""".split())
MACRO_WORDS = {"stdin", "stdout", "stderr", "errno"}      # names that <stdio.h> and <errno.h> may define


class DefError(Exception):
    """A definition that is wrong; says where."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")


@dataclass
class Constant:
    where: str
    name: str
    text: str           # the value as written
    doc: str

    @property
    def value(self):
        return int(self.text, 0)


@dataclass
class Group:            # `enum` or `flags`
    where: str
    kind: str
    name: str
    doc: str
    values: list = field(default_factory=list)


@dataclass
class Member:           # of a structure
    where: str
    name: str
    type: str
    count: int          # 0: not an array
    doc: str
    offset: int = 0


@dataclass
class Struct:
    where: str
    name: str
    size: int
    doc: str
    members: list = field(default_factory=list)


@dataclass
class Arg:
    where: str
    name: str
    type: str


@dataclass
class Call:             # a system call, or an operation of a protocol
    where: str
    number: int
    name: str
    args: list
    result: object      # a word for system calls, a list of Arg for operations
    doc: str = ""
    rights: str = ""
    values: str = ""    # what arguments are made of: `ARG GROUP|GROUP; ARG GROUP`
    errors: list = field(default_factory=list)
    version: int = 0    # of the ABI that it came with


@dataclass
class Error:
    where: str
    number: int
    name: str
    doc: str


@dataclass
class Module:           # one .def file
    path: str
    items: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    name: str = ""      # of the protocol; empty for syscall.def
    id: int = 0
    doc: str = ""

    def structs(self):
        return [item for item in self.items if isinstance(item, Struct)]

    def constants(self):
        for item in self.items:
            if isinstance(item, Constant):
                yield item
            elif isinstance(item, Group):
                yield from item.values


# ---- reading --------------------------------------------------------------------------------------

NAME = r"[A-Za-z_]\w*"
VALUE = r"-?(?:0x[0-9a-fA-F]+|\d+)"
RE_CONST = re.compile(rf"const\s+({NAME})\s*=\s*({VALUE})(?:\s+(.*))?$")
RE_GROUP = re.compile(rf"(enum|flags)\s+({NAME})(?:\s+(.*))?$")
RE_VALUE = re.compile(rf"({NAME})\s*=\s*({VALUE})(?:\s+(.*))?$")
RE_STRUCT = re.compile(rf"struct\s+({NAME})\s+(\d+)(?:\s+(.*))?$")
RE_MEMBER = re.compile(rf"({NAME})\s+({NAME})(?:\[(\d+)\])?(?:\s+(.*))?$")
RE_VERSION = re.compile(r"version\s+(\d+)$")
RE_PROTOCOL = re.compile(rf"protocol\s+({NAME})\s+(\d+)(?:\s+(.*))?$")
RE_CALL = re.compile(rf"(\d+)\s+({NAME})\s*\((.*?)\)\s*->\s*(\(.*\)|{NAME})\s*$")
RE_ERROR = re.compile(r"(\d+)\s+(E[A-Z0-9]+)\s+(.+)$")
RE_ARG = re.compile(rf"({NAME})\s*:\s*(\S.*)$")
KEYS = ("rights:", "errors:", "values:")


class Parser:
    """Reads one .def file into a Module, line by line; an indented line belongs to what stands above it."""

    def __init__(self, path, text):
        self.module = Module(str(path))
        self.is_error_list = Path(path).name == "error.def"
        self.open = None        # what indented lines belong to
        self.version = 0        # of the calls that follow
        self.key = ""           # part of a call's description: "" or one of KEYS
        for number, line in enumerate(text.splitlines(), 1):
            self.where = f"{path}:{number}"
            words = line.strip()
            if not words or words.startswith("#"):
                continue
            if "\t" in line:
                self.fail("a tab; indent with spaces")
            if line[0] == " ":
                self.inner_line(words)
            else:
                self.outer_line(words)

    def fail(self, text):
        raise DefError(self.where, text)

    def outer_line(self, line):
        self.open, self.key = None, ""
        if self.is_error_list:
            self.error(line)
        elif line.startswith("const "):
            name, value, doc = self.match(RE_CONST, line, "const NAME = VALUE sentence")
            self.module.items.append(Constant(self.where, name, value, doc or ""))
        elif line.startswith(("enum ", "flags ")):
            kind, name, doc = self.match(RE_GROUP, line, "enum NAME sentence")
            self.open = Group(self.where, kind, name, doc or "")
            self.module.items.append(self.open)
        elif line.startswith("struct "):
            name, size, doc = self.match(RE_STRUCT, line, "struct NAME SIZE sentence")
            self.open = Struct(self.where, name, int(size), doc or "")
            self.module.items.append(self.open)
        elif line.startswith("version "):
            self.version = int(self.match(RE_VERSION, line, "version NUMBER")[0])
        elif line.startswith("protocol "):
            name, number, doc = self.match(RE_PROTOCOL, line, "protocol NAME ID sentence")
            self.module.name, self.module.id, self.module.doc = name, int(number), doc or ""
        else:
            self.call(line)

    def inner_line(self, line):
        if isinstance(self.open, Group):
            name, value, doc = self.match(RE_VALUE, line, "NAME = VALUE sentence")
            self.open.values.append(Constant(self.where, name, value, doc or ""))
        elif isinstance(self.open, Struct):
            name, kind, count, doc = self.match(RE_MEMBER, line, "FIELD TYPE sentence")
            self.open.members.append(Member(self.where, name, kind, int(count or 0), doc or ""))
        elif isinstance(self.open, Call):
            self.description(line)
        else:
            self.fail("indented, but nothing above takes indented lines")

    def match(self, pattern, line, form):
        found = pattern.match(line)
        if not found:
            self.fail(f"expected `{form}`")
        return found.groups()

    def error(self, line):
        number, name, doc = self.match(RE_ERROR, line, "NUMBER ENAME text")
        self.module.errors.append(Error(self.where, int(number), name, doc))

    def call(self, line):
        number, name, args, result = self.match(RE_CALL, line, "NUMBER NAME (ARG: TYPE, ...) -> RESULT")
        if self.module.name and not result.startswith("("):
            self.fail("an operation's results are `(FIELD: TYPE, ...)`")
        if not self.module.name and result.startswith("("):
            self.fail("an operation, but no `protocol NAME ID` line stands above")
        if not self.module.name and result not in RESULTS:
            self.fail(f"unknown result type `{result}`")
        if result.startswith("("):
            result = self.arguments(result[1:-1])
        self.open = Call(self.where, int(number), name, self.arguments(args), result, version=self.version)
        self.module.calls.append(self.open)

    def arguments(self, text):
        args = []
        for part in text.split(",") if text.strip() else []:
            name, kind = self.match(RE_ARG, part.strip(), "NAME: TYPE")
            args.append(Arg(self.where, name, " ".join(kind.split())))
        return args

    def description(self, line):
        for key in KEYS:
            if line.startswith(key):
                self.key, line = key, line[len(key):].strip()
        if self.key == "errors:":
            self.open.errors += line.split()
        elif self.key == "rights:":
            self.open.rights = f"{self.open.rights} {line}".strip()
        elif self.key == "values:":
            self.open.values = f"{self.open.values} {line}".strip()
        else:
            self.open.doc = f"{self.open.doc} {line}".strip()


# ---- checking -------------------------------------------------------------------------------------

def check_unique(things, what, key=lambda thing: thing.name):
    seen = {}
    for thing in things:
        first = seen.setdefault(key(thing), thing)
        if first is not thing:
            raise DefError(thing.where, f"{what} {key(thing)} is taken by {first.where}")


def check_struct(struct):
    """Give each member its offset. Holes must be spelt out, so nothing uninitialised crosses the boundary."""
    offset, widest = 0, 1
    for member in struct.members:
        width = INTEGERS.get(member.type)
        if width is None:
            raise DefError(member.where, f"unknown type `{member.type}`")
        if offset % width:
            raise DefError(member.where, f"`{member.name}` at offset {offset} is not aligned to {width}: pad it")
        member.offset = offset
        offset += width * max(member.count, 1)
        widest = max(widest, width)
    if offset != struct.size:
        raise DefError(struct.where, f"struct {struct.name} says {struct.size} bytes, its fields make {offset}")
    if offset % widest:
        raise DefError(struct.where, f"the size of struct {struct.name} is no multiple of {widest}: pad it")
    check_unique(struct.members, "field")


def check_errors(call, known):
    for name in call.errors:
        if name not in known:
            raise DefError(call.where, f"{call.name}: unknown error {name}")


def check_syscall(call, structs):
    if len(call.args) > MAX_ARGUMENTS:
        raise DefError(call.where, f"{call.name}: more than {MAX_ARGUMENTS} arguments")
    check_unique(call.args, "argument")
    for arg, after in zip(call.args, call.args[1:] + [None]):
        check_syscall_type(call, arg, structs)
        if (arg.type.endswith(" bytes") or arg.type.endswith("[]")) and (after is None or after.type != "size"):
            raise DefError(call.where, f"{call.name}: a size must follow `{arg.name}`")


def call_values(call):
    """Argument -> names of the groups its value is made of."""
    found = {}
    for part in filter(None, (part.strip() for part in call.values.split(";"))):
        arg, _, groups = part.partition(" ")
        found[arg] = [name.strip() for name in groups.split("|")]
    return found


def check_values(call, groups):
    args = {arg.name for arg in call.args}
    for arg, names in call_values(call).items():
        if arg not in args:
            raise DefError(call.where, f"{call.name}: values of `{arg}`, which is no argument")
        for name in names:
            if name not in groups:
                raise DefError(call.where, f"{call.name}: unknown group `{name}` of `{arg}`")
        if len(names) > 3:  # ABI_GROUPS
            raise DefError(call.where, f"{call.name}: `{arg}` has more than three groups")


def check_syscall_type(call, arg, structs):
    if arg.type in ARGUMENTS or arg.type in ("in bytes", "out bytes"):
        return
    direction, _, target = arg.type.partition(" ")
    target = target.removesuffix("[]") if direction == "out" else target
    known = target in structs or (direction == "out" and target in INTEGERS)
    if direction not in ("in", "out") or not known:
        raise DefError(call.where, f"{call.name}: unknown type `{arg.type}` of `{arg.name}`")


def check_operation(call):
    for arg in call.args + call.result:
        if arg.type not in FIELDS:
            raise DefError(call.where, f"{call.name}: unknown type `{arg.type}` of `{arg.name}`")
        if arg.name in C_WORDS:
            raise DefError(call.where, f"{call.name}: `{arg.name}` can't be a field's name")
    for arg in call.result:
        if arg.type not in ("u32", "i32", "u64", "i64", "handle"):
            raise DefError(call.where, f"{call.name}: a result can't be `{arg.type}`")
    for kind, most in (("string", MAX_STRINGS), ("in bytes", 1), ("out bytes", 1)):
        if sum(arg.type == kind for arg in call.args) > most:
            raise DefError(call.where, f"{call.name}: more than {most} `{kind}`")
    if any(arg.name == "session" for arg in call.args):
        raise DefError(call.where, f"{call.name}: each operation has a `session` already")
    check_unique(call.args, "field")
    check_unique(call.result, "result")


def check_all(kernel, protocols, errors):
    modules = [kernel, *protocols]
    known_errors = {error.name for error in errors}
    structs = {struct.name: struct for module in modules for struct in module.structs()}
    groups = {item.name for item in kernel.items if isinstance(item, Group)}
    check_unique(errors, "error")
    check_unique(errors, "error number", lambda error: error.number)
    check_unique([c for m in modules for c in m.constants()], "constant")
    check_unique([s for m in modules for s in m.structs()], "struct")
    check_unique([g for m in modules for g in m.items if isinstance(g, Group)], "group")
    for struct in structs.values():
        check_struct(struct)
    for module in modules:
        check_unique(module.calls, "number", lambda call: call.number)
        check_unique(module.calls, "name")
        for call in module.calls:
            check_errors(call, known_errors)
            if module.name:
                check_operation(call)
            else:
                check_syscall(call, structs)
                check_values(call, groups)
    check_protocol_ids(protocols)


def check_protocol_ids(protocols):
    ids = {}
    for module in protocols:
        where = f"{module.path}:1"
        if not module.name:
            raise DefError(where, "no `protocol NAME ID` line")
        if not 0 < module.id < 0x8000:
            raise DefError(where, "a protocol's id is 1 ... 0x7fff")
        if module.id in ids:
            raise DefError(where, f"protocol id {module.id} is taken by {ids[module.id]}")
        ids[module.id] = module.path


# ---- C, in general --------------------------------------------------------------------------------

CLASS = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t",
         "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t",
         "handle": "handle_t", "size": "size_t", "addr": "uintptr_t"}


def banner(source, text):
    return f"/*\n * {text}\n * Made by tools/abigen.py from {source}; change that file, not this one.\n */\n"


def declare(kind, name):
    """`const char *` + `path` without a blank in between, `uint32_t` + `flags` with one."""
    return f"{kind}{name}" if kind.endswith("*") else f"{kind} {name}"


def wrap_list(head, items, tail):
    """`head(item, item, ...)tail`, broken at 100 columns and aligned behind the parenthesis."""
    line = head + "("
    indent = " " * len(line)
    lines = []
    for index, item in enumerate(items):
        piece = item + ("," if index + 1 < len(items) else "")
        if len(line) + 1 + len(piece) + len(tail) > 99:
            lines.append(line)
            line = indent + piece
        else:
            line += piece if line.endswith("(") else " " + piece
    return "\n".join(lines + [line + ")" + tail])


def wrap(head, pairs, tail):
    """A function head with its parameters."""
    return wrap_list(head, [declare(kind, name) for kind, name in pairs] or ["void"], tail)


def define(name, value, doc):
    return f"#define {name:<20} {value:<18} /* {doc} */\n" if doc else f"#define {name:<20} {value}\n"


def define_constant(constant):
    text = f"({constant.text})" if constant.value < 0 else constant.text
    return define(constant.name, text, constant.doc)


def define_values(module):
    out = ""
    for item in module.items:
        if isinstance(item, Constant):
            out += define_constant(item)
        elif isinstance(item, Group):
            what = "bits" if item.kind == "flags" else "values"
            out += f"\n/* {item.name} ({what}): {item.doc} */\n" + "".join(map(define_constant, item.values))
    return out


def define_struct(struct):
    out = f"\n/* {struct.doc} */\nstruct {struct.name} {{\n"
    for member in struct.members:
        array = f"[{member.count}]" if member.count else ""
        text = f"    {CLASS[member.type]} {member.name}{array};"
        out += f"{text:<35} /* {member.doc} */\n"
    out += "};\n"
    out += f'_Static_assert(sizeof(struct {struct.name}) == {struct.size}, "{struct.name}");\n'
    for member in struct.members:
        out += (f"_Static_assert(__builtin_offsetof(struct {struct.name}, {member.name}) == {member.offset}, "
                f'"{struct.name}.{member.name}");\n')
    return out


# ---- <rugo/abi.h> ---------------------------------------------------------------------------------

def write_abi_h(kernel, errors):
    base = syscall_base(kernel)
    out = banner("abi/syscall.def and abi/error.def", "The contract between kernel and programs: numbers and structures.")
    out += "#ifndef RUGO_ABI_H\n#define RUGO_ABI_H\n"
    out += "\n/* Errors; a call returns the negative. */\n"
    for error in errors:
        out += f"#ifndef {error.name}\n{define(error.name, str(error.number), error.doc)}#endif\n"
    out += "\n/* ERROR_TABLE(X): X(number, name, text) for each error. */\n#define ERROR_TABLE(X)"
    for error in errors:
        out += f' \\\n    X({error.number}, {error.name}, "{error.doc}")'
    out += "\n\n/* Constants. */\n" + define_values(kernel)
    out += "\n/* Numbers of the system calls. */\n"
    for call in kernel.calls:
        out += define(f"SYS_{call.name}", f"{base + call.number:#x}", "")
    out += "\n#ifndef __ASSEMBLER__\n#include <stddef.h>\n#include <stdint.h>\n"
    out += "\n/* An entry of the process's handle table; negative: an error, HANDLE_SELF or HANDLE_NONE. */\n"
    out += "typedef int32_t handle_t;\n"
    out += "".join(map(define_struct, kernel.structs()))
    return out + "\n#endif /* __ASSEMBLER__ */\n#endif\n"


def syscall_base(kernel):
    for constant in kernel.constants():
        if constant.name == "SYS_BASE":
            return constant.value
    raise DefError(f"{kernel.path}:1", "no `const SYS_BASE`")


# ---- <rugo/syscall.h> -----------------------------------------------------------------------------

STUB_RESULT = {"status": "int", "handle": "handle_t", "never": "_Noreturn void"}


def user_type(kind):
    """The type a program passes for an argument."""
    if kind in CLASS:
        return CLASS[kind]
    direction, target = kind.split(" ", 1)
    const = "const " if direction == "in" else ""
    target = target.removesuffix("[]")
    if target == "bytes":
        return f"{const}void *"
    return f"{const}{CLASS[target]} *" if target in INTEGERS else f"{const}struct {target} *"


def as_register(kind, name):
    return f"(uint64_t)(uintptr_t){name}" if user_type(kind).endswith("*") else f"(uint64_t){name}"


def write_raw_syscall(count):
    """rugo_syscallN: the instruction itself. The kernel changes rax, rcx and r11 only."""
    fixed = ["D", "S", "d"]
    args = [("uint64_t", "number")] + [("uint64_t", f"a{i}") for i in range(count)]
    out = "\n" + wrap(f"static inline int64_t rugo_syscall{count}", args, "") + "\n{\n"
    out += "    int64_t result;\n"
    inputs = ['"a"(number)'] + [f'"{fixed[i]}"(a{i})' for i in range(min(count, 3))]
    for i, register in zip(range(3, count), ("r10", "r8", "r9")):
        out += f'    register uint64_t {register} __asm__("{register}") = a{i};\n'
        inputs.append(f'"r"({register})')
    out += '    __asm__ volatile("syscall"\n                     : "=a"(result)\n'
    out += f'                     : {", ".join(inputs)}\n'
    out += '                     : "rcx", "r11", "memory");\n    return result;\n}\n'
    return out


def write_stub(call):
    result = STUB_RESULT.get(call.result, "int64_t")
    pairs = [(user_type(arg.type), arg.name) for arg in call.args]
    values = [f"SYS_{call.name}"] + [as_register(arg.type, arg.name) for arg in call.args]
    raw = f"rugo_syscall{len(call.args)}"
    out = f"\n{comment(call)}" + wrap(f"static inline {result} sys_{call.name}", pairs, "") + "\n{\n"
    if call.result == "never":
        return out + wrap_list(f"    {raw}", values, ";") + "\n    __builtin_unreachable();\n}\n"
    cast = "" if result == "int64_t" else f"({result})"
    return out + wrap_list(f"    return {cast}{raw}", values, ";") + "\n}\n"


def comment(call):
    text = call.doc or call.name
    lines = textwrap.wrap(text, 94, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1:
        return f"/* {lines[0]} */\n"
    return "/*\n" + "".join(f" * {line}\n" for line in lines) + " */\n"


def write_syscall_h(kernel):
    out = banner("abi/syscall.def", "System calls for programs. Results: 0 or more, or a negative error.")
    out += "#ifndef RUGO_SYSCALL_H\n#define RUGO_SYSCALL_H\n\n#include <rugo/abi.h>\n"
    out += "\n/* The instruction itself, for any number; the stubs below are what programs use. */"
    out += "".join(write_raw_syscall(count) for count in range(MAX_ARGUMENTS + 1))
    return out + "".join(map(write_stub, kernel.calls)) + "\n#endif\n"


# ---- the kernel's table ---------------------------------------------------------------------------

def kernel_type(kind):
    if kind in CLASS:
        return CLASS[kind]
    return "struct user_in" if kind.startswith("in ") else "struct user_out"


def from_register(kind, register):
    kind = kernel_type(kind)
    return f"({kind}){{{register}}}" if kind.startswith("struct") else f"({kind}){register}"


def write_table_h(kernel):
    out = banner("abi/syscall.def", "The handlers of the system calls and the table that leads to them.")
    out += "#ifndef SYSCALL_TABLE_H\n#define SYSCALL_TABLE_H\n\n"
    out += '#include <rugo/abi.h>\n#include "mm/usercopy.h"\n\n'
    out += "/* A row of the table: the six argument registers as they came; the result goes to rax. */\n"
    out += "typedef int64_t (*syscall_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);\n\n"
    out += "/* Row i serves call SYS_BASE + i; numbers without a call lead to -ENOSYS. */\n"
    out += "extern const syscall_fn syscall_table[];\nextern const uint32_t syscall_count;\n\n"
    out += "/* Names of the rows, for traces; NULL where there is no call. */\n"
    out += "extern const char *const syscall_names[];\n"
    out += "\n/* Rows with an `in bytes` argument: its number + 1, its length is the next one; 0: there is none. */\n"
    out += "extern const uint8_t syscall_data[];\n"
    for call in kernel.calls:
        pairs = [(kernel_type(arg.type), arg.name) for arg in call.args]
        out += f"\n{comment(call)}" + wrap(f"int64_t sys_{call.name}", pairs, ";") + "\n"
    return out + "\n#endif\n"


REGISTERS = [("uint64_t", f"a{i}") for i in range(MAX_ARGUMENTS)]


def write_adapter(call):
    values = [from_register(arg.type, f"a{i}") for i, arg in enumerate(call.args)]
    return ("\n" + wrap(f"static int64_t call_{call.name}", REGISTERS, "") +
            "\n{\n" + wrap_list(f"    return sys_{call.name}", values, ";") + "\n}\n")


def write_table_c(kernel):
    calls = {call.number: call for call in kernel.calls}
    rows = range(max(calls) + 1)
    out = banner("abi/syscall.def", "The table of system calls. Adapters only retype the registers: each is one jump.")
    out += '#include "syscall_table.h"\n\n#pragma GCC diagnostic ignored "-Wunused-parameter"\n'
    if any(row not in calls for row in rows):
        out += "\n" + wrap("static int64_t no_call", REGISTERS, "") + "\n{\n    return -ENOSYS;\n}\n"
    out += "".join(map(write_adapter, kernel.calls))
    out += f"\nconst uint32_t syscall_count = {len(rows)};\n\nconst syscall_fn syscall_table[] = {{\n"
    out += "".join(f"    [{n}] = {f'call_{calls[n].name}' if n in calls else 'no_call'},\n" for n in rows)
    out += "};\n\nconst char *const syscall_names[] = {\n"
    out += "".join(f'    [{n}] = "{calls[n].name}",\n' for n in rows if n in calls)
    if max(rows) not in calls:
        out += f"    [{max(rows)}] = 0,\n"
    out += "};\n\nconst uint8_t syscall_data[] = {\n"
    out += "".join(f"    [{n}] = {data_argument(calls[n])},\n" for n in rows if n in calls)
    return out + "};\n"


def data_argument(call):
    return next((index + 1 for index, arg in enumerate(call.args) if arg.type == "in bytes"), 0)


# ---- the contract as data, for programs that show it -------------------------------------------------

KIND = {"handle": "ABI_HANDLE", "i32": "ABI_SIGNED", "i64": "ABI_SIGNED", "u32": "ABI_UNSIGNED", "u64": "ABI_UNSIGNED",
        "size": "ABI_SIZE", "addr": "ABI_ADDR", "status": "ABI_STATUS", "never": "ABI_NEVER"}


def kind_of(kind):
    return KIND.get(kind) or ("ABI_IN" if kind.startswith("in ") else "ABI_OUT")


def write_group(group):
    out = f"\nstatic const struct abi_value values_{group.name}[] = {{\n"
    out += "".join(f'    {{ "{value.name}", {value.text} }},\n' for value in group.values) + "};\n"
    out += f"const struct abi_group abi_group_{group.name} = {{\n"
    flags = "true" if group.kind == "flags" else "false"
    return out + f'    "{group.name}", {flags}, values_{group.name}, {len(group.values)}\n}};\n'


def write_call_row(base_row, call):
    values = call_values(call)
    out = f'    [{base_row}] = {{ "{call.name}", {kind_of(call.result)}, {len(call.args)}, {{\n'
    for arg in call.args:
        bits = 32 if arg.type in ("handle", "u32", "i32") else 64
        groups = ", ".join(f"&abi_group_{name}" for name in values.get(arg.name, [])) or "NULL"
        out += f'        {{ "{arg.name}", {kind_of(arg.type)}, {bits}, {{ {groups} }} }},\n'
    return out + "    } },\n"


def write_op_row(module, call):
    request = request_struct(module, call)
    strings = [c_name(arg.name) + "_len" for arg in of_type(call.args, "string")]
    at = next((member.offset for member in request.members if member.name in strings), 0)
    return f'    {{ {module.id << 16 | call.number:#x}, {request.size}, {at}, "{module.name}", "{call.name}" }},\n'


def write_calls_c(kernel, protocols):
    out = banner("abi", "The contract as data: <rugo/calls.h> says what is what.")
    out += '#include <rugo/calls.h>\n\n#pragma GCC diagnostic ignored "-Wmissing-field-initializers"\n'
    out += '#pragma GCC diagnostic ignored "-Wmissing-braces"\n'
    groups = [item for item in kernel.items if isinstance(item, Group)]
    out += "".join(f"extern const struct abi_group abi_group_{group.name};\n" for group in groups)
    out += "".join(map(write_group, groups))
    out += "\nconst struct abi_call abi_calls[] = {\n"
    out += "".join(write_call_row(call.number, call) for call in kernel.calls)
    out += "};\nconst size_t abi_ncalls = sizeof abi_calls / sizeof abi_calls[0];\n"
    out += "\nconst struct abi_op abi_ops[] = {\n"
    out += "".join(write_op_row(module, call) for module in protocols for call in module.calls)
    return out + "};\nconst size_t abi_nops = sizeof abi_ops / sizeof abi_ops[0];\n"


# ---- <rugo/call_rows.h> ---------------------------------------------------------------------------

# What a handle argument of this name stands for, where it is not called as its type is.
HANDLE_NAMES = {"proc": "PROCESS", "ep": "ENDPOINT", "ser": "SERIAL", "parent": "JOB"}


def handle_type(arg, types):
    """OBJ_NAME for a handle argument that takes one type of object; 0: any."""
    name = f"OBJ_{HANDLE_NAMES.get(arg.name, arg.name.upper())}"
    return name if name in types else "0"


def object_size(kind, structs):
    """Bytes of what a pointer argument points to: of one element for an array, 1 for bytes."""
    target = kind.split(" ", 1)[1].removesuffix("[]")
    return 1 if target == "bytes" else INTEGERS.get(target) or structs[target].size


def known_bits(names, groups):
    """All bits in the values of these groups."""
    bits = 0
    for value in (value for name in names for value in groups[name].values):
        bits |= value.value
    return f"{bits & 0xffffffff:#x}"


def row_argument(arg, types, structs, known):
    kind, unit, of = f"ARG_{arg.type.upper()}", 0, "0"
    if arg.type == "handle":
        of = handle_type(arg, types)
    elif " " in arg.type:
        many = arg.type.endswith((" bytes", "[]"))
        kind = ("ARG_IN" if arg.type.startswith("in ") else "ARG_OUT") + ("_MANY" if many else "")
        unit = object_size(arg.type, structs)
    return f'{{ "{arg.name}", {kind}, {of}, {unit}, {known} }}'


def write_call_rows(kernel):
    types = {constant.name for constant in kernel.constants() if constant.name.startswith("OBJ_")}
    structs = {struct.name: struct for struct in kernel.structs()}
    out = banner("abi/syscall.def", "The system calls as data: what each takes, and which errors it may give.")
    out += "#ifndef RUGO_CALL_ROWS_H\n#define RUGO_CALL_ROWS_H\n\n#include <rugo/abi.h>\n\n"
    out += "/* What an argument is. The length or count of a _MANY is the next argument. */\n"
    kinds = [f"ARG_{kind.upper()}" for kind in sorted(ARGUMENTS)] + ["ARG_IN", "ARG_OUT", "ARG_IN_MANY", "ARG_OUT_MANY"]
    out += "enum arg_kind { " + ", ".join(kinds) + " };\n"
    results = ", ".join(f"RESULT_{kind.upper()}" for kind in sorted(RESULTS))
    out += f"enum result_kind {{ {results} }};\n\n"
    out += "struct call_arg {\n    const char *name;\n    uint8_t kind;  /* arg_kind */\n"
    out += "    uint8_t type;  /* of a handle: object_type, 0: any */\n"
    out += "    uint16_t unit; /* of a pointer: bytes of an element */\n    uint32_t known; /* bits of the values that it is made of, 0: not said */\n};\n\n"
    most = max([len(call.errors) for call in kernel.calls] + [0])
    out += f"#define CALL_ERRORS_MAX {most}\n\n"
    out += "struct call_row {\n    const char *name;\n    uint16_t number; /* SYS_BASE not added */\n"
    out += "    uint8_t result;  /* result_kind */\n    uint8_t nargs, nerrors;\n"
    out += f"    struct call_arg args[{MAX_ARGUMENTS}];\n    uint16_t errors[CALL_ERRORS_MAX + 1];\n}};\n\n"
    out += f"#define CALL_ROWS {len(kernel.calls)}\n\nstatic const struct call_row call_rows[CALL_ROWS] = {{\n"
    groups = {item.name: item for item in kernel.items if isinstance(item, Group)}
    for call in kernel.calls:
        values = call_values(call)
        args = ", ".join(row_argument(arg, types, structs, known_bits(values.get(arg.name, []), groups)) for arg in call.args)
        out += f'    {{ "{call.name}", {call.number}, RESULT_{call.result.upper()}, {len(call.args)}, {len(call.errors)},\n'
        out += f"      {{ {args or '{ 0 }'} }},\n      {{ {', '.join(call.errors) or '0'} }} }},\n"
    return out + "};\n\n#endif\n"


# ---- protocols: layout of messages ----------------------------------------------------------------

WIRE = {"u32": ("u32", 4), "i32": ("i32", 4), "u64": ("u64", 8), "i64": ("i64", 8), "string": ("u16", 2)}


def c_name(name):
    return name + "_" if name in MACRO_WORDS else name


def layout(first, args):
    """Members of a message: `first`, then what of args travels in it, with the padding spelt out."""
    members, offset, pads = [Member("", first[0], first[1], 0, first[2], 0)], 4, 0

    def pad_to(width):
        nonlocal offset, pads
        missing = -offset % width
        if missing:
            unit, size = ("u32", 4) if missing == 4 else ("u16", 2)
            count = missing // size
            members.append(Member("", f"reserved{pads or ''}", unit, count if count > 1 else 0, "0", offset))
            offset, pads = offset + missing, pads + 1

    widest = 4
    for arg in args:
        if arg.type not in WIRE:
            continue
        kind, width = WIRE[arg.type]
        pad_to(width)
        string = arg.type == "string"
        name = f"{c_name(arg.name)}_len" if string else c_name(arg.name)
        doc = f"bytes of {arg.name}, its NUL not counted" if string else ""
        members.append(Member("", name, kind, 0, doc, offset))
        offset, widest = offset + width, max(widest, width)
    pad_to(widest)
    return members, offset


def request_struct(module, call):
    first = ("op", "u32", f"{module.name.upper()}_{call.name.upper()}")
    members, size = layout(first, call.args)
    return Struct(call.where, f"{module.name}_{call.name}_request", size, f"Request of {call.name}.", members)


def reply_struct(module, call):
    members, size = layout(("status", "i32", "0 or a negative error"), call.result)
    return Struct(call.where, f"{module.name}_{call.name}_reply", size, f"Answer to {call.name}.", members)


def define_message(struct):
    out = f"\nstruct {struct.name} {{\n"
    for member in struct.members:
        array = f"[{member.count}]" if member.count else ""
        text = f"    {CLASS[member.type]} {member.name}{array};"
        out += (f"{text:<35} /* {member.doc} */" if member.doc else text) + "\n"
    return out + f'}};\n_Static_assert(sizeof(struct {struct.name}) == {struct.size}, "{struct.name}");\n'


def of_type(args, *kinds):
    return [arg for arg in args if arg.type in kinds]


def check_message_sizes(module, limits):
    """The longest request fits one message."""
    for call in module.calls:
        strings = len(of_type(call.args, "string"))
        longest = request_struct(module, call).size + strings * (limits["PROTO_STRING_MAX"] + 1)
        if longest > limits["IPC_DATA_MAX"]:
            raise DefError(call.where, f"{call.name}: a request may have {longest} bytes, more than a message")
        for args in (call.args, call.result):
            if len(of_type(args, "handle")) > limits["IPC_HANDLE_MAX"]:
                raise DefError(call.where, f"{call.name}: too many handles")


# ---- protocols: C ---------------------------------------------------------------------------------

def result_name(call, result):
    taken = {"session"} | {arg.name for arg in call.args}
    return f"{c_name(result.name)}_out" if result.name in taken else c_name(result.name)


def input_parameters(call, client):
    """Parameters of a request; bulk buffers only on the client's side."""
    pairs = []
    for arg in call.args:
        name = c_name(arg.name)
        if arg.type == "string":
            pairs.append(("const char *", name))
        elif arg.type in CLASS:
            pairs.append((CLASS[arg.type], name))
        elif client:
            pairs.append(("const void *" if arg.type == "in bytes" else "void *", name))
            pairs.append(("size_t", f"{name}_len"))
    return pairs


def result_parameters(call):
    return [(f"{CLASS[result.type]} *", result_name(call, result)) for result in call.result]


def client_head(module, call, tail):
    pairs = [("handle_t", "session")] + input_parameters(call, True) + result_parameters(call)
    return wrap(f"int {module.name}_{call.name}", pairs, tail)


def answer_head(module, call, tail):
    pairs = [("struct ipc_msg *", "msg"), ("int", "status")]
    pairs += [(CLASS[result.type], c_name(result.name)) for result in call.result]
    return wrap(f"void {module.name}_{call.name}_answer", pairs, tail)


def operation_pointer(call):
    pairs = [("void *", "ctx"), ("const struct ipc_call *", "call")]
    pairs += input_parameters(call, False) + result_parameters(call)
    return wrap(f"    int (*{call.name})", pairs, ";")


def write_proto_h(module):
    name, guard = module.name, f"RUGO_PROTO_{module.name.upper()}_H"
    out = banner(f"abi/ipc/{name}.def", f"Protocol `{name}`: {module.doc}")
    out += f"#ifndef {guard}\n#define {guard}\n\n#include <rugo/abi.h>\n#include <rugo/proto.h>\n"
    out += "\n/* Operation codes. */\n" + define(f"{name.upper()}_PROTOCOL", str(module.id), "upper half of each code")
    for call in module.calls:
        out += define(f"{name.upper()}_{call.name.upper()}", f"{module.id << 16 | call.number:#x}", "")
    values = define_values(module)
    out += f"\n/* Constants. */\n{values}" if values else ""
    out += "".join(map(define_struct, module.structs()))
    out += "\n/* Messages. The strings of a request follow its structure in order, each with its NUL. */"
    for call in module.calls:
        out += define_message(request_struct(module, call)) + define_message(reply_struct(module, call))
    out += f"\n/*\n * Client: each sends one request over a session of `{name}` and waits for the answer, without a time-out.\n"
    out += " * 0, or a negative error: the server's or ipc_call's; then results are left as they were.\n */\n"
    for call in module.calls:
        out += f"\n{comment(call)}{client_head(module, call, ';')}\n"
    out += "\n/*\n * Server: what answers each operation; NULL answers -ENOSYS. Handles that come in belong to the operation,\n"
    out += " * handles it gives out move to the client. Strings live until it returns. Bulk buffers are reached with\n"
    out += " * sys_msg_read and sys_msg_write through call->ep and call->token. An operation returns its status, or\n"
    out += " * PROTO_LATER: then the server itself answers the token one day, with NAME_answer.\n */\n"
    out += f"struct {name}_ops {{\n" + "".join(operation_pointer(c) + "\n" for c in module.calls) + "};\n"
    out += f"\n/*\n * Decode the received call in msg (a private copy: header and len bytes), let ops answer it, and put the answer\n"
    out += " * into msg, ready to be sent. ep: where it came in. PROTO_OTHER: not of this protocol, msg is untouched.\n */\n"
    pairs = [(f"const struct {name}_ops *", "ops"), ("void *", "ctx"), ("handle_t", "ep"), ("struct ipc_msg *", "msg")]
    out += wrap(f"enum proto_result {name}_dispatch", pairs, ";") + "\n"
    out += "\n/* Put an answer into msg; with a negative status the results are not looked at. */\n"
    out += "".join(answer_head(module, call, ";") + "\n" for call in module.calls)
    return out + "\n#endif\n"


def write_client(module, call):
    """The client stub: fill the message, call, take the answer apart."""
    upper = f"{module.name}_{call.name}".upper()
    fields = [f".op = {upper}"] + [f".{c_name(a.name)} = {c_name(a.name)}"
                                   for a in call.args if a.type in INTEGERS]
    handles = len(of_type(call.result, "handle"))
    out = f"\n{client_head(module, call, '')}\n{{\n"
    out += f"    struct {module.name}_{call.name}_request req = {{{', '.join(fields)}}};\n"
    out += f"    struct {module.name}_{call.name}_reply rep;\n"
    out += "    struct ipc_msg *msg = proto_begin(sizeof(req));\n    int st;\n\n"
    for arg in of_type(call.args, "string"):
        name = c_name(arg.name)
        out += f"    st = proto_add_string(msg, {name}, &req.{name}_len);\n    if (st < 0)\n        return st;\n"
    for arg in call.args:
        name = c_name(arg.name)
        if arg.type == "handle":
            out += f"    proto_add_handle(msg, {name});\n"
        elif arg.type == "in bytes":
            out += f"    msg->in_addr = (uintptr_t){name};\n    msg->in_len = {name}_len;\n"
        elif arg.type == "out bytes":
            out += f"    msg->out_addr = (uintptr_t){name};\n    msg->out_len = {name}_len;\n"
    out += f"    st = proto_call(session, msg, &req, sizeof(req), &rep, sizeof(rep), {handles});\n"
    out += "    if (st < 0)\n        return st;\n"
    for result in of_type(call.result, *INTEGERS):
        out += f"    *{result_name(call, result)} = rep.{c_name(result.name)};\n"
    for index, result in enumerate(of_type(call.result, "handle")):
        out += f"    *{result_name(call, result)} = msg->handles[{index}];\n"
    return out + "    return 0;\n}\n"


def write_answer(module, call):
    handles = [c_name(result.name) for result in of_type(call.result, "handle")]
    fields = [".status = status"] + [f".{c_name(r.name)} = {c_name(r.name)}"
                                     for r in call.result if r.type in INTEGERS]
    out = f"\n{answer_head(module, call, '')}\n{{\n"
    out += f"    struct {module.name}_{call.name}_reply rep = {{{', '.join(fields)}}};\n"
    if handles:
        out += f"    const handle_t handles[] = {{{', '.join(handles)}}};\n"
    array = f"handles, {len(handles)}" if handles else "NULL, 0"
    return out + f"\n    proto_answer(msg, &rep, sizeof(rep), {array});\n}}\n"


def write_serve(module, call):
    """The server's side of one operation: check what was received, run it, encode the answer."""
    strings, handles = of_type(call.args, "string"), of_type(call.args, "handle")
    pairs = [(f"const struct {module.name}_ops *", "ops"), ("void *", "ctx"),
             ("const struct ipc_call *", "call"), ("struct ipc_msg *", "msg")]
    out = f"\n" + wrap(f"static enum proto_result serve_{call.name}", pairs, "") + "\n{\n"
    out += f"    struct {module.name}_{call.name}_request req;\n"
    for result in call.result:
        initial = "HANDLE_NONE" if result.type == "handle" else "0"
        out += f"    {CLASS[result.type]} {result_name(call, result)} = {initial};\n"
    for arg in strings:
        out += f"    const char *{c_name(arg.name)};\n"
    out += "    size_t at = sizeof(req);\n    int st;\n\n"
    out += f"    if (!ops->{call.name})\n        return proto_refuse(msg, -ENOSYS);\n"
    out += f"    st = proto_take_request(msg, &req, sizeof(req), {len(handles)});\n"
    for arg in strings:
        name = c_name(arg.name)
        out += f"    if (st == 0)\n        st = proto_take_string(msg, &at, req.{name}_len, &{name});\n"
    out += "    if (st == 0 && at != msg->len)\n        st = -EPROTO;\n"
    out += "    if (st < 0)\n        return proto_refuse(msg, st);\n"
    values = ["ctx", "call"]
    for arg in call.args:
        if arg.type in INTEGERS:
            values.append(f"req.{c_name(arg.name)}")
        elif arg.type == "handle":
            values.append(f"msg->handles[{handles.index(arg)}]")
        elif arg.type == "string":
            values.append(c_name(arg.name))
    values += [f"&{result_name(call, result)}" for result in call.result]
    out += wrap_list(f"    st = ops->{call.name}", values, ";") + "\n"
    out += "    if (st == PROTO_LATER)\n        return PROTO_LATER;\n"
    results = "".join(f", {result_name(call, result)}" for result in call.result)
    return out + f"    {module.name}_{call.name}_answer(msg, st{results});\n    return PROTO_REPLY;\n}}\n"


def write_proto_c(module):
    name = module.name
    out = banner(f"abi/ipc/{name}.def", f"Stubs and decoder of protocol `{name}`.")
    out += f"#include <rugo/proto_{name}.h>\n"
    out += "".join(write_client(module, call) for call in module.calls)
    out += "".join(write_answer(module, call) for call in module.calls)
    out += "".join(write_serve(module, call) for call in module.calls)
    pairs = [(f"const struct {name}_ops *", "ops"), ("void *", "ctx"), ("handle_t", "ep"), ("struct ipc_msg *", "msg")]
    out += "\n" + wrap(f"enum proto_result {name}_dispatch", pairs, "") + "\n{\n"
    out += "    const struct ipc_call call = proto_describe(ep, msg);\n"
    out += "    const uint32_t op = proto_op(msg);\n\n"
    out += f"    if (op >> 16 != {name.upper()}_PROTOCOL)\n        return PROTO_OTHER;\n    switch (op) {{\n"
    for call in module.calls:
        out += f"    case {name.upper()}_{call.name.upper()}:\n"
        out += f"        return serve_{call.name}(ops, ctx, &call, msg);\n"
    return out + "    default:\n        return proto_refuse(msg, -ENOSYS);\n    }\n}\n"


# ---- documents ------------------------------------------------------------------------------------

GENERATED = "<!-- Made by tools/abigen.py from {}: change that file and run `make abi-docs`. -->\n"


def table(head, rows):
    out = "| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n"
    return out + "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def signature(args):
    return ", ".join(f"{arg.name}: {arg.type}" for arg in args)


def document_values(module):
    out = ""
    constants = [item for item in module.items if isinstance(item, Constant)]
    if constants:
        out += "\n## Constants\n\n" + table(("name", "value", ""), [(f"`{c.name}`", c.text, c.doc) for c in constants])
    groups = [item for item in module.items if isinstance(item, Group)]
    if groups:
        out += "\n## Flags and values\n"
    for group in groups:
        rows = [(f"`{value.name}`", value.text, value.doc) for value in group.values]
        out += f"\n**{group.name}** ({group.kind}). {group.doc}\n\n" + table(("name", "value", ""), rows)
    if module.structs():
        out += "\n## Structures\n"
    for struct in module.structs():
        out += f"\n**struct {struct.name}**, {struct.size} bytes. {struct.doc}\n\n"
        out += table(("offset", "type", "field", ""), [member_row(member) for member in struct.members])
    return out


def member_row(member):
    array = f"[{member.count}]" if member.count else ""
    return member.offset, member.type + array, f"`{member.name}`", member.doc


SYSCALL_INTRO = """# System calls, ABI v{version}

The instruction is SYSCALL. The number goes into RAX, arguments into RDI, RSI, RDX, R10, R8, R9; the result comes back in
RAX: 0 or more, or a negative error (-4095 … -1). Only RAX, RCX and R11 change. 32-bit arguments are taken from the lower
half of their register; the upper half is ignored.

- An unknown number is -ENOSYS, an unknown flag bit -EINVAL, a bad pointer -EFAULT, always with nothing changed.
- Arguments are checked in the order handle, type, right, value: -EBADF, -ENODEV, -EACCES, then the rest.
- Memory that a call reads is copied once. `in` and `out` arguments are user addresses; a length follows where it isn't fixed.

## What stays as it is

A program built for this version runs on every later kernel. So from here on the ABI only grows:

- A number keeps its call, and a call its arguments, its result and what it does. Numbers are never used again for something else.
- Structures keep size and layout. What is reserved is 0 when it comes from the kernel and must be 0 when it goes there; later it may mean
  something, of which 0 says nothing new. Values of constants, flags and enums stay.
- A call may get flags it refuses today (-EINVAL), and an error in addition for what such a flag asks for. An error named here keeps its meaning. A
  call that a kernel does not have is -ENOSYS, so a program can try.
- Version 0 is the part of version 1 with the calls it had; nothing of it has changed.

Not promised: the texts of the log and of reports, which of several errors comes when several apply (beyond the order above), how long a
call takes, the numbers of handles, threads and processes, and calls and words of the command line that exist for tests.

In C each call is `sys_NAME` in `<rugo/syscall.h>`.
"""


def write_syscall_md(kernel, errors, version, newest):
    """The page of one version: all calls there are in it. Values and errors stand in the newest one."""
    base = syscall_base(kernel)
    calls = sorted((call for call in kernel.calls if call.version <= version), key=lambda call: call.number)
    out = GENERATED.format("abi/syscall.def and abi/error.def") + SYSCALL_INTRO.format(version=version)
    out += "\n## All calls\n\n"
    rows = [(f"{base + c.number:#x}", f"[{c.name}](#{c.name})", f"({signature(c.args)})", c.result) for c in calls]
    out += table(("number", "name", "arguments", "result"), rows)
    out += "\n## What each does\n"
    for call in calls:
        out += f"\n### {call.name}\n\n`{base + call.number:#x}` `{call.name}({signature(call.args)}) -> {call.result}`\n\n"
        out += f"{call.doc}\n"
        out += f"\nRights: {call.rights}.\n" if call.rights else ""
        out += f"\nValues: {call.values}.\n" if call.values else ""
        out += f"\nErrors: {' '.join(call.errors)}.\n" if call.errors else ""
    if version < newest:
        return out + f"\nErrors, constants and structures: [syscall_v{newest}.md](syscall_v{newest}.md).\n"
    out += "\n## Errors\n\n" + table(("number", "name", "meaning"), [(e.number, e.name, e.doc) for e in errors])
    return out + document_values(kernel)


PROTOCOL_INTRO = """
A request is one `ipc_call` on a session. Its data begin with the structure shown, all numbers little-endian and naturally aligned; the
bytes of its strings follow in order, each closed by a NUL that its length does not count. Handles travel in the message's
`handles`, in order; `in bytes` and `out bytes` are the caller's buffers, which the server reaches with `msg_read` and
`msg_write`. The answer begins with a status (0 or a negative error); on failure nothing else counts and no handle comes, and the
answer may end after the status. A server answers -ENOSYS to an operation it has not, -EPROTO to a message of the wrong shape
(too short, too long, a NUL inside a string, the wrong number of handles) and -ENAMETOOLONG to a string of more than 1900 bytes.
"""


def write_proto_md(module):
    name = module.name
    out = GENERATED.format(f"abi/ipc/{name}.def") + f"# Protocol `{name}` ({module.id})\n\n{module.doc}\n" + PROTOCOL_INTRO
    out += f"\nIn C: `<rugo/proto_{name}.h>`; clients call `{name}_OPERATION`, servers fill a `struct {name}_ops`.\n"
    out += "\n## Operations\n"
    for call in module.calls:
        out += f"\n### {call.name}\n\n`{module.id << 16 | call.number:#x}` "
        out += f"`{call.name}({signature(call.args)}) -> ({signature(call.result)})`\n\n{call.doc}\n"
        out += f"\nErrors: {' '.join(call.errors)}.\n" if call.errors else ""
        for struct in (request_struct(module, call), reply_struct(module, call)):
            out += f"\n{struct.doc[:-1]}: {struct.size} bytes\n\n"
            out += table(("offset", "type", "field", ""), [member_row(member) for member in struct.members])
    return out + document_values(module)


# ---- the program ----------------------------------------------------------------------------------

def find_definitions(paths):
    """The .def files meant by the arguments: files as they are, folders with all below them."""
    files = []
    for path in map(Path, paths):
        files += sorted(path.rglob("*.def")) if path.is_dir() else [path]
    return files


def read_definitions(files):
    """(kernel, protocols, errors), checked."""
    modules = [Parser(path, path.read_text(encoding="utf-8")).module for path in files]
    by_name = {Path(module.path).name: module for module in modules}
    for needed in ("syscall.def", "error.def"):
        if needed not in by_name:
            raise DefError("abigen", f"no {needed} among the definitions")
    kernel, errors = by_name["syscall.def"], by_name["error.def"].errors
    protocols = [m for m in modules if m is not kernel and m is not by_name["error.def"]]
    protocols.sort(key=lambda module: module.path)
    check_all(kernel, protocols, errors)
    limits = {constant.name: constant.value for constant in kernel.constants()}
    for module in protocols:
        check_message_sizes(module, {"PROTO_STRING_MAX": 1900, **limits})
    return kernel, protocols, errors


def outputs(kernel, protocols, errors, out, docs):
    """Path -> text of everything asked for."""
    files = {}
    if out:
        files[out / "include/rugo/abi.h"] = write_abi_h(kernel, errors)
        files[out / "include/rugo/syscall.h"] = write_syscall_h(kernel)
        files[out / "include/rugo/call_rows.h"] = write_call_rows(kernel)
        files[out / "kernel/syscall_table.h"] = write_table_h(kernel)
        files[out / "kernel/syscall_table.c"] = write_table_c(kernel)
        files[out / "lib/calls.c"] = write_calls_c(kernel, protocols)
        for module in protocols:
            files[out / f"include/rugo/proto_{module.name}.h"] = write_proto_h(module)
            files[out / f"lib/proto_{module.name}.c"] = write_proto_c(module)
    if docs:
        newest = max(call.version for call in kernel.calls)
        for version in range(newest + 1):
            files[docs / f"syscall_v{version}.md"] = write_syscall_md(kernel, errors, version, newest)
        for module in protocols:
            files[docs / f"{module.name}.md"] = write_proto_md(module)
    return files


def store(files, out):
    """Write what changed, and remove code of protocols that are no more."""
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if out:
        for path in [*out.glob("include/rugo/proto_*.h"), *out.glob("lib/proto_*.c")]:
            if path not in files:
                path.unlink()


def main():
    parser = argparse.ArgumentParser(description="Make C and documents of abi/*.def.")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where generated C goes")
    parser.add_argument("--docs", type=Path, metavar="DOCDIR", help="where generated documents go")
    parser.add_argument("--go", type=Path, metavar="GODIR", help="where generated Go goes")
    parser.add_argument("definitions", nargs="+", help=".def files, or folders of them")
    args = parser.parse_args()
    try:
        model = read_definitions(find_definitions(args.definitions))
        store(outputs(*model, args.out, args.docs), args.out)
        if args.go:
            store(abigo.outputs(*model, args.go), None)
    except (DefError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
