"""A megabyte written by one process is read by another: its checksum, computed here too, is right."""

import struct
import zlib

WORDS = (1 << 20) // 8


def xorshift64(seed, count):
    """Little-endian words of Marsaglia's generator (13, 7, 17), the first one being the state after one step."""
    x, words = seed, []
    for _ in range(count):
        x ^= x << 13 & 0xFFFF_FFFF_FFFF_FFFF
        x ^= x >> 7
        x ^= x << 17 & 0xFFFF_FFFF_FFFF_FFFF
        words.append(x)
    return struct.pack(f"<{count}Q", *words)


def test_shm_bulk(boot, nonce, secret):
    run = boot(f"test=ipc.shm nonce={nonce}").ok()
    crc = zlib.crc32(xorshift64(int(nonce, 16), WORDS))
    run.line("SHM: checksum ok", crc=f"0x{crc:08x}", nonce=nonce, secret=secret)
