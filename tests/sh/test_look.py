"""Looking into a running system: ps, top, handles, ipc, stats, dmesg, and the system calls they stand on."""

import re


def rows(text):
    """The lines of a table behind its head, split into words."""
    return [line.split() for line in text.splitlines()[1:]]


def pid_of(sh, name):
    return next(row[0] for row in rows(sh.ok("ps")) if row[-1] == name)


def test_calls(boot, nonce, secret):
    boot(f"test=look.calls nonce={nonce}").ok().line("LOOK: ok", nonce=nonce, secret=secret)


def test_circle(boot, nonce, secret):
    run = boot(f"test=look.circle nonce={nonce}").ok()
    run.line("CIRCLE: ok", nonce=nonce, secret=secret)
    circle = re.search(r"^CIRCLE: (\d+) look_circle -> (\d+) look_circle -> (\d+) look_circle$", run.log, re.M)
    assert circle and circle[1] == circle[3] != circle[2]
    waits = re.findall(r"^ *(\d+) look_circle +\d+ -> +(\d+) look_circle +\d+ queued", run.log, re.M)
    assert (circle[1], circle[2]) in waits and (circle[2], circle[1]) in waits


def test_ps(shell):
    sh = shell()
    table = rows(sh.ok("ps"))
    assert {"svcman", "console", "fsd", "sh", "ps"} <= {row[-1] for row in table}
    assert [row[-1] for row in rows(sh.ok("ps -aef"))] == [row[-1] for row in table]
    fsd = pid_of(sh, "fsd")
    assert [row[0] for row in rows(sh.ok(f"ps {fsd} 1"))] == [fsd, "1"]
    threads = sh.ok(f"ps -t {fsd}")
    assert re.search(r"thread \d+ +on \d+ prio \d+ +cpu \d+\.\d+ s, for \d+\.\d+ s: (ipc_reply_recv|ipc_recv|port_wait)\(", threads), threads
    output, status = sh.run("ps 99999 x 1")
    assert status == 1 and "ps: 99999: no such process" in output and "ps: x: no such process" in output
    assert "svcman" in output
    assert sh.run("ps -q")[1] == 2


def test_handles(shell):
    sh = shell()
    fsd, console = pid_of(sh, "fsd"), pid_of(sh, "console")
    text = sh.ok(f"handles {fsd} {console}")
    assert f"process {fsd} fsd:" in text and f"process {console} console:" in text
    assert re.search(r" session +---s--\S+ +\d+ to svcman, endpoint \d+, id \d+", text)
    assert re.search(r" endpoint ----v-\S+ +\d+ fsd receives; ", text)
    assert re.search(r" serial +rw", text)
    counted = re.search(rf"process {fsd} fsd: (\d+) handles", text)
    assert int(counted[1]) == text[:text.index(f"process {console}")].count("\n") - 2
    # The endpoint is the same object for who owns it and who receives.
    number = re.search(r" endpoint ----v-\S+ +(\d+) fsd receives", text)[1]
    assert re.search(rf" endpoint ----vo\S+ +{number} fsd receives", sh.ok("handles 1"))
    output, status = sh.run("handles 99999")
    assert status == 1 and "no such process" in output
    assert sh.run("handles")[1] == 2
    assert sh.run("handles one")[1] == 1


def test_limits(shell):
    sh = shell()
    tree = sh.ok("limits").splitlines()
    assert tree[0].split() == ["JOB", "MEMORY/KIB", "PROCESSES", "THREADS", "HANDLES", "SESSIONS", "MESSAGES", "IN", "IT"]
    assert re.match(r"j\d+ +\d+/- .* 1:svcman$", tree[1]), tree
    console = next(line for line in tree if ":console" in line)
    assert re.match(r"  j\d+ +\d+/16384 +1/1 +\d/8 ", console), console
    # Each command has a job of its own in the shell's: what `programs` of the shell's service says.
    own = next(line for line in tree if ":limits" in line)
    assert re.match(r"    j\d+ +\d+/\d+ +1/128 +1/2048 +\d+/32768 ", own), own

    pid = pid_of(sh, "console")
    one = sh.ok(f"limits {pid}")
    number = console.split()[0]
    assert one == sh.ok(f"limits {number}") and one.startswith(f"{number}: 1 processes, 1 jobs around it\n")
    assert [row[0] for row in rows(one)] == ["KIND", "memory/KiB", "processes", "threads", "handles", "sessions", "messages"]
    used, peak, limit, inner = next(row for row in rows(one) if row[0] == "memory/KiB")[1:]
    assert 0 < int(used) <= int(peak) <= int(limit) == 16384 and inner == "-"

    sh.ok(f"limits {number} memory=12M threads=5")
    sh.ok(f"limits -i {pid} handles=none memory=1%")
    table = {row[0]: row[1:] for row in rows(sh.ok(f"limits {pid}"))}
    assert table["memory/KiB"][2] == "12288" and table["threads"][2] == "5" and table["handles"][3] == "-"
    assert 0 < int(table["memory/KiB"][3]) < 16384
    # Each row of ps and top names the job, or says what it uses.
    row = next(row for row in rows(sh.ok("ps")) if row[-1] == "console")
    assert row[6] == number[1:] and 0 < int(row[7]) <= 12288
    assert sh.ok("top -n 1").splitlines()[1].split() == ["PID", "THREADS", "CPU/%", "CPU/S", "MEM/KIB", "JOB/KIB", "NAME"]


def test_limits_hold(shell):
    """The shell's commands live in its job: what is lowered there holds for them, and stays so."""
    sh = shell()
    pid = pid_of(sh, "sh")
    for wrong, what in (("limits x", "neither a process number nor a job"), ("limits j", "neither a process number"),
                        ("limits 1 memory", "not KIND=AMOUNT"), ("limits 1 air=5", "not KIND=AMOUNT"),
                        ("limits 1 threads=5%", "not KIND=AMOUNT"), ("limits 1 memory=1T", "not KIND=AMOUNT"),
                        ("limits 1 memory=-5", "not KIND=AMOUNT"), ("limits 1 memory=", "not KIND=AMOUNT"),
                        ("limits -i", "usage:"), ("limits -i 1", "usage:"), ("limits -x", "usage:")):
        output, status = sh.run(wrong)
        assert status == 2 and what in output, output
    for gone, what in (("limits 99999", "no such process"), ("limits j99999999", "no such job"),
                       ("limits j99999999 threads=5", "no such job")):
        output, status = sh.run(gone)
        assert status == 1 and what in output, output
    # A command lives inside the shell's job as well: what it lowers there it can't raise again.
    sh.ok(f"limits {pid} sessions=100000")
    output, status = sh.run(f"limits {pid} sessions=100001")
    assert status == 1 and "nobody can raise a limit of a job he lives in" in output
    # What the next commands may.
    assert "boot" in sh.ok("sh -c 'ls /; ls /'")
    sh.ok(f"limits -i {pid} processes=1")
    output, status = sh.run("sh -c 'ls /; ls /'")
    assert status != 0 and output.count("Resource temporarily unavailable") == 2
    output, status = sh.run(f"limits -i {pid} processes=2")
    assert status == 1 and "nobody can raise" in output


def test_top(shell):
    sh = shell()
    once = sh.ok("top -n 1")
    assert re.match(r"up \d+ s, \d+ processors, idle \d+% since the start, \d+ processes, ", once)
    assert {"svcman", "fsd", "sh", "top"} <= {line.split()[-1] for line in once.splitlines()[2:]}
    shares = [float(line.split()[2]) for line in once.splitlines()[2:]]
    assert shares == sorted(shares, reverse=True)
    assert sh.ok("top -n 2 -d 1").count("up ") == 2
    for wrong in ("top -n 0", "top -n x", "top -d", "top 5", "top -z"):
        assert sh.run(wrong)[1] == 2
    # Live, ended by a key.
    sh.type("top -d 1\r")
    sh.expect(r"NAME\x1b\[K")
    sh.expect(r"NAME\x1b\[K")
    sh.type("q")
    sh.prompt()
    assert sh.ok("echo $?") == "0\n"
    # And by the interrupt key.
    sh.type("top\r")
    sh.expect(r"NAME\x1b\[K")
    sh.type("\x03")
    sh.prompt()
    assert sh.ok("echo $?") == "130\n"
    assert sh.ok("echo well") == "well\n"


def test_stats(shell):
    sh = shell()

    def counters():
        return [int(word) for word in sh.ok("stats").splitlines()[1].split()[:6]]

    before = counters()
    sh.ok("ls /boot/bin > /list")
    after = counters()
    assert before[0] == 0 and all(a > b for a, b in zip(after[1:], before[1:]))
    text = sh.ok("stats")
    assert re.search(r"^ +\d+ runqueue +\d+ +\d+$", text, re.M) and "?" not in text
    assert sh.run("stats x")[1] == 2


def test_ipc_at_rest(shell):
    sh = shell()
    text = sh.ok("ipc")
    assert text.splitlines()[0].split()[:3] == ["PID", "NAME", "THREAD"] and "CIRCLE" not in text
    assert sh.run("ipc 1")[1] == 2


def test_dmesg(shell):
    sh = shell()
    assert "RUGO: boot ok" in sh.ok("dmesg")
    for wrong in ("dmesg -z", "dmesg now", "dmesg -l", "dmesg -l ''", "dmesg -l loud", "dmesg -l warn,loud", "dmesg -l warn++"):
        assert sh.run(wrong)[1] == 2
    sh.type("dmesg -f\r")
    sh.expect("RUGO: boot ok")
    sh.type("\x03")
    sh.prompt()
    assert sh.ok("echo $?") == "130\n"


def test_dmesg_levels(shell):
    sh = shell()
    # All that runs at boot is as it should be, but that there is no disk.
    text = sh.ok("dmesg")
    assert re.search(r"^\[ +\d+\.\d{6}\] RUGO: boot ok$", text, re.M)
    times = [float(t) for t in re.findall(r"^\[ *(\d+\.\d+)\] ", text, re.M)]
    assert times == sorted(times) and len(times) == len(text.splitlines())
    assert re.match(r"[A-Z]", sh.ok("dmesg -t")) and sh.ok("dmesg -t") == re.sub(r"(?m)^\[.{12}\] ", "", sh.ok("dmesg"))
    fsd, svcman = pid_of(sh, "fsd"), pid_of(sh, "svcman")
    details = sh.ok("dmesg -tx")
    assert "info      0: RUGO: boot ok\n" in details and f"info   {fsd:>4}: FSD: mount ok" in details
    assert f"warn   {fsd:>4}: FSD: no disk, / is a RAM disk\n" in details
    assert sh.ok("dmesg -t -l warn") == "FSD: no disk, / is a RAM disk\n" and sh.ok("dmesg -l err,crit") == ""

    sh.run("/boot/test/user_crash null")
    sh.ok(f"kill -9 {pid_of(sh, 'console')}; sync")
    errors, warnings = sh.ok("dmesg -tx -l err"), sh.ok("dmesg -tx -l warn")
    assert re.search(r"^err       0: USER: killed pid=\d+ name=user_crash ", errors, re.M) and "  rax=" in errors
    assert f"warn   {svcman:>4}: SVC: console ended (signal 9), restart 1\n" in warnings and "USER:" not in warnings
    both = sh.ok("dmesg -tx -l warn+")
    assert both == sh.ok("dmesg -tx -l warn,err") and sorted(both.splitlines()) == sorted((errors + warnings).splitlines())
    assert "boot ok" not in both and len(sh.ok("dmesg -l debug+")) == len(sh.ok("dmesg"))


def test_trace_calls(boot, nonce, secret):
    boot(f"test=look.trace nonce={nonce}").ok().line("TRACE: ok", nonce=nonce, secret=secret)


def test_trace_command(shell):
    sh = shell()
    text = sh.ok("trace ls /boot/etc")
    line = r"^ +\d+\.\d{6} +\d+  "
    assert re.search(line + r'ipc_call\(session=0x[0-9a-f]+, timeout=-1\) \[file\.open "boot/etc"\] = 0 \[answer 0\]  <\d+ us>$', text, re.M)
    assert re.search(line + r"vm_map\(proc=SELF, addr=0x0, len=\d+, prot=VM_READ\|VM_WRITE, flags=0\) = 0x[0-9a-f]+  <", text, re.M)
    assert re.search(line + r"process_exit\(code=0\) = \?$", text, re.M)
    assert re.search(r"^scenarios$", text, re.M), "what it prints itself"
    text, status = sh.run("trace cat /no/such/file")
    assert status == 1 and '[file.open "no/such/file"] = 0 [answer -ENOENT]' in text
    text, status = sh.run("trace /boot/test/user_crash thread")
    assert status == 128 + 11 and "trace: the command was ended by signal 11" in text
    text, status = sh.run("trace no-such-command")
    assert status == 127 and "no such command" in text
    assert sh.run("trace /boot/etc/scenarios")[1] == 126
    assert sh.run("trace")[1] == sh.run("trace -x")[1] == sh.run("trace 1 2")[1] == 2


def calls_of(text):
    """The names of the calls that a trace shows, and of the operations that they ask for."""
    return {name for name in re.findall(r"^ +\d+\.\d{6} +\d+  (?:\.\.\. )?(\w+)\(?", text, re.M)}


def test_trace_filters(shell):
    sh = shell()
    everything = calls_of(sh.ok("trace cat /boot/etc/scenarios"))
    assert {"ipc_call", "vm_map", "process_exit"} < everything
    assert calls_of(sh.ok("trace -e vm_map,process_exit cat /boot/etc/scenarios")) == {"vm_map", "process_exit"}
    assert calls_of(sh.ok("trace -e vm_map -e process_exit cat /boot/etc/scenarios")) == {"vm_map", "process_exit"}
    assert calls_of(sh.ok("trace -e '!ipc_call' cat /boot/etc/scenarios")) == everything - {"ipc_call"}
    # Requests by operation, or all of a protocol.
    text = sh.ok("trace -e file.open cat /boot/etc/services/fsd.conf")
    assert calls_of(text) == {"ipc_call"} and set(re.findall(r"\[(\w+\.\w+)", text)) == {"file.open"}
    text = sh.ok("trace -e file cat /boot/etc/services/fsd.conf")
    assert {"file.open", "file.read", "file.write"} <= set(re.findall(r"\[(\w+\.\w+)", text))
    # What fails: the call, or the answer to it.
    for option in ("--failed", "-Z", "--failed=ENOENT", "--failed=EPIPE,ENOENT", "-Z -e file.open", "-e ipc_call --failed"):
        text, status = sh.run(f"trace {option} cat /no/such /boot/etc/services/fsd.conf")
        lines = re.findall(r"^ +\d+\.\d{6}.*$", text, re.M)
        assert status == 1 and len(lines) == 1 and lines[0].count("[answer -ENOENT]") == 1, text
        assert "program = fsd" in text, "what it prints itself"
    text, status = sh.run("trace --failed=EPIPE cat /no/such")
    assert not calls_of(text)
    for wrong, what in (("-e", "usage"), ("-e no_such 1", "no_such: neither"), ("-e '' 1", ": neither"), ("-e file.nothing 1", "file.nothing"),
                        ("--failed=ENOTHING 1", "ENOTHING: no such error"), ("--failedx 1", "usage"), ("--failed", "usage")):
        text, status = sh.run("trace " + wrong)
        assert status == 2 and what in text, text


def test_trace_process(shell):
    sh = shell()
    text, status = sh.run("trace 99999")
    assert status == 1 and "no such process" in text
    # One that waits, for as long as we like; it goes on afterwards.
    pid = pid_of(sh, "svcman")
    sh.type(f"trace {pid}\r")
    sh.expect(r"port_wait\(")               # it runs: before, the key would be the shell's
    sh.type("\x03")
    sh.prompt()
    assert sh.ok("echo $?") == "130\n"
    # The console prints what it does about what it prints: that ends by the key, too.
    pid = pid_of(sh, "console")
    sh.type(f"trace {pid}\r")
    sh.expect(r"serial_write\(ser=0x[0-9a-f]+, buf=\"")
    sh.type("\x03")
    sh.prompt()
    assert sh.ok("echo well") == "well\n"
    assert sh.ok("svc") and pid_of(sh, "console") == pid
