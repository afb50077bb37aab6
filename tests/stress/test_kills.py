"""Services and busy clients are killed at any moment of what they do: the others see the errors that the contract names."""

import secrets
import subprocess

import pytest

# Guest time in which svcman has a service back, counted with --icount.
BACK_US = 50_000


@pytest.mark.parametrize("service", ["fsd", "console"])
@pytest.mark.parametrize("smp", [1, 4])
def test_killed_service(boot, make_disk, nonce, secret, rounds, service, smp):
    """
    Its clients go on with the next one, what was synced is there, and nothing is left over. The file system has no journal: an
    fsd that dies between two writes may leave what docs/fs_v0.md names, which e2fsck puts right.
    """
    disk = make_disk()
    seed = secrets.randbits(40) | 1
    boot(f"test=stress.services service={service} seed={seed} count={rounds(10, 100)} nonce={nonce}", disk=disk, smp=smp,
         timeout=rounds(60, 600)).ok().line("STRESS: services ok", nonce=nonce, secret=secret)
    done = subprocess.run(["e2fsck", "-fy", str(disk)], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout


@pytest.mark.parametrize("service", ["fsd", "console"])
def test_service_is_back_soon(boot, nonce, rounds, service):
    """Without a disk, whose time is none of svcman's: to a client that had its file made, written, synced and read."""
    run = boot(f"test=stress.services service={service} disk=0 seed=1 count={rounds(10, 100)} nonce={nonce}", icount=True,
               timeout=rounds(60, 600)).ok()
    words = dict(word.split("=") for word in run.line("STRESS: services ok", nonce=nonce).split() if "=" in word)
    assert int(words["slowest_us"]) < BACK_US


def test_killed_clients_and_servers(boot, nonce, secret, rounds):
    """Calls with bulk buffers and time-outs, one-way messages, handles that move, waits at ports; on four CPUs."""
    seed = secrets.randbits(40) | 1
    boot(f"test=stress.kill seed={seed} count={rounds(400, 4000)} nonce={nonce}", smp=4, timeout=rounds(60, 900)).ok().line(
        "STRESS: kills ok", nonce=nonce, secret=secret)
