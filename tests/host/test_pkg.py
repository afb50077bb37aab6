"""The pkg program compiled for the host under ASan and UBSan, with packages of every bad kind and a fault in every place.

Also the package reader under libFuzzer. The same program in the guest is tested in tests/pkg.
"""

import os
import re
import shutil
import subprocess

import pytest

from pkgimage import FILE, FOLDER, LINK, MANIFEST, Entry, bad_packages, good_entries, package, payload, with_manifest
from rugo.machine import BUILD, ROOT

WRAPPED = ["mkdir", "rename", "symlink", "unlink", "rmdir", "fsync", "write", "open"]
BAD = bad_packages()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """pkg for the host; its packages live in ./pkg."""
    out = tmp_path_factory.mktemp("pkg") / "pkg"
    sources = [*sorted((ROOT / "apps/pkg").glob("*.c")), ROOT / "lib/sha256.c", ROOT / "tests/host/pkg_faults.c"]
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-O1", "-g",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", '-DPKG_DIR="pkg"',
                    "-idirafter", ROOT / "lib", *sources, *(f"-Wl,--wrap={call}" for call in WRAPPED), "-o", out], check=True)
    return out


@pytest.fixture
def pkg(program, tmp_path, monkeypatch):
    """pkg(*args, fault="") → (exit status, stdout, stderr), run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args, fault=""):
        environment = {**os.environ, "ASAN_OPTIONS": "exitcode=77:detect_leaks=0"}
        if fault:
            environment["FAULT"] = fault
        done = subprocess.run([program, *args], env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode in (0, 1, 2, 99), f"status {done.returncode}: {done.stderr}"
        return done.returncode, done.stdout, done.stderr

    return run


def put(tmp_path, data, name="toy.rpk"):
    (tmp_path / name).write_bytes(data)
    return name


def tree(folder):
    """Everything below a folder: path → content, target or None."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            what = os.readlink(path) if os.path.islink(path) else None if os.path.isdir(path) else open(path, "rb").read()
            found[os.path.relpath(path, folder)] = what
    return found


def expected(entries, manifest=MANIFEST):
    """What an installed package must look like, pkg.conf apart."""
    kinds = {FOLDER: lambda e: None, LINK: lambda e: e.data.decode(), FILE: lambda e: e.data}
    return {e.path.decode(): kinds[e.mode & 0o170000](e) for e in entries}


def installed(tmp_path, name="toy"):
    """The tree of an installed package without its manifest; None if there is none."""
    if not (tmp_path / "pkg" / name).exists():
        return None
    found = tree(tmp_path / "pkg" / name)
    assert found.pop("pkg.conf", None), "a package without manifest"
    return found


def leftovers(tmp_path):
    return sorted(path.name for path in (tmp_path / "pkg").glob(".*"))


OLD = expected(good_entries())
NEW_ENTRIES = [Entry(b"bin", FOLDER | 0o755), Entry(b"bin/toy", FILE | 0o755, b"new" * 1000),
               Entry(b"lib", FOLDER | 0o755), Entry(b"lib/x", LINK | 0o777, b"../bin")]
NEW = expected(NEW_ENTRIES)
NEW_PACKAGE = package(payload(*NEW_ENTRIES), MANIFEST.replace(b"1.0", b"2.0"))


def test_install_list_info_remove(pkg, tmp_path):
    file = put(tmp_path, package())
    assert pkg("list") == (0, "", "")
    assert pkg("install", file) == (0, "toy 1.0 installed\n", "")
    assert installed(tmp_path) == OLD and leftovers(tmp_path) == []
    assert os.stat(tmp_path / "pkg/toy/bin/toy").st_mode & 0o777 == 0o755
    status, text, _ = pkg("list")
    assert status == 0 and text.split() == ["toy", "1.0", "A", "toy"]
    status, text, _ = pkg("info", "toy")
    assert status == 0 and "summary   A toy\n" in text and "program   toy\n" in text
    status, text, _ = pkg("info", file)
    assert status == 0 and "8 entries" in text
    assert pkg("remove", "toy") == (0, "toy 1.0 removed\n", "")
    assert tree(tmp_path / "pkg") == {}


def test_an_ordinary_cpio_is_a_payload(pkg, tmp_path):
    """Blocks of 512 bytes, real inode numbers and times: what cpio(1) writes is accepted."""
    (tmp_path / "in/bin").mkdir(parents=True)
    (tmp_path / "in/bin/toy").write_text("x")
    (tmp_path / "in/bin/toy").chmod(0o755)
    body = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tmp_path / "in", input=b"bin\nbin/toy\n",
                          capture_output=True, check=True).stdout
    assert len(body) % 512 == 0
    assert pkg("install", put(tmp_path, package(body)))[0] == 0
    assert installed(tmp_path) == {"bin": None, "bin/toy": b"x"}


def test_same_version_and_upgrade(pkg, tmp_path):
    file = put(tmp_path, package())
    assert pkg("install", file)[0] == 0
    assert pkg("install", file) == (0, "toy 1.0 is installed already\n", "")
    assert pkg("install", put(tmp_path, NEW_PACKAGE)) == (0, "toy 2.0 installed, in place of 1.0\n", "")
    assert installed(tmp_path) == NEW and leftovers(tmp_path) == []
    changed = package(payload(*NEW_ENTRIES[:2]), MANIFEST.replace(b"1.0", b"2.0"))
    assert pkg("install", put(tmp_path, changed)) == (0, "toy 2.0 installed, in place of 2.0\n", "")
    assert installed(tmp_path) == expected(NEW_ENTRIES[:2])


@pytest.mark.parametrize("kind", BAD)
def test_bad_package(pkg, tmp_path, kind):
    data, words = BAD[kind]
    status, out, err = pkg("install", put(tmp_path, data))
    assert status == 1 and out == "" and err.startswith("pkg: toy.rpk: refused: ") and words in err, err
    assert "\x1b" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.rpk"], "something was left"


def test_bad_upgrade_changes_nothing(pkg, tmp_path):
    assert pkg("install", put(tmp_path, package()))[0] == 0
    for kind, (data, _) in BAD.items():
        assert pkg("install", put(tmp_path, data))[0] == 1, kind
        assert installed(tmp_path) == OLD and leftovers(tmp_path) == [], kind


def test_each_byte_flipped(pkg, tmp_path, rounds):
    """The program itself; tests/host/test_package.c does it with each bit."""
    good = package()
    for at in range(0, len(good), rounds(29, 1)):
        bad = bytearray(good)
        bad[at] ^= 0x10
        status, _, err = pkg("install", put(tmp_path, bytes(bad)))
        assert status == 1 and "refused: " in err, f"byte {at}: {err}"
    assert not (tmp_path / "pkg").exists()


def test_other_wrong_uses(pkg, tmp_path):
    for args in ((), ("install",), ("list", "x"), ("fly", "x"), ("remove", "a", "b")):
        status, out, err = pkg(*args)
        assert status == 2 and out == "" and err.startswith("usage: pkg"), args
    assert pkg("install", "nothing.rpk") == (1, "", "pkg: nothing.rpk: No such file or directory\n")
    assert pkg("remove", "toy") == (1, "", "pkg: toy: not installed\n")
    assert pkg("info", "toy") == (1, "", "pkg: toy: not installed\n")
    assert pkg("remove", "../x")[0] == 1 and pkg("remove", ".tmp-x")[0] == 1
    (tmp_path / "folder.rpk").mkdir()
    assert pkg("install", "folder.rpk") == (1, "", "pkg: folder.rpk: refused: not a package\n")


def test_a_folder_that_is_no_package(pkg, tmp_path):
    (tmp_path / "pkg/toy").mkdir(parents=True)
    (tmp_path / "pkg/toy/mine").write_text("precious")
    status, _, err = pkg("install", put(tmp_path, package()))
    assert status == 1 and "there, but no package" in err
    assert (tmp_path / "pkg/toy/mine").read_text() == "precious"
    assert pkg("remove", "toy")[0] == 1 and pkg("list")[0] == 1
    (tmp_path / "pkg/toy/pkg.conf").write_text("name = other\nversion = 1\n")
    assert pkg("remove", "toy")[0] == 1


def faults(kind):
    """kind:0, kind:1, ... for ever."""
    n = 0
    while True:
        yield f"{kind}:{n}"
        n += 1


@pytest.mark.parametrize("kind", ["die", "fail"])
@pytest.mark.parametrize("before", ["nothing", "an older version"])
def test_fault_in_every_place_of_an_installation(pkg, tmp_path, kind, before):
    """After each possible interruption the package is the old one or the new one, whole, and nothing else is left."""
    (tmp_path / "old.rpk").write_bytes(package())
    (tmp_path / "new.rpk").write_bytes(NEW_PACKAGE)
    old = OLD if before != "nothing" else None
    seen = set()
    for fault in faults(kind):
        shutil.rmtree(tmp_path / "pkg", ignore_errors=True)
        if old:
            assert pkg("install", "old.rpk")[0] == 0
        status, _, err = pkg("install", "new.rpk", fault=fault)
        hit = re.search(r"^fault: (\w+)$", err, re.M)
        if not hit:
            assert status == 0
            break
        seen.add(hit[1])
        if kind == "fail" and hit[1] not in ("unlink", "rmdir"):
            assert leftovers(tmp_path) == [], f"{fault} {hit[1]}: {err}"
        if kind == "fail":
            assert installed(tmp_path) == (NEW if status == 0 else old), f"{fault} {hit[1]}: {err}"
        assert pkg("list")[0] == 0
        assert leftovers(tmp_path) == [] and installed(tmp_path) in (old, NEW), f"{fault} {hit[1]}: {err}"
        assert set(tree(tmp_path).keys()) >= {"old.rpk", "new.rpk"}
        assert pkg("install", "new.rpk")[0] == 0 and installed(tmp_path) == NEW
    assert seen >= {"mkdir", "open", "write", "symlink", "fsync", "rename"}, seen


@pytest.mark.parametrize("kind", ["die", "fail"])
def test_fault_in_every_place_of_a_removal(pkg, tmp_path, kind):
    put(tmp_path, package())
    for fault in faults(kind):
        assert pkg("install", "toy.rpk")[0] == 0
        status, _, err = pkg("remove", "toy", fault=fault)
        if "fault: " not in err:
            assert status == 0 and fault != f"{kind}:0"
            break
        assert pkg("list")[0] == 0
        assert leftovers(tmp_path) == [] and installed(tmp_path) in (OLD, None), f"{fault}: {err}"


def test_full_disk_message(pkg, tmp_path):
    status, out, err = pkg("install", put(tmp_path, package()), fault="fail:5")
    assert status == 1 and out == "" and "No space left on device" in err and "toy: not installed" in err
    assert not (tmp_path / "pkg").exists(), "a folder was left"


def test_leftovers_of_any_kind_go(pkg, tmp_path):
    for name in (".tmp-a", ".del-b", ".old-c"):
        (tmp_path / "pkg" / name / "deep/er").mkdir(parents=True)
        (tmp_path / "pkg" / name / "deep/file").write_text("x")
        (tmp_path / "pkg" / name / "deep/link").symlink_to(tmp_path)
    (tmp_path / "pkg/c").mkdir()
    (tmp_path / "pkg/c/pkg.conf").write_text("name = c\nversion = 3\n")
    (tmp_path / "precious").write_text("stays")
    status, text, _ = pkg("list")
    assert status == 0 and text.split() == ["c", "3"]
    assert leftovers(tmp_path) == [] and (tmp_path / "precious").read_text() == "stays"


# ---- fuzzing --------------------------------------------------------------------------------------

# What is taken out of the reader: (file, text, what stands there instead).
PLANTED = {
    "dot_dot": ("package.c", 'if (len == 2 && memcmp(name, "..", 2) == 0)\n            return', "if (0)\n            return"),
    "own_file": ("package.c", "return strcmp(path, MANIFEST_FILE) != 0 ||", "return 1 ||"),
    "twice": ("package.c", "if (order == 0)", "if (0)"),
    "no_folder": ("package.c", "if (folder == 0)\n        return true;", "return true;"),
    "target": ("package.c", "if (e->size == 0 || e->size > PACKAGE_TARGET_MAX)", "if (e->size == 0)"),
    "name": ("package.c", "if (size == 0 || size > PACKAGE_PATH_MAX + 1)", "if (size == 0)"),
    "line": ("manifest.c", "if (len >= max)\n        return false;", ""),
}

DICTIONARY = ['"070701"', '"TRAILER!!!\\x00"', '"../"', '"bin/toy\\x00"', '"pkg.conf\\x00"', '"000041ed"', '"000081a4"', '"0000a1ff"',
              '"name = "', '"version = "', '"program = "', '"0000ffff"', '"00000009"']


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Packages of mkpkg.py and of this folder, good and bad, all small."""
    folder = tmp_path_factory.mktemp("seeds")
    source = tmp_path_factory.mktemp("source")
    (source / "pkg.conf").write_text("name = seed\nversion = 1\n")
    (source / "files/share").mkdir(parents=True)
    (source / "files/share/text").write_text("text")
    (source / "files/link").symlink_to("share/text")
    subprocess.run(["/usr/bin/python3", ROOT / "tools/mkpkg.py", "build", source, "-o", folder / "seed"], check=True,
                   env={**os.environ, "BUILD": str(BUILD)})
    for number, data in enumerate([package(), NEW_PACKAGE[:900], with_manifest(b"name = a\nversion = 1\n"),
                                   *(data for data, _ in BAD.values())]):
        if len(data) <= 2048:
            (folder / f"{number}").write_bytes(data)
    (folder.parent / "words").write_text("\n".join(DICTIONARY))
    return folder


def fuzz(program, seeds, tmp_path, runs):
    corpus = tmp_path / "corpus"
    shutil.copytree(seeds, corpus)
    done = subprocess.run([program, f"-runs={runs}", "-seed=1", "-max_len=2048", "-timeout=10", f"-dict={seeds.parent}/words",
                           f"-artifact_prefix={tmp_path}/", corpus], capture_output=True, text=True, timeout=1800)
    return done.returncode, done.stderr


def test_fuzz_package(seeds, tmp_path, rounds, record_property):
    build = os.environ.get("BUILD", "build")
    subprocess.run(["make", "--no-print-directory", f"BUILD={build}", f"{build}/host/fuzz_pkg"], cwd=ROOT, check=True,
                   capture_output=True)
    status, log = fuzz(BUILD / "host/fuzz_pkg", seeds, tmp_path, rounds(100_000, 20_000_000))
    assert status == 0, log[-3000:]
    edges = int(re.search(r"\((\d+) inline 8-bit counters\)", log)[1])
    covered = int(re.findall(r"\bcov: (\d+)", log)[-1])
    record_property("edges", f"{covered} of {edges}")
    print(f"fuzz_pkg: {covered} of {edges} edges covered")
    assert covered >= edges * 0.55, f"only {covered} of {edges} edges covered"


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bug_is_found(bug, seeds, tmp_path):
    file, old, new = PLANTED[bug]
    folder = tmp_path / "apps/pkg"
    shutil.copytree(ROOT / "apps/pkg", folder)
    text = (folder / file).read_text()
    assert text.count(old) == 1, f"{old!r} is not in apps/pkg/{file} once"
    (folder / file).write_text(text.replace(old, new))
    binary = tmp_path / "fuzz"
    subprocess.run(["clang-19", "-g", "-O1", "-D_GNU_SOURCE", "-fsanitize=address,undefined,fuzzer",
                    "-fno-sanitize-recover=all", "-I", tmp_path, "-I", ROOT, "-idirafter", ROOT / "lib",
                    ROOT / "tests/host/fuzz_pkg.c", folder / "package.c", folder / "manifest.c", ROOT / "lib/sha256.c",
                    "-o", binary], check=True)
    status, log = fuzz(binary, seeds, tmp_path, 5_000_000)
    assert status != 0, "5 million inputs, and the planted bug was not found"
    assert "accepted a package with" in log or "ERROR: AddressSanitizer" in log or "runtime error" in log, log[-3000:]
