"""A person at Rugo's prompt: type a command, get what it printed and its exit status."""

import re
import signal
import termios
import time

import pexpect

from rugo.coverage import CountedMemory
from rugo.machine import GRACE, ROOT, Result, Slot, kill_session, patience, runner_args, runner_env

PROMPT = r"rugo:(/[^\r\n]*)\$ "

# What a terminal would act on and a reader does not want to see.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def keep_newlines():
    """Before the runner starts: let the terminal pass on what the guest prints, without a second \\r for each \\n."""
    modes = termios.tcgetattr(1)
    modes[1] &= ~termios.ONLCR
    termios.tcsetattr(1, termios.TCSANOW, modes)


class Shell:
    """An interactive machine. Every wait has a limit, and a missing prompt fails the test."""

    def __init__(self, cmdline="", build=None, **options):
        self.limit = options["timeout"] = patience(options, 120)
        self.memory = CountedMemory(cmdline, options)
        command, *args = runner_args(cmdline, **options)
        self.slot = Slot()
        self.started = time.monotonic()
        self.tty = pexpect.spawn(command, args, env=runner_env(build), cwd=str(ROOT), encoding="utf-8",
                                 codec_errors="replace", dimensions=(50, 4096), timeout=30, preexec_fn=keep_newlines)
        self.tty.delaybeforesend = None
        self.record = self.tty.logfile_read = Record()
        self.cwd = None

    def prompt(self, timeout=30):
        """Wait for the prompt; all that came before it, without the terminal's escapes."""
        try:
            self.tty.expect(PROMPT, timeout=timeout)
        except pexpect.TIMEOUT:
            raise AssertionError(f"no prompt within {timeout} s") from None
        except pexpect.EOF:
            raise AssertionError("the machine ended before it gave a prompt") from None
        self.cwd = self.tty.match.group(1)
        return ESCAPES.sub("", self.tty.before).replace("\r", "")

    def type(self, text):
        """Send keys, Enter not included."""
        self.tty.send(text)

    def lent(self):
        """Wait until a program has the terminal: what is typed, here a `~`, is echoed by the console then."""
        self.type("~")
        self.expect("~")

    def expect(self, pattern, timeout=30):
        """Wait for a regular expression among what is printed; the match."""
        try:
            self.tty.expect(pattern, timeout=timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as why:
            raise AssertionError(f"{pattern!r} did not come: {type(why).__name__}") from None
        return self.tty.match

    def run(self, command, timeout=30):
        """Type a command; (what it printed, its exit status as $? tells it)."""
        output = self.output_of(command, timeout)
        status = self.output_of("echo $?").strip()
        assert re.fullmatch(r"\d+", status), f"`echo $?` printed {status!r}"
        return output, int(status)

    def output_of(self, command, timeout=30):
        """Type a command; what it printed up to the next prompt, without the echo of the command itself."""
        self.type(command + "\r")
        text = self.prompt(timeout)
        echo, _, output = text.partition("\n")
        assert echo.rstrip() == command.rstrip(), f"typed {command!r}, but the terminal echoed {echo!r}"
        return output

    def ok(self, command, timeout=30):
        """Type a command that must succeed; what it printed."""
        output, status = self.run(command, timeout)
        assert status == 0, f"`{command}` ended with {status}: {output}"
        return output

    def shutdown(self, command="shutdown"):
        """Power off from the prompt; the Result of the whole run."""
        self.type(command + "\r")
        return self.wait()

    def wait(self):
        """Wait for the end of the machine; its Result."""
        left = max(1, self.started + self.limit + GRACE - time.monotonic())
        try:
            self.tty.expect(pexpect.EOF, timeout=left)
        except pexpect.TIMEOUT:
            self.kill()
            raise AssertionError("the machine did not end") from None
        self.tty.close()
        self.memory.collect()
        self.slot.free()
        status = self.tty.exitstatus if self.tty.exitstatus is not None else 128 + self.tty.signalstatus
        return Result(status, self.log, time.monotonic() - self.started)

    def kill(self):
        """End the machine, whatever it does; harmless when it has ended."""
        if not self.tty.closed:
            self.tty.kill(signal.SIGTERM)       # the runner ends QEMU and removes its temporary files
            try:
                self.tty.expect(pexpect.EOF, timeout=5)
            except pexpect.TIMEOUT:
                pass
            kill_session(self.tty.pid)
            self.tty.close(force=True)
        self.memory.collect()
        self.slot.free()

    @property
    def log(self):
        return self.record.text().replace("\r", "")


class Record:
    """Keeps all that was printed."""

    def __init__(self):
        self.parts = []

    def write(self, text):
        self.parts.append(text)

    def flush(self):
        pass

    def text(self):
        return "".join(self.parts)
