"""./rugo itself: its words when something is wrong, and files in and out of disk images."""

import secrets
import subprocess

from rugo.machine import ROOT


def front_door(*args, **options):
    return subprocess.run([str(ROOT / "rugo"), *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


def test_unknown_command():
    done = front_door("no-such-thing")
    assert done.returncode == 2
    assert "no-such-thing" in done.stderr and "usage:" in done.stderr


def test_help():
    done = front_door("help")
    assert done.returncode == 0
    for command in ("run", "build", "test", "soak", "bench", "pkg", "disk", "clean"):
        assert f"\n  {command} " in done.stdout


def test_missing_tool_is_named(tmp_path):
    """Without apt-get and without make the front door names what to install, and stops."""
    for tool in ("sh", "dirname", "id", "cat"):
        path = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / tool).symlink_to(path)
    # The front door adds /usr/sbin and /sbin, where neither make nor gcc lie.
    done = front_door("build", env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "make" in done.stderr and "gcc" in done.stderr


def test_disk_put_and_get(rugo, make_disk, tmp_path):
    image = make_disk()
    source, back = tmp_path / 'a "strange" näme.bin', tmp_path / "back"
    for size in (0, 1, 1024, 3_000_000):
        content = secrets.token_bytes(size)
        source.write_bytes(content)
        rugo("disk", "put", image, source, "/new folder/deeper/")
        rugo("disk", "get", image, f"/new folder/deeper/{source.name}", back)
        assert back.read_bytes() == content
    assert subprocess.run(["e2fsck", "-fn", image], capture_output=True).returncode == 0


def test_disk_errors_leave_the_image_clean(make_disk, tmp_path):
    image = make_disk(mib=4)
    big = tmp_path / "big"
    big.write_bytes(secrets.token_bytes(8 << 20))
    done = front_door("disk", "put", image, big, "/big")
    assert done.returncode == 1 and "full" in done.stderr
    assert front_door("disk", "get", image, "/big", tmp_path / "out").returncode == 1
    done = front_door("disk", "get", image, "/nothing", tmp_path / "out")
    assert done.returncode == 1 and "/nothing" in done.stderr
    assert not (tmp_path / "out").exists()
    assert front_door("disk", "put", tmp_path / "no.img", big, "/big").returncode == 1
    assert front_door("disk", "put", image).returncode == 2
    assert subprocess.run(["e2fsck", "-fn", image], capture_output=True).returncode == 0
