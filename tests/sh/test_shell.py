"""The shell as a person uses it: words, files, exit statuses, keys, and the interrupt key."""

import pytest

UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE_KEY, BACKSPACE = "\x1b[H", "\x1b[F", "\x1b[3~", "\x7f"
CTRL_C, CTRL_D, CTRL_E, CTRL_K, CTRL_U, CTRL_W = "\x03", "\x04", "\x05", "\x0b", "\x15", "\x17"


def keys(sh, text):
    """Press keys and Enter; the last line before what the command printed, and that."""
    sh.type(text + "\r")
    echo, _, output = sh.prompt().partition("\n")
    return output


def test_words_and_quotes(shell):
    sh = shell()
    assert sh.ok("echo one  two") == "one two\n"
    assert sh.ok("echo 'a  b' \"c  $HOME-\" d\\ e\\'f") == "a  b c  - d e'f\n"
    assert sh.ok("echo '$?' \"\\$?\" \\$?") == "$? $? $?\n"
    assert sh.ok("echo x '' y") == "x  y\n"
    assert sh.ok("echo a#b # a comment") == "a#b\n"
    assert sh.ok("X='two  words'; echo $X ${X}!") == "two  words two  words!\n"
    assert sh.ok("echo grüße 漢字 € 🙂") == "grüße 漢字 € 🙂\n"
    for wrong in ("echo 'a", 'echo "a', "echo >", "&& echo", "echo a &&", "echo a |", "| cat", "echo a | | cat", "sleep 1 &", "(echo)"):
        output, status = sh.run(wrong)
        assert status == 2 and output.startswith("sh: "), (wrong, output, status)


def test_statuses_and_lists(shell):
    sh = shell()
    assert sh.run("true")[1] == 0 and sh.run("false")[1] == 1
    assert sh.ok("false; echo $?; true; echo $?") == "1\n0\n"
    assert sh.ok("true && echo yes || echo no") == "yes\n"
    assert sh.ok("false && echo yes || echo no") == "no\n"
    assert sh.run("sh -c 'exit 42'")[1] == 42
    output, status = sh.run("no-such-program")
    assert (output, status) == ("sh: no such command: no-such-program\n", 127)
    output, status = sh.run("/no/such/program")
    assert "No such file" in output and status == 127
    output, status = sh.run("/boot/etc/scenarios")
    assert status == 126 and "sh: /boot/etc/scenarios: " in output
    assert sh.run("run false")[1] == 1
    assert sh.ok("run echo hi") == "hi\n"
    output, status = sh.run("/boot/test/user_fault null")
    assert "USER: killed" in output and status == 128 + 11


def test_redirection(shell):
    sh = shell()
    sh.ok("echo first > /file")
    sh.ok("echo second >> /file")
    assert sh.ok("cat /file") == sh.ok("cat < /file") == "first\nsecond\n"
    sh.ok("echo third >/file")
    assert sh.ok("cat /file") == "third\n"
    sh.ok("cat < /file > /copy; echo more >> /copy")
    assert sh.ok("cat /copy") == "third\nmore\n"
    sh.ok("pwd > /where")
    assert sh.ok("cat /where") == "/\n"
    assert sh.run("cat < /nothing")[1] == 1
    output, status = sh.run("echo x > /no/such/dir")
    assert status == 1 and "/no/such/dir" in output
    assert sh.run("echo x > /boot/file")[1] == 1


def test_directories(shell):
    sh = shell()
    sh.ok("mkdir /a; mkdir '/a/b c'")
    sh.ok("cd '/a/b c'")
    assert sh.cwd == "/a/b c" and sh.ok("pwd") == "/a/b c\n"
    sh.ok("echo here > file; cd ..")
    assert sh.cwd == "/a"
    assert sh.ok("cat 'b c/file'") == "here\n"
    output, status = sh.run("cd nowhere")
    assert status == 1 and "No such file" in output and sh.cwd == "/a"
    assert sh.run("cd '/a/b c/file'")[1] == 1
    sh.ok("cd")
    assert sh.cwd == "/"
    sh.ok("cd ../../..")
    assert sh.cwd == "/"


def test_help_names_every_program(shell):
    sh = shell()
    text = sh.ok("help")
    for name in ("cd", "pwd", "run", "exit", "cat", "ls", "pkg", "shutdown"):
        assert name in text.split(), name


def test_scripts(shell):
    sh = shell()
    sh.ok("echo 'echo in a script; false' > /script; echo 'exit 9' >> /script; echo 'echo never' >> /script")
    output, status = sh.run("sh /script")
    assert (output, status) == ("in a script\n", 9)
    assert sh.run("sh < /script") == ("in a script\n", 9)
    assert sh.run("sh /nothing")[1] == 127


def test_editing(shell):
    sh = shell()
    assert keys(sh, "ecko" + BACKSPACE * 2 + "ho abc") == "abc\n"
    assert keys(sh, "cho x" + HOME + "e") == "x\n"
    assert keys(sh, "echo ac" + LEFT + "b") == "abc\n"
    assert keys(sh, "echo abc" + LEFT * 3 + RIGHT + DELETE_KEY) == "ac\n"
    assert keys(sh, "echo yes no" + CTRL_W + "x") == "yes x\n"
    assert keys(sh, "garbage" + CTRL_U + "echo clean") == "clean\n"
    assert keys(sh, "echo keep rubbish" + LEFT * 8 + CTRL_K) == "keep\n"
    assert keys(sh, "ho" + HOME + "ec" + CTRL_E + " end") == "end\n"
    assert keys(sh, "echo äß漢" + BACKSPACE * 2 + "ö") == "äö\n"
    assert keys(sh, "echo 漢字" + LEFT + "X" + END + "Y") == "漢X字Y\n"
    assert keys(sh, "echo" + "\x1b[5~" + "\x1bO" + "F" + " odd keys") == "odd keys\n"


def test_history(shell):
    sh = shell()
    for word in ("one", "two", "three"):
        sh.ok(f"echo {word}")
    # Each ok() has asked `echo $?` too.
    assert keys(sh, UP * 2) == "three\n"
    assert keys(sh, UP * 6 + DOWN * 2 + BACKSPACE) != ""
    assert keys(sh, "echo unfinished" + UP + DOWN) == "unfinished\n"
    sh.type(UP * 200 + "\r")
    assert "one" in sh.prompt()


def test_control_keys_at_the_prompt(shell):
    sh = shell()
    sh.type("garbage" + CTRL_C)
    assert "^C" in sh.prompt()
    assert sh.ok("echo fine") == "fine\n"
    sh.type(CTRL_D)
    assert "exit" in sh.prompt()
    sh.type("\x0c")                                     # clear screen: the prompt comes again
    sh.prompt()
    assert keys(sh, "echo after") == "after\n"


@pytest.mark.parametrize("program", ["cat", "sleep 1000", "sh -c 'sleep 1000'", "sh -c cat"])
def test_interrupt_ends_what_runs(shell, program):
    sh = shell()
    sh.type(program + "\r")
    sh.lent()
    sh.type(CTRL_C)
    sh.prompt(timeout=5)
    assert sh.ok("true; echo $?") == "0\n"
    sh.type(program + "\r" + CTRL_C)                    # while it is being started
    sh.prompt(timeout=5)
    assert sh.output_of("echo $?") == "130\n"
    names = [line.split()[-1] for line in sh.ok("ps").splitlines()]
    assert sorted(names) == sorted(["NAME", "svcman", "console", "fsd", "sh", "ps"]), "something was left behind"


def test_interrupt_ends_the_whole_list(shell):
    sh = shell()
    sh.type("sleep 1000; echo not reached\r")
    sh.lent()
    sh.type(CTRL_C)
    assert "not reached" not in sh.prompt(timeout=5).split("\n", 1)[1]


def test_interrupt_again_and_again(shell, rounds):
    """Readers that were killed hold nothing up, however many there were."""
    sh = shell()
    for _ in range(rounds(40, 400)):
        sh.type("cat\ra line\r")
        sh.expect(r"a line\s+a line\s")                 # its echo and what cat made of it: now it waits again
        sh.type(CTRL_C)
        sh.prompt(timeout=5)
    assert sh.ok("echo still here") == "still here\n"


def test_programs_that_handle_the_interrupt_key(shell):
    sh = shell()
    cases = [("restart", "caught", "line of 6 bytes, 1 interrupts"), ("ignore", None, "line of 6 bytes, 0 interrupts"),
             ("eintr", "caught", "read: .*[Ii]nterrupted")]
    for how, said, result in cases:
        sh.type(f"/boot/test/user_signal {how}; echo went on\r")
        sh.expect("reading")
        sh.type(CTRL_C)
        if said:
            sh.expect(said)
        if how != "eintr":
            sh.type("hello\r")
        sh.expect(result)
        assert "went on" in sh.prompt()
    sh.type("/boot/test/user_signal spin\r")
    sh.expect("ready")
    for _ in range(3):
        sh.type(CTRL_C)
        sh.expect("caught")
    sh.type("hello\r")
    sh.expect("line of 6 bytes, 3 interrupts")
    sh.prompt()
    assert sh.output_of("echo $?") == "7\n"
    sh.type("/boot/test/user_signal nothing; echo went on\r")
    sh.expect("ready")
    sh.type(CTRL_C)
    assert "went on" not in sh.prompt()


def test_kill_sends(shell):
    sh = shell()
    assert sh.run("kill -19 1")[1] == 1
    assert sh.run("kill -15 1")[1] == 1 and "not permitted" in sh.run("kill -15 1")[0]


def test_terminal_that_does_not_wait(shell):
    sh = shell()
    sh.type("/boot/test/nonblock\r")
    sh.expect("NONBLOCK: type")
    for round in range(2):
        sh.type("hello\r")
        sh.expect(f"NONBLOCK: line {round}")
    assert "NONBLOCK: ok" in sh.prompt()
    # It was left so; neither the shell nor its next program notices.
    sh.type("cat\ra line\r")
    sh.expect(r"a line\s+a line\s")
    sh.type(CTRL_D)
    sh.prompt()
    assert sh.output_of("echo $?") == "0\n"


def test_lines_for_programs(shell):
    sh = shell()
    sh.type("cat\r")
    sh.lent()
    sh.type(BACKSPACE + "wrong" + BACKSPACE * 5 + "right\r")
    sh.expect("right")
    sh.type(CTRL_D)
    assert "right\n" in sh.prompt()
    sh.type("cat\r")
    sh.lent()
    sh.type(BACKSPACE + "no newline" + CTRL_D + CTRL_D)
    assert sh.prompt().count("no newline") == 2


def test_type_ahead_is_kept(shell):
    """Keys pressed while a program runs go to that program, or to the shell after it."""
    sh = shell()
    sh.type("sleep 1\recho first\recho second\r")
    text = sh.prompt() + sh.prompt() + sh.prompt()
    assert text.count("first\n") >= 2 and text.count("second\n") >= 2
    sh.type("cat > /typed\rline 1\rline 2\r" + CTRL_D + "echo done\r")
    sh.prompt()
    sh.prompt()
    assert sh.ok("cat /typed") == "line 1\nline 2\n"


def test_a_flood_of_keys(shell):
    sh = shell()
    words = " ".join(f"w{i}" for i in range(600))
    assert sh.ok(f"echo {words}") == words + "\n"
    sh.type("".join(f"echo {i} >> /flood\r" for i in range(200)))
    for _ in range(200):
        sh.prompt()
    assert sh.ok("cat /flood").split() == [str(i) for i in range(200)]


def test_exit_brings_a_new_shell(shell):
    sh = shell()
    sh.ok("cd /boot")
    sh.type("exit 3\r")
    assert "SVC: sh ended (exit status 3)" in sh.prompt()
    assert sh.cwd == "/"
    assert sh.ok("pwd") == "/\n"
