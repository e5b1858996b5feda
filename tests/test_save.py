"""Files of the program in a run's log: what it saves, and what it writes into `run.dir`."""

from __future__ import annotations

import hashlib
import os
import pathlib
import pickle
import subprocess
import sys
import time

import anyio
import pytest

import steplog

FILE, BLOB = 9, 13
MIB = 1 << 20
LARGE = bytes(range(256)) * 4096 + b"!"
"""One byte more than the log takes."""


@pytest.fixture
def logged(records_of):
    """Gives name and content of the files in a run's log, in the order of the log."""

    def read(run):
        files = []
        for record in records_of(run.sync_dir):
            if record[0] == FILE:
                files.append((record[2], record[3]))
            if record[0] == BLOB:
                _, _, name, sha256, size = record
                kept = list(pathlib.Path(run.sync_dir, "wal").glob(f"*/blobs/{sha256.hex()}"))
                content = kept[0].read_bytes() if kept else None
                if content is not None:
                    assert (hashlib.sha256(content).digest(), len(content)) == (sha256, size)
                files.append((name, content))
        return [(name, content) for name, content in files if name != "summary.json"]

    return read


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The working directory, with some files in it."""
    folder = tmp_path / "work"
    (folder / "out" / "deep").mkdir(parents=True)
    (folder / "out" / "a.txt").write_bytes(b"a")
    (folder / "out" / "deep" / "b.txt").write_bytes(b"b")
    (folder / "out" / "large.bin").write_bytes(LARGE)
    monkeypatch.chdir(folder)
    return folder


def kept(run):
    """What the run's folder has of files that were saved."""
    base = pathlib.Path(run.dir)
    found = {path.relative_to(base).as_posix(): path for path in base.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "/" in name}


def until(is_true):
    """Wait for what happens beside the program."""
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---- which files -------------------------------------------------------------------------------


def test_a_small_file_is_in_the_log_when_save_returns(start, work, logged):
    with start() as run:
        path = run.save("out/a.txt", policy="now")
        assert path == [str(pathlib.Path(run.dir, "out/a.txt"))]
        assert logged(run) == [("out/a.txt", b"a")]
        (work / "out" / "a.txt").write_bytes(b"later")
    assert logged(run) == [("out/a.txt", b"a")]
    assert kept(run) == {"out/a.txt": b"a"}


def test_a_large_file_is_kept_as_it_was_when_it_was_saved(start, work, logged):
    with start() as run:
        run.save("out/large.bin", policy="now")
        (work / "out" / "large.bin").unlink()
    assert logged(run) == [("out/large.bin", LARGE)]
    assert kept(run) == {"out/large.bin": LARGE}


@pytest.mark.parametrize("name", ["out/a.txt", "out/large.bin"])
@pytest.mark.parametrize("policy", ["now", "live"])
def test_what_is_written_into_the_copy_is_a_newer_version(start, work, logged, *, name, policy):
    before = (work / name).read_bytes()
    with start() as run:
        (path,) = run.save(name, policy=policy)
        if len(before) > 1:
            until(lambda: logged(run))
        with pathlib.Path(path).open("r+b") as file:
            file.write(b"new")
    assert logged(run)[-1] == (name, b"new" + before[3:])


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (("out/*",), ["out/a.txt", "out/deep/b.txt", "out/large.bin"]),
        (("out",), ["out/a.txt", "out/deep/b.txt", "out/large.bin"]),
        (("out/**/*.txt",), ["out/a.txt", "out/deep/b.txt"]),
        (("out/**/*.txt", "out"), ["a.txt", "deep/b.txt"]),
        (("out/deep/b.txt", "out/deep"), ["b.txt"]),
        (("{work}/out/deep/b.txt",), ["deep/b.txt"]),
        (("{work}/out/deep/b.txt", "{work}"), ["out/deep/b.txt"]),
        (("{work}/out/./deep/../a.txt",), ["out/a.txt"]),
        ((".",), ["out/a.txt", "out/deep/b.txt", "out/large.bin"]),
        (("nothing*",), []),
        (("s3://bucket/key",), []),
    ],
)
def test_names_are_relative_to_the_base(start, work, *, call, names, logged):
    with start() as run:
        saved = run.save(*(text.format(work=work) for text in call), policy="end")
        assert saved == [str(pathlib.Path(run.dir, name)) for name in names]
    assert [name for name, _ in logged(run)] == names
    assert sorted(kept(run)) == sorted(name for name in names if "/" in name)


@pytest.mark.usefixtures("work")
def test_what_is_no_pattern_is_a_name(start, logged):
    pathlib.Path("a[1].txt").write_text("x")
    with start() as run:
        assert run.save("b[1].txt") == run.save("b[1].txt", glob=False) == []
        assert len(run.save("a[1].txt")) == 1  # it is there, so it is a path
        pathlib.Path("a1.txt").write_text("y")
        pathlib.Path("a[1].txt").unlink()
        assert run.save("a[1].txt", glob=False) == []
        assert len(run.save("a[1].txt")) == 1
    assert logged(run) == [("a[1].txt", b"x"), ("a1.txt", b"y")]


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"glob_str": "../x"}, ValueError, "may not walk above"),
        (
            {"glob_str": "out/a.txt", "base_path": "elsewhere"},
            ValueError,
            "is not below its base_path",
        ),
        ({"glob_str": ""}, ValueError, "is empty"),
        ({"glob_str": 3}, TypeError, "glob_str must be a path, got int"),
        ({"glob_str": "x", "base_path": 3}, TypeError, "base_path must be a path, got int"),
        ({"glob_str": "x", "policy": "often"}, ValueError, "policy must be live or now or end"),
        ({}, TypeError, "glob_str"),
    ],
)
@pytest.mark.usefixtures("work")
def test_bad_arguments_are_refused(start, arguments, *, kind, text):
    with start() as run, pytest.raises(kind, match=text):
        run.save(**arguments)


def test_links_never_lead_out_of_the_base(start, work, logged, *, capfd):
    (work.parent / "secret").write_text("secret")
    (work / "out" / "file").symlink_to(work.parent / "secret")
    (work / "out" / "folder").symlink_to(work.parent)
    (work / "out" / "within").symlink_to("a.txt")
    (work / "out" / "large.bin").unlink()
    with start() as run:
        run.save("out", base_path="out")
    assert logged(run) == [("a.txt", b"a"), ("deep/b.txt", b"b"), ("within", b"a")]
    assert "out/file is not saved: it leads out of" in capfd.readouterr().err


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("pattern", ["out/**/*", "out/**", "out/*/*", "out/folder/*", "out/folder"])
def test_a_folder_that_a_link_leads_out_to_is_told_of_once(
    start, work, logged, *, pattern, capfd, monkeypatch
):
    for number in range(3):
        (work.parent / f"secret{number}").write_bytes(b"secret")
    (work / "out" / "folder").symlink_to(work.parent)
    (work / "out" / "within").symlink_to("deep")
    (work / "out" / "up").symlink_to(".")
    listed = []
    scandir, listdir = os.scandir, os.listdir

    def listening(real):
        def list_folder(path="."):
            listed.append(str(pathlib.Path(path).resolve()))
            return real(path)

        return list_folder

    monkeypatch.setattr(os, "scandir", listening(scandir))
    monkeypatch.setattr(os, "listdir", listening(listdir))
    run = start()
    listed.clear()
    run.save(pattern, policy="now")
    assert str(work.parent) not in listed
    run.finish()
    assert {name for name, content in logged(run) if content == b"secret"} == set()
    said = capfd.readouterr().err
    assert (said.count("is not saved"), said.count("out/folder is not saved")) == (1, 1)
    assert "has found no file" not in said


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("out/**/*.txt", ["out/a.txt", "out/deep/b.txt", "out/within/b.txt"]),
        ("out/*/b.txt", ["out/deep/b.txt", "out/within/b.txt"]),
        ("out/[!l]*", ["out/a.txt", "out/deep/b.txt"]),
        ("**/b.t?t", ["out/deep/b.txt", "out/within/b.txt"]),
        ("out/.h*", ["out/.hidden"]),
        ("nothing/**/*", []),
    ],
)
def test_patterns_are_those_of_glob(start, work, logged, *, pattern, names):
    (work / "out" / ".hidden").write_bytes(b"h")
    (work / "out" / "within").symlink_to("deep")
    run = start()
    run.save(pattern, policy="now")
    run.finish()
    assert sorted({name for name, _ in logged(run) if name.startswith("out/")}) == names


def test_what_is_no_plain_file_is_called_so(start, work, capfd):
    os.mkfifo(work / "pipe")
    run = start()
    assert run.save("pipe") == []
    assert run.save("/dev/zero") == []
    run.finish()
    said = capfd.readouterr().err
    assert said.count("is not saved: it is no plain file") == 2
    assert "has found no file" not in said


def test_the_runs_own_files_are_not_written_over(start, logged, capfd):
    pathlib.Path("config.yaml").write_text("mine")
    with start(config={"a": 1}) as run:
        assert run.save("config.yaml") == []
    assert logged(run) == [("config.yaml", b"a:\n    value: 1\n")]
    assert "the run has a config.yaml of its own" in capfd.readouterr().err


@pytest.mark.usefixtures("work")
def test_a_file_that_cannot_be_read_costs_only_itself(start, logged, monkeypatch, *, capfd):
    original = pathlib.Path.open

    def refuse(path, *arguments, **options):
        if path.name == "a.txt" and arguments == ("rb",):
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    with start() as run:
        run.save("out/*.txt")
        run.save("out/deep")
    assert logged(run) == [("out/deep/b.txt", b"b")]
    assert "a.txt is not saved: Permission denied" in capfd.readouterr().err


# ---- when they are taken -----------------------------------------------------------------------


@pytest.mark.usefixtures("work")
def test_each_policy_takes_a_file_when_it_says(start, logged):
    path = pathlib.Path("out/a.txt")
    for policy, contents in {
        "now": [b"a"],
        "live": [b"a", b"second"],
        "end": [b"second"],
    }.items():
        path.write_bytes(b"a")
        with start() as run:
            run.save("out/a.txt", policy=policy)
            path.write_bytes(b"second")
        assert logged(run) == [("out/a.txt", content) for content in contents]


def test_a_live_file_is_taken_again_while_the_run_goes_on(start, work, logged):
    with start() as run:
        run.save("out/*")
        until(lambda: len(logged(run)) == 3)
        (work / "out" / "a.txt").write_bytes(b"changed")
        until(lambda: len(logged(run)) == 4)
        # The same content, written anew, is no other version.
        (work / "out" / "deep" / "b.txt").write_bytes(b"b")
        (work / "out" / "large.bin").write_bytes(LARGE[::-1])
        until(lambda: len(logged(run)) == 5)
        found = logged(run)
    assert sorted(name for name, _ in found[:3]) == ["out/a.txt", "out/deep/b.txt", "out/large.bin"]
    # Of a large file the newest version is kept.
    assert found[3:] == [("out/a.txt", b"changed"), ("out/large.bin", LARGE[::-1])]
    assert [content for name, content in found if name == "out/large.bin"] == [None, LARGE[::-1]]
    assert logged(run) == found


def test_versions_of_a_file_do_not_fill_up_the_log(start, work, logged):
    content = LARGE[: 512 << 10]
    with start() as run:
        (work / "x").write_bytes(content)
        run.save("x")
        (work / "x").write_bytes(content[::-1])
    assert [found for _, found in logged(run)] == [content, content[::-1]]
    assert len(list(pathlib.Path(run.sync_dir, "wal").glob("*/blobs/*"))) == 1


@pytest.mark.usefixtures("work")
def test_a_run_that_is_over_takes_no_file(start):
    with start() as run:
        pass
    with pytest.raises(steplog.RunClosedError):
        run.save("out/a.txt")


IN_A_CHILD = """
import pathlib, pickle, sys
run = pickle.load(sys.stdin.buffer)
run.save("out/large.bin", policy="now")
run.save("out/deep")
pathlib.Path("out/deep/b.txt").write_text("by the child")
run.finish()
"""


@pytest.mark.usefixtures("work")
def test_a_child_saves_files_into_a_log_of_its_own(start, logged):
    with start() as run:
        run.save("out/a.txt")
        child = [sys.executable, "-c", IN_A_CHILD]
        subprocess.run(child, input=pickle.dumps(run), check=True)
        pid = os.fork()
        if pid == 0:
            try:
                run.save("out/deep", policy="end")
                run.finish()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    assert sorted(logged(run)) == [
        ("out/a.txt", b"a"),
        ("out/deep/b.txt", b"b"),
        ("out/deep/b.txt", b"by the child"),
        ("out/deep/b.txt", b"by the child"),
        ("out/large.bin", LARGE),
    ]


def test_a_disabled_run_saves_nothing(work):
    with steplog.init(mode="disabled") as run:
        assert run.save("out/*") == []
        assert run.restore("x") is None
    assert sorted(path.name for path in work.iterdir()) == ["out"]


@pytest.mark.usefixtures("work")
def test_the_module_saves_into_the_current_run(start, logged):
    with pytest.raises(steplog.UsageError, match=r"call steplog.init\(\) first"):
        steplog.save("out/a.txt")
    with start() as run:
        steplog.save("out/a.txt")
        found = steplog.restore("out/a.txt")
        assert found is not None
        with found:
            assert found.read() == "a"
        assert steplog.restore("none") is None
        for name in ("../run.json", "/etc/passwd", ""):
            with pytest.raises(steplog.UsageError, match="is no name of a file"):
                steplog.restore(name)
    assert logged(run) == [("out/a.txt", b"a")]


# ---- run.dir -----------------------------------------------------------------------------------


@pytest.fixture
def watched(start):
    """Starts runs that take what is written into `run.dir`."""
    return lambda: start(settings={"watch_files": True})


def test_files_written_into_the_folder_are_logged(watched, tmp_path, logged, *, capfd):
    (tmp_path / "secret").write_text("elsewhere")
    with watched() as run:
        folder = pathlib.Path(run.dir)
        (folder / "plots").mkdir()
        (folder / "plots" / "größe.bin").write_bytes(bytes(range(256)))
        (folder / ".hidden").write_text("x")
        (folder / "empty" / ".git").mkdir(parents=True)
        (folder / "empty" / ".git" / "config").write_text("x")
        (folder / "link").symlink_to(tmp_path / "secret")
        (folder / "out").symlink_to(tmp_path)
        os.mkfifo(folder / "pipe")
        (folder / "large").write_bytes(LARGE)
        (folder / "bad\nname").write_text("x")
        pathlib.Path(os.fsdecode(os.fsencode(run.dir) + b"/bad\xff")).write_text("x")
    assert dict(logged(run)) == {"plots/größe.bin": bytes(range(256)), "large": LARGE}
    assert capfd.readouterr().err.count("is not recorded: ") == 2
    # The file itself is what is kept, not a copy of it.
    assert (folder / "large").stat().st_nlink == 2


def test_they_appear_while_the_run_goes_on(watched, logged):
    with watched() as run:
        pathlib.Path(run.dir, "notes.txt").write_text("one")
        until(lambda: ("notes.txt", b"one") in logged(run))
        pathlib.Path(run.dir, "notes.txt").write_text("two")
        until(lambda: ("notes.txt", b"two") in logged(run))


def test_more_files_than_are_looked_at_are_told_of(watched, logged, capfd):
    with watched() as run:
        for number in range(1005):
            pathlib.Path(run.dir, f"{number:04}").write_text("x")
    assert len(logged(run)) == 1000
    assert "run.dir holds over 1,000 files" in capfd.readouterr().err


@pytest.mark.anyio
async def test_files_are_logged_without_blocking_the_loop(watched, logged):
    async with watched() as run:
        await anyio.Path(run.dir, "notes.txt").write_text("kept")
    assert logged(run) == [("notes.txt", b"kept")]


def test_without_the_setting_they_stay_where_they_are(start, logged):
    with start() as run:
        pathlib.Path(run.dir, "notes.txt").write_text("x")
        run.save(run.dir + "/notes.txt")
        pathlib.Path(run.dir, "others.txt").write_text("x")
    assert logged(run) == [("notes.txt", b"x")]


KILLED = """
import os, pathlib, signal, steplog, sys, time
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"watch_files": True})
pathlib.Path("large").write_bytes(bytes(3 << 20))
run.save("large", policy="now")
pathlib.Path(run.dir, "notes.txt").write_text("x")
while not list(pathlib.Path(run.sync_dir, "wal").glob("*/blobs/[0-9a-f]*")):
    time.sleep(0.01)
log = next(pathlib.Path(run.sync_dir).rglob("*.wal"))
while b"notes.txt" not in log.read_bytes():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_taken_survives_a_kill(tmp_path, records_of):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=tmp_path)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    kinds = {record[2]: record[0] for record in records_of(folder) if record[0] in {FILE, BLOB}}
    assert kinds["notes.txt"] == FILE
    assert kinds.get("large", BLOB) == BLOB


def test_a_file_that_is_written_into_meanwhile_is_no_mixture(
    start, tmp_path, logged, *, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "changing.bin"
    path.write_bytes(b"a" * 3 * MIB)
    original, changes = os.pread, iter([b"b", b"c"])

    def read_and_change(*arguments):
        data = original(*arguments)
        if arguments[2] == MIB:  # in the middle of it
            for byte in changes:
                with path.open("r+b") as file:
                    file.write(byte * 3 * MIB)
                break
        return data

    monkeypatch.setattr(os, "pread", read_and_change)
    with start() as run:
        run.save("changing.bin", policy="now")
    assert logged(run) == [("changing.bin", b"c" * 3 * MIB)]
