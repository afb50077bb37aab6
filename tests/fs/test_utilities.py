"""The utilities at the prompt: what they print, what they answer to wrong use, and what is on the disk afterwards."""

import subprocess

import pytest


@pytest.fixture
def disk(tmp_path, make_disk):
    folder = tmp_path / "files"
    (folder / "docs").mkdir(parents=True)
    (folder / "tmp").mkdir()
    (folder / "docs" / "poem.txt").write_text("roses are red\nviolets are blue\n")
    (folder / "readme.txt").write_text("".join(f"line {i}\n" for i in range(1, 31)))
    return make_disk(folder)


# Command, exit status, what must be printed (the whole of it, or, ending in …, its start).
SESSION = [
    ("cat docs/poem.txt", 0, "roses are red\nviolets are blue\n"),
    ("cat docs/poem.txt none docs/poem.txt", 1, "roses are red\nviolets are blue\ncat: none: No such file or directory\nroses …"),
    ("cat docs", 1, "cat: docs: Is a directory\n"),
    ("wc docs/poem.txt readme.txt", 0, "      2       6      31 docs/poem.txt\n     30      60     231 readme.txt\n     32      66     262 total\n"),
    ("head -n 2 readme.txt", 0, "line 1\nline 2\n"),
    ("head readme.txt docs/none", 1, "==> readme.txt <==\nline 1\n…"),
    ("hexdump docs/poem.txt", 0, "00000000  72 6f 73 65 73 20 61 72  65 20 72 65 64 0a 76 69  |roses are red.vi|\n…"),
    ("cp docs/poem.txt tmp/a", 0, ""),
    ("cp tmp/a tmp/a", 1, "cp: tmp/a and tmp/a are the same file\n"),
    ("cp docs tmp/x", 1, "cp: docs: is a directory (use -r)\n"),
    ("cp -r docs tmp/x", 0, ""),
    ("cp -r tmp/x tmp/x/y", 1, "cp: tmp/x: cannot be copied into itself (tmp/x/y)\n"),
    ("cp readme.txt docs/poem.txt tmp", 0, ""),
    ("cp readme.txt docs/poem.txt tmp/a", 1, "cp: tmp/a: not a directory\n"),
    ("cp -z a b", 2, "cp: unknown option -- 'z'\n"),
    ("ls tmp", 0, "a\npoem.txt\nreadme.txt\nx\n"),
    ("mkdir tmp/p/q", 1, "mkdir: tmp/p/q: No such file or directory\n"),
    ("mkdir -p tmp/p/q", 0, ""),
    ("mkdir tmp/p", 1, "mkdir: tmp/p: File exists\n"),
    ("mkdir", 2, "mkdir: usage: mkdir [-p] DIRECTORY...\n"),
    ("mv tmp/readme.txt tmp/poem.txt tmp/p/q", 0, ""),
    ("mv tmp/p tmp/pp", 0, ""),
    ("mv tmp/pp tmp/pp/q/in", 1, "mv: tmp/pp to tmp/pp/q/in: Invalid argument\n"),
    ("ls tmp/pp/q tmp/x", 0, "tmp/pp/q:\npoem.txt\nreadme.txt\n\ntmp/x:\npoem.txt\n"),
    ("rmdir tmp/pp", 1, "rmdir: tmp/pp: Directory not empty\n"),
    ("rm tmp/pp", 1, "rm: tmp/pp: is a directory (use -r)\n"),
    ("rm -r tmp/pp tmp/x", 0, ""),
    ("rm -f tmp/none", 0, ""),
    ("rm tmp/none", 1, "rm: tmp/none: No such file or directory\n"),
    ("rm -rf /", 1, "rm: /: will not be removed\n"),
    ("ln -s poem.txt docs/link", 0, ""),
    ("cat docs/link", 0, "roses are red\n…"),
    ("ln tmp/a tmp/b", 1, "ln: hard links are not supported; use ln -s\n"),
    ("ls tmp docs", 0, "tmp:\na\n\ndocs:\nlink\npoem.txt\n"),
    ("ls none", 1, "ls: none: No such file or directory\n"),
    ("touch tmp/new none/new", 1, "touch: none/new: No such file or directory\n"),
    ("cp tmp/a /boot/a", 1, "cp: /boot/a: Read-only file system\n"),
    ("cp /boot/bin/cat tmp/mycat", 0, ""),
    ("tmp/mycat tmp/a", 0, "roses are red\nviolets are blue\n"),
    ("echo -n one two", 0, "one two"),
    ("date +%Y-%m-%dx", 0, "20…"),
    ("date %Y", 2, "date: usage: date [+FORMAT]\n"),
    ("kill 99999", 1, "kill: 99999: no such process\n"),
    ("kill x", 1, "kill: x: not a process number\n"),
    ("sleep 0.1", 0, ""),
    ("sleep 1x", 2, "sleep: 1x: not a number of seconds\n"),
    ("true", 0, ""),
    ("false", 1, ""),
    ("sync", 0, ""),
    ("svc restart none", 1, "svc: none: no such service\n"),
    ("uptime", 0, "up 0 days, 00:0…"),
    ("dmesg", 0, "…RUGO: boot ok…"),
]


def fits(printed, want):
    parts = want.split("…")
    if len(parts) == 1:
        return printed == want
    return printed.startswith(parts[0]) and all(part in printed for part in parts[1:])


def test_utilities(shell, disk):
    prompt = shell(disk=disk)
    wrong = []
    for command, status, want in SESSION:
        printed, ended = prompt.run(command)
        if ended != status or not fits(printed, want):
            wrong.append(f"{command}: status {ended} (want {status})\n{printed!r}\n{want!r}")
    assert not wrong, "\n".join(wrong)
    assert prompt.shutdown().status == 0
    check = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    listed = subprocess.run(["debugfs", "-R", "ls -p /tmp", disk], capture_output=True, text=True).stdout
    assert sorted(line.split("/")[5] for line in listed.splitlines() if line.startswith("/")) == [".", "..", "a", "mycat", "new"]


def test_ps_and_kill(shell):
    prompt = shell()
    header, *lines = prompt.ok("ps").splitlines()
    assert header.split() == ["PID", "PPID", "STATE", "THREADS", "HANDLES", "MEM/KIB", "JOB", "JOB/KIB", "CPU/S", "NAME"]
    processes = {line.split()[-1]: line.split() for line in lines}
    assert {"svcman", "fsd", "console", "sh", "ps"} <= set(processes)
    assert processes["svcman"][:3] == ["1", "0", "run"]
    assert processes["ps"][1] == processes["sh"][0]
    fsd = processes["fsd"][0]
    prompt.type(f"kill {fsd}\r")
    prompt.expect(r"SVC: fsd ended \(signal 9\), restart 1")
    prompt.expect(r"FSD: mount ok")
    prompt.type("\r")
    prompt.prompt()
    prompt.prompt()
    again = {line.split()[-1]: line.split()[0] for line in prompt.ok("ps").splitlines()}
    assert int(again["fsd"]) > int(fsd)
    assert "fsd" in prompt.ok("svc")


def test_free_counts_frames(shell):
    prompt = shell(mem=128)
    numbers = [int(word) for word in prompt.ok("free").splitlines()[1].split()[1:6]]
    total, used, free, kernel, boot = numbers
    assert 110 * 1024 < total <= 128 * 1024 and used + free == total
    assert 0 < kernel < used and 0 < boot < 16 * 1024
    assert used < 12 * 1024
