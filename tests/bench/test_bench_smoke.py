"""./rugo bench measures, and its JSON has the rows. No figure that depends on the host's speed can fail a test; the counted
ones repeat, so what the first release promises of them is tested."""

import json
import os
import subprocess
import sys

from rugo.machine import BUILD, ROOT

COUNTED = ["cpu_int", "null_syscall", "handle_call", "clock_syscall", "yield_2threads", "thread_create_join",
           "ipc_call_64_pinned", "ipc_call_256_handle", "vm_fault", "vm_map_unmap_pair", "spawn_wait", "spawn_c_hello"]
PROMISED = ["null_syscall", "handle_call", "vm_fault", "boot_insn_256m", "boot_insn_8g", "mem_total_idle", "image_kernel"]


def bench(*options):
    return subprocess.run([sys.executable, ROOT / "tools" / "bench.py", *options], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, "BUILD": str(BUILD)})


def measure(out, *options):
    """Rows by name, each of them whole and in the table too."""
    done = bench("--json", out, *options)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    for row in rows:
        assert set(row) == {"name", "value", "unit", "n"} and row["value"] >= 0 and row["n"] >= 1, row
        assert f"\n{row['name']} " in done.stdout
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: row for row in rows}


def test_rows_and_targets(tmp_path):
    rows = measure(tmp_path / "first.json", "--only", "size,core,boot,idle", "--boots", "1")
    targets = json.loads((ROOT / "bench" / "rugo" / "targets.json").read_text())
    assert [name for name in COUNTED if rows.get(name, {}).get("unit") != "insn"] == []
    assert [name for name in PROMISED if rows[name]["value"] > targets[name]["target"]] == []
    # The control: the same loop, compiled alike on every system, executes the same instructions.
    assert 10.9 < rows["cpu_int"]["value"] < 11.1
    for size in ("256m", "8g"):
        parts = [rows[f"boot_insn_{size}_{part}"]["value"] for part in ("shim_kernel", "kernel_prompt")]
        assert min(parts) > 0 and sum(parts) == rows[f"boot_insn_{size}"]["value"]

    again = measure(tmp_path / "second.json", "--only", "core")
    for name in ("null_syscall", "handle_call", "ipc_call_64_pinned", "vm_fault"):
        assert abs(again[name]["value"] - rows[name]["value"]) <= 0.02 * rows[name]["value"] + 0.1, name


def test_block_and_file_rows(tmp_path):
    rows = measure(tmp_path / "disk.json", "--only", "blk,fs", "--boots", "1")
    units = {"blk_rand_read_4k": "ns", "blk_seq_write_1m": "MiB/s", "ext2_create_4k_fsync": "ns", "ext2_read_4k_cold": "ns",
             "ext2_seq_read_64m_cold": "MiB/s", "ext2_delete_4k": "ns"}
    assert {name: rows.get(name, {}).get("unit") for name in units} == units


def test_wrong_use():
    done = bench("--only", "nonsense")
    assert done.returncode == 2 and "nonsense" in done.stderr
