"""The serial line: bytes arrive by interrupt, none is lost or doubled; when nobody reads, the oldest are kept."""

import re
import secrets
import string
import time

import pytest

from rugo.shell import Shell

LETTERS = string.ascii_letters + string.digits
RING = 4096


@pytest.fixture
def line(machines):
    """line(cmdline, **options) → a machine that can be typed at and has no shell."""

    def start(cmdline, **options):
        machines.append(Shell(cmdline, **options))
        machines[-1].expect("SERIAL: ready\r\n")
        return machines[-1]

    return start


def random_text(length):
    return "".join(secrets.choice(LETTERS) for _ in range(length))


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_echo(line, nonce, secret, machine, rounds):
    """Lines of up to nearly a ring's length come back as they were."""
    tty = line(f"test=serial.echo nonce={nonce}", machine=machine)
    for number in range(rounds(20, 500)):
        text = random_text(1 + number * 499 % 4000)
        tty.type(text + "\n")
        tty.expect(text + "\r?\n", timeout=20)
    tty.type("\n")
    tty.wait().ok().line("SERIAL: line ok", nonce=nonce, secret=secret)


def test_flood(line, nonce, secret):
    text = random_text(RING + 1500)
    tty = line(f"test=serial.flood nonce={nonce}")
    tty.type(text)
    tty.expect(text[:RING] + "\r?\n", timeout=20)
    tty.wait().ok().line("SERIAL: line ok", nonce=nonce, secret=secret)


def test_slow_reader(line, nonce, secret):
    """While the host does not read, the writer sleeps; nothing is lost or doubled."""
    tty = line(f"test=serial.pour nonce={nonce}")
    time.sleep(1.5)
    run = tty.wait().ok()
    run.line("SERIAL: line ok", nonce=nonce, secret=secret)
    assert [int(number) for number in re.findall(r"#(\d{7})", run.log)] == list(range(20000))
