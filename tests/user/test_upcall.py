"""Upcalls: faults told to the program, and threads and processes that interrupt each other (docs/upcalls.md)."""

import re

import pytest

CPUS = [1, 2, 4, 8]


def test_rules(boot, nonce, secret):
    run = boot(f"test=upcall.rules nonce={nonce}", timeout=60)
    run.ok().line("UPCALL: rules ok", nonce=nonce, secret=secret)
    named = re.findall(r"^USER: killed .*name=upcall_rules cause=(\S+)", run.log, re.M)
    assert {"UD", "PF", "upcall"} <= set(named)
