"""Pipes between programs in the shell: bytes, statuses, missing programs, builtins, redirections, the interrupt key."""

CTRL_C = "\x03"


def test_bytes_pass(shell):
    sh = shell()
    assert sh.ok("echo one two | cat") == "one two\n"
    assert sh.ok("echo x|cat|cat|cat | cat") == "x\n"
    sh.ok("help > /help")
    assert sh.ok("cat /help | cat | cat") == sh.ok("cat /help")
    # More than fits into a pipe, and into its memory many times over.
    for _ in range(3):
        sh.ok("cat /help /help /help /help > /big; cat /big /big /big /big > /help")
    counts = sh.ok("wc < /big")
    assert int(counts.split()[-1]) > 500_000
    assert sh.ok("cat /big | cat | wc") == counts
    sh.ok("cat /big | cat > /copy")
    assert sh.ok("wc < /copy") == counts


def test_statuses(shell):
    sh = shell()
    assert sh.run("false | true")[1] == 0
    assert sh.run("true | false")[1] == 1
    assert sh.run("echo x | sh -c 'exit 7'")[1] == 7
    output, status = sh.run("no-such-program | cat")
    assert (output, status) == ("sh: no such command: no-such-program\n", 0)
    output, status = sh.run("true | no-such-program")    # a writer might or might not be told
    assert (output, status) == ("sh: no such command: no-such-program\n", 127)
    assert sh.ok("true | false || echo second; true && echo a | cat") == "second\na\n"
    assert sh.ok("false && echo a | cat; echo end") == "end\n"
    output, status = sh.run("cat < /nothing | cat")
    assert "/nothing" in output and status == 0
    assert sh.run("echo x | cat > /no/such/dir")[1] == 1
    # A writer whose reader has gone does not hang.
    assert sh.run("cat /boot/bin/svcman | true")[1] == 0


def test_redirections_and_builtins(shell):
    sh = shell()
    sh.ok("echo first > /in")
    assert sh.ok("cat < /in | cat > /out; cat /out") == "first\n"
    assert sh.ok("echo lost > /elsewhere | cat") == ""
    assert sh.ok("cat /elsewhere") == "lost\n"
    assert sh.ok("mkdir /d; cd /d; pwd | cat") == "/d\n"
    assert sh.ok("echo a | cd / | cat; pwd") == "/d\n"              # another shell's directory
    assert sh.run("exit 3 | cat")[1] == 0
    assert sh.run("echo a | exit 3")[1] == 3
    assert sh.ok("X=1; X=2 | cat; echo $X") == "1\n"
    assert "Programs:" in sh.ok("help | cat")
    assert sh.ok("run echo yes | run cat") == "yes\n"
    assert sh.ok("sh -c 'echo inner | cat' | cat") == "inner\n"
    assert sh.ok("echo 'echo from a pipe' | sh") == "from a pipe\n"


def test_interrupt_ends_all(shell):
    sh = shell()
    before = sh.ok("ps").count("\n")
    sh.type("sleep 100 | sleep 100 | sh -c 'echo all run; cat'\r")
    sh.expect(r"\nall run")                       # the last one is started last
    sh.type(CTRL_C)
    sh.prompt()
    assert sh.ok("echo $?") == "130\n"
    assert sh.ok("ps").count("\n") == before


def test_interrupt_reaches_all(shell):
    """However many there are: 120 children of a program that goes on itself."""
    sh = shell()
    sh.type("/boot/test/many 120\r")
    sh.expect("MANY: 120 wait")
    sh.type(CTRL_C)
    sh.expect("MANY: 120 heard")
    sh.prompt()
    assert sh.ok("echo $?") == "0\n"


def test_nothing_is_left_behind(shell, rounds):
    sh = shell()
    for _ in range(3):
        sh.run("echo a | cat | no-such-program")
        sh.run("cat /boot/bin/svcman | true | pwd | cat")
    before = sh.ok("free").split("objects:")[1]
    for _ in range(rounds(10, 200)):
        sh.run("echo a | cat | no-such-program")
        sh.run("cat /boot/bin/svcman | true | pwd | cat")
    assert sh.ok("free").split("objects:")[1] == before
