"""A page fault in the kernel reports the address that the test chose and the error code of the access."""

import secrets

import pytest

# Nothing is mapped there. Error code of the CPU: bit 1 write, bit 4 instruction fetch; bit 0 would be "protection".
ERROR = {"read": 0x0, "write": 0x2, "exec": 0x10}


@pytest.mark.parametrize("kind", ERROR)
def test_page_fault_report(boot, nonce, kind):
    address = 0x7000_0000_0000 + secrets.randbits(40)
    run = boot(f"test=pf addr={address:#x} kind={kind} nonce={nonce}")
    assert run.status == 1
    # The address is the fresh number here.
    run.line("PF:", addr=f"{address:#x}", err=f"{ERROR[kind]:#x}")
    run.line("RUGO: boot ok", nonce=nonce)
