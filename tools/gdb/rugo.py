"""gdb commands for looking into a running or broken Rugo. README.md beside this file shows them at work.

    gdb build/rugo.debug.elf -x tools/gdb/rugo.py -ex 'target remote :1234'

All of them only read memory, and need nothing of the kernel's cooperation. They go by the types and variables in
rugo.debug.elf, so it must be the one that runs; where it runs is found out from GS.
"""

import os
import re

import gdb

KERNEL_HALF = 1 << 63
STATES = ["new", "ready", "running", "blocked", "dead"]
PROCESS_STATES = ["new", "run", "dying", "dead"]
DEPTH = 24                              # frames of a backtrace


class RugoError(gdb.GdbError):
    """What was asked for is not there."""


# ---- values of the kernel ---------------------------------------------------------------------------

def kernel_file():
    """The symbol file of the kernel."""
    for objfile in gdb.objfiles():
        if objfile.filename and objfile.lookup_global_symbol("kmain"):
            return objfile.filename
    raise RugoError("no kernel symbols: start gdb with build/rugo.debug.elf")


def register(name):
    return int(gdb.parse_and_eval(f"${name}")) & (1 << 64) - 1


def find_slide():
    """How far the kernel runs from where it was linked: each CPU's GS base lies in cpus, in kernel mode or kept for it."""
    linked = int(re.search(r"0x[0-9a-f]+", gdb.execute("info address cpus", to_string=True))[0], 16)
    size = gdb.parse_and_eval("sizeof cpus")
    for name in ("gs_base", "k_gs_base"):
        try:
            base = register(name)
        except gdb.error:
            continue
        # The kernel is moved by whole pages, and a CPU's structure begins with its own address.
        if base >= KERNEL_HALF and int(read(base, "unsigned long")) == base:
            index = int(read(base + offset("struct cpu", "id"), "unsigned int"))
            return base - index * int(gdb.parse_and_eval("sizeof cpus[0]")) - linked
    raise RugoError(f"this CPU's GS does not lead to cpus ({size} bytes at {linked:#x}): is the kernel up yet?")


def relocate():
    """Load the kernel's symbols where it runs."""
    slide = find_slide()
    if slide:
        path = kernel_file()
        gdb.execute("symbol-file", to_string=True)
        gdb.execute(f"symbol-file {path} -o {slide:#x}", to_string=True)
    return slide


def read(address, kind):
    return gdb.Value(address).cast(gdb.lookup_type(kind).pointer()).dereference()


def offset(struct, field):
    for found in gdb.lookup_type(struct).fields():
        if found.name == field:
            return found.bitpos // 8
    raise RugoError(f"{struct} has no field {field}")


def elements(head, struct, field):
    """The elements of a struct list."""
    kind = gdb.lookup_type(struct).pointer()
    at, end, seen = head["next"], head.address, 0
    while at != end and seen < 100000:
        yield gdb.Value(int(at) - offset(struct, field)).cast(kind).dereference()
        at, seen = at["next"], seen + 1


def tree_elements(node, struct, field):
    """The elements of a struct tree, from a pointer to its root, by key."""
    stack, kind = [], gdb.lookup_type(struct).pointer()
    while int(node) or stack:
        while int(node):
            stack.append(node)
            node = node["left"]
        node = stack.pop()
        yield gdb.Value(int(node) - offset(struct, field)).cast(kind).dereference()
        node = node["right"]


def text(array):
    return array.string(errors="replace").split("\0")[0]


def name_of(names, number):
    return names[number] if number < len(names) else str(number)


def jobs(job=None):
    """A job and the jobs in it, outer ones first; without an argument all."""
    job = gdb.parse_and_eval("'kernel/proc/job.c'::root").dereference() if job is None else job
    yield job
    for child in elements(job["children"], "struct job", "sibling"):
        yield from jobs(child)


def processes():
    """All processes, by number."""
    found = [p for job in jobs() for p in elements(job["processes"], "struct process", "job_node")]
    return sorted(found, key=lambda p: int(p["pid"]))


def process(pid):
    for p in processes():
        if int(p["pid"]) == pid:
            return p
    raise RugoError(f"no process {pid}")


def threads(p):
    return tree_elements(p["threads"]["root"], "struct thread", "process_node")


def cpus():
    return [gdb.parse_and_eval(f"cpus[{i}]") for i in range(int(gdb.parse_and_eval("cpu_count")))]


def thread(number):
    for p in processes():
        for t in threads(p):
            if int(t["id"]) == number:
                return t
    for cpu in cpus():
        if int(cpu["current"]["id"]) == number:
            return cpu["current"].dereference()
    raise RugoError(f"no thread {number}")


# ---- backtraces -------------------------------------------------------------------------------------

def place(address):
    """function+offset at file:line of a return address."""
    name = re.match(r"(\S+)(?: \+ (\d+))? in section", gdb.execute(f"info symbol {address:#x}", to_string=True))
    if not name:
        return ""
    sal = gdb.find_pc_line(address - 1)
    where = f" at {sal.symtab.filename}:{sal.line}" if sal.symtab else ""
    return f" {name[1]}+{int(name[2] or 0):#x}{where}"


def print_frames(rip, rbp):
    for number in range(DEPTH):
        print(f"  #{number} {rip:#x}{place(rip)}")
        if rbp < KERNEL_HALF or rbp % 8:
            return
        try:
            up, rip = int(read(rbp, "unsigned long")), int(read(rbp + 8, "unsigned long"))
        except gdb.MemoryError:
            return
        if rip < KERNEL_HALF or up <= rbp and up:
            return
        rbp = up


def saved(t):
    """(rip, rbp) of a thread that does not run: context_switch (kernel/x86/switch.h) has pushed them onto its stack."""
    context = int(t["context"])
    return int(read(context + 8, "unsigned long")), int(read(context, "unsigned long"))


def runs_on(t):
    """The CPU that runs the thread, or None."""
    for number, cpu in enumerate(cpus()):
        if int(cpu["current"]) == int(t.address):
            return number
    return None


# ---- commands ---------------------------------------------------------------------------------------

class Rugo(gdb.Command):
    """Looking into Rugo: `help rugo` lists the commands."""

    def __init__(self):
        super().__init__("rugo", gdb.COMMAND_STATUS, prefix=True)


class Command(gdb.Command):
    """A command `rugo NAME`; its words are checked against `takes`: how few and how many."""

    takes = (0, 0)

    def __init__(self, name):
        self.name = name
        super().__init__(f"rugo {name}", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not self.takes[0] <= len(words) <= self.takes[1]:
            raise RugoError(f"rugo {self.name}: {self.__doc__.splitlines()[0]}")
        try:
            self.run(*words)
        except gdb.MemoryError as error:
            raise RugoError(f"rugo {self.name}: {error}") from None


def number(word):
    if not re.fullmatch(r"\d+", word):
        raise RugoError(f"{word}: not a number")
    return int(word)


class Kernel(Command):
    """rugo kernel: load the kernel's symbols where it runs."""

    def run(self):
        print(f"the kernel runs {relocate():#x} from where it was linked")


class Ps(Command):
    """rugo ps: all processes."""

    def run(self):
        print("  PID  PPID STATE THREADS HANDLES IMAGE              NAME")
        for p in processes():
            print(f"{int(p['pid']):5} {int(p['ppid']):5} {name_of(PROCESS_STATES, int(p['state'])):5} "
                  f"{int(p['thread_count']):7} {int(p['handles']['open']):7} {int(p['image']):#18x} {text(p['name'])}")


class Threads(Command):
    """rugo threads [PID]: threads of all processes or of one, with their kernel backtraces while they don't run."""

    takes = (0, 1)

    def run(self, pid=None):
        for p in [process(number(pid))] if pid else processes():
            for t in threads(p):
                cpu = runs_on(t)
                running = f" on CPU {cpu}" if cpu is not None else ""
                print(f"thread {int(t['id'])} of {int(p['pid'])} {text(p['name'])}: "
                      f"{name_of(STATES, int(t['state']))}{running}")
                if cpu is None and int(t["state"]) in (1, 3):
                    print_frames(*saved(t))


class Bt(Command):
    """rugo bt THREAD: kernel backtrace of a thread that does not run."""

    takes = (1, 1)

    def run(self, which):
        t = thread(number(which))
        if runs_on(t) is not None:
            raise RugoError(f"thread {which} runs on CPU {runs_on(t)}: see `info threads`, `thread N` and `bt`")
        print_frames(*saved(t))


class Handles(Command):
    """rugo handles PID: the handles of a process."""

    takes = (1, 1)

    def run(self, pid):
        print("    HANDLE TYPE RIGHTS OBJECT")
        for handle, entry in self.entries(process(number(pid))["handles"]):
            shown = str(handle) if handle < 1024 else f"{handle:#x}"
            obj = entry["obj"].dereference()
            print(f"{shown:>10} {self.type_name(obj):10} {int(entry['rights']):#5x} {int(obj['number'])} "
                  f"at {int(obj.address):#x}, {int(obj['refs'])} references")

    @staticmethod
    def entries(table):
        """(number, entry) of each handle in use."""
        chunk = 4096 // gdb.lookup_type("struct handle_entry").sizeof
        for index in range(1024):
            if int(table["low"][index // chunk]) and int(table["low"][index // chunk][index % chunk]["obj"]):
                yield index, table["low"][index // chunk][index % chunk]
        for index in range(int(table["high_count"])):
            entry = table["high"][index // chunk][index % chunk]
            if int(entry["obj"]):
                yield 0x40000000 | int(entry["generation"]) << 14 | index, entry

    @staticmethod
    def type_name(obj):
        names = ["?", "job", "process", "thread", "shm", "endpoint", "session", "port", "timer", "blk", "serial", "log",
                 "machine"]
        return name_of(names, int(obj["type"]))


class Cpus(Command):
    """rugo cpus: what each processor runs."""

    def run(self):
        for index, cpu in enumerate(cpus()):
            t = cpu["current"].dereference()
            whose = f" of {int(t['process']['pid'])}" if int(t["process"]) else ""
            print(f"CPU {index}: thread {int(t['id'])} {text(t['name'])}{whose}, {int(cpu['stats']['switches'])} switches")


class Load(Command):
    """rugo load PID [FILE]: add the symbols of a process's program, where it was loaded."""

    takes = (1, 2)

    def run(self, pid, path=None):
        p = process(number(pid))
        path = path or self.find(text(p["name"]))
        if not int(p["image"]):
            raise RugoError(f"nobody has said where the program of {pid} was loaded")
        gdb.execute(f"add-symbol-file {path} -o {int(p['image']):#x}", to_string=True)
        print(f"{path} at {int(p['image']):#x}")

    @staticmethod
    def find(name):
        folder = os.path.dirname(kernel_file())
        for place_of in ("bin", "test/bin", "bin/test", "../bin", "../bin/test"):
            path = os.path.join(folder, place_of, name + ".debug")
            if os.path.exists(path):
                return os.path.normpath(path)
        raise RugoError(f"no {name}.debug in {folder}/bin: name the file")


Rugo()
for command in (Kernel, Ps, Threads, Bt, Handles, Cpus, Load):
    command(command.__name__.lower())
