"""Files that a program saves: to the server and back, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import pytest

import steplog

MIB = 1 << 20
BLOB = 13


def content(seed, size):
    return random.Random(seed).randbytes(size)


def files_at(server, run="r"):
    """What the server has of a run, by name; None for what has not come."""
    listed = server.get(f"/projects/local/p/runs/{run}/files")["files"]
    found = {}
    for file in listed:
        if file["name"] in {"summary.json", "config.yaml"}:
            continue
        base = f"/api/v1/projects/local/p/runs/{run}/files/{file['name']}"
        status, _, body = server.ask(f"{base}?writer={file['writer']}")
        found[file["name"]] = body if status == 200 else None
        assert (status == 200) == (file["state"] == "stored")
    return found


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder with large files, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    made = {"a.bin": content(1, 3 * MIB), "b.bin": content(2, 5 * MIB + 1), "small.txt": b"x"}
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    return made


def test_files_of_any_size_come_to_the_server_and_back(server, online, large, *, tmp_path):
    with online("r") as run:
        run.log({"a": 1})
        run.save("*.bin", policy="now")
        run.save("small.txt")
        run.finish()
        assert run.status()["files_waiting"] == 0
    assert files_at(server) == large
    with steplog.Api(server.url, server.key) as api:
        for file in api.run("p/r").files():
            if file.name in large:
                path = file.download(tmp_path / "copy")
                assert path.read_bytes() == large[file.name]
                assert file.sha256 == hashlib.sha256(large[file.name]).hexdigest()


def test_an_offline_run_is_synced_with_its_files(server, large):
    with steplog.init(project="p", id="r", mode="offline") as run:
        run.save("*.bin", policy="now")
    report = server.cli("sync", run.sync_dir, "--json")
    assert (report.returncode, json.loads(report.stdout)["state"]) == (0, "synced")
    assert files_at(server) == {name: large[name] for name in ("a.bin", "b.bin")}
    # The folder is all that there is to it: copied elsewhere, another run of it is the same.
    assert server.cli("sync", run.sync_dir).returncode == 0


def test_a_content_that_was_changed_is_not_sent_and_told(server, large):
    with steplog.init(project="p", id="r", mode="offline") as run:
        run.save("*.bin", policy="now")
    (kept,) = (
        path
        for path in pathlib.Path(run.sync_dir, "wal").glob("*/blobs/*")
        if path.stat().st_size == 3 * MIB
    )
    with kept.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"changed")
    report = server.cli("sync", run.sync_dir)
    assert report.returncode == 1
    assert "1 large file did not come: not as they were recorded in" in report.stderr
    assert files_at(server) == {"a.bin": None, "b.bin": large["b.bin"]}
    kept.unlink()
    assert server.cli("sync", run.sync_dir).returncode == 1
    kept.write_bytes(large["a.bin"])
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert files_at(server)["a.bin"] == large["a.bin"]


def test_what_does_not_come_in_time_is_told_and_synced(server, online, large, *, capfd):
    server.kill()
    with online("r", settings={"finish_timeout_secs": 1.0}) as run:
        run.save("*.bin", policy="now")
        run.save("small.txt")
    assert "not all at the server" in capfd.readouterr().err
    server.start()
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert files_at(server) == large


KILLED = """
import pathlib, random, sys, steplog
run = steplog.init(project="p", id="r")
for number in range(5):
    data = random.Random(number).randbytes(3 << 20)
    pathlib.Path(f"{number}.bin").write_bytes(data)
    run.save(f"{number}.bin", policy="now")
    run.log({"number": number})
    print(number, flush=True)
run.finish(timeout_secs=60)
print("done", flush=True)
"""


@pytest.mark.parametrize("kills", range(3))
def test_a_server_killed_on_the_way_has_every_file_in_the_end(server, tmp_path, kills):
    with server.python(tmp_path, KILLED) as child:
        for _ in range(kills):
            assert child.stdout.readline()
            server.kill()
            server.start()
        assert child.stdout.read().endswith("done\n")
        assert child.wait() == 0
    # A server that was not there at the end is not waited for.
    assert server.cli("sync", str(tmp_path / "steplog-runs")).returncode == 0
    assert files_at(server) == {f"{n}.bin": content(n, 3 * MIB) for n in range(5)}
    assert [row["number"] for row in server.rows("r")] == list(range(5))


def test_a_killed_program_loses_no_file_that_was_taken(server, tmp_path, records_of):
    child = server.python(tmp_path, KILLED)
    for _ in range(5):
        assert child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    server.cli("sync", str(folder))
    found = files_at(server)
    # What was still being copied is not there.
    taken = [record[2] for record in records_of(folder) if record[0] == BLOB]
    assert taken
    assert found == {name: content(int(name[0]), 3 * MIB) for name in taken}


LEFT = """
import os, pathlib, signal, steplog, sys
run = steplog.init(project="p", id="r", mode=sys.argv[1], settings={"silent": True})
pathlib.Path("large.bin").write_bytes(b"x" * (50 << 20))
run.save("large.bin", policy="now")
os.remove("large.bin")
pathlib.Path("end.txt").write_text("begun")
run.save("end.txt", policy="end")
pathlib.Path("end.txt").write_text("ended")
pathlib.Path(run.dir, "own.txt").write_text("own")
pathlib.Path(run.dir, "own.bin").write_bytes(b"y" * (2 << 20))
run.log({"a": 1})
exec(sys.argv[2])
"""


@pytest.mark.parametrize("mode", ["online", "offline"])
@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGTERM)", "os.kill(os.getpid(), 9)", "os._exit(3)"]
)
def test_what_a_killed_program_has_left_is_taken_by_sync(server, tmp_path, mode, *, end):
    server.python(tmp_path, LEFT, mode, end).communicate()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    for _ in range(2):
        done = server.cli("sync", str(folder))
        assert done.returncode == 0, done.stderr
    assert files_at(server) == {
        "large.bin": b"x" * (50 << 20),
        "end.txt": b"ended",
        "own.txt": b"own",
        "own.bin": b"y" * (2 << 20),
    }
    run = server.get("/projects/local/p/runs/r")
    assert run["duration"] < 60
    assert len(server.rows("r")) == 1


CONFIGURED = """
import os, pathlib, steplog, sys, time
import numpy as np
config = {"lr": 0.1, "layers": (1, 2), "name": "ü", "seed": np.int64(7), "none": None}
run = steplog.init(project="p", id="r", mode="offline", config=config, settings={"silent": True})
run.log({"a": 1})
run.config.later = {"b": [1.5, True]}
path = pathlib.Path(run.dir, "config.yaml")
while "later" not in path.read_text("utf-8"):
    time.sleep(0.01)
for name in sys.argv[1:]:
    pathlib.Path(run.dir, name).write_text("mine")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("own", [[], ["config.yaml", "summary.json"]])
def test_a_killed_run_has_its_own_config_and_not_the_programs(server, tmp_path, own):
    server.python(tmp_path, CONFIGURED, *own).communicate()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    written = (folder / "files" / "config.yaml").read_text("utf-8")
    for _ in range(2):
        done = server.cli("sync", str(folder))
        assert done.returncode == 0, done.stderr
    with steplog.Api(server.url, server.key) as api:
        files = api.run("p/r").files(all_writers=True)
        (config,) = (file.read().decode() for file in files)
    assert "lr:" in config
    assert ("later:" in config) is (not own)
    if not own:
        assert config == written


WRITTEN_INTO = """
import os, pathlib, steplog, sys, time
settings = {"silent": True, "watch_files": True}
run = steplog.init(project="p", id="r", mode=sys.argv[1], settings=settings)
own = pathlib.Path(run.dir, "own.bin")
own.write_bytes(b"1" * (2 << 20))
pathlib.Path("saved.bin").write_bytes(b"2" * (3 << 20))
(saved,) = run.save("saved.bin", policy="now")
while len(list(pathlib.Path(run.sync_dir).glob("wal/*/blobs/[0-9a-f]*"))) < 2:
    time.sleep(0.05)
for path in (own, saved):
    with open(path, "r+b") as file:
        file.write(b"new")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_large_file_written_into_before_a_kill_comes_as_it_is(server, tmp_path, mode):
    server.python(tmp_path, WRITTEN_INTO, mode).communicate()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    for _ in range(2):
        done = server.cli("sync", str(folder))
        assert done.returncode == 0, done.stderr
    assert files_at(server) == {
        "own.bin": b"new" + b"1" * ((2 << 20) - 3),
        "saved.bin": b"new" + b"2" * ((3 << 20) - 3),
    }


def test_pipes_and_devices_that_a_killed_program_has_left_are_let_alone(server, tmp_path):
    program = (
        "import os, steplog\n"
        "run = steplog.init(project='p', id='r', mode='offline', settings={'silent': True})\n"
        "os.mkfifo(run.dir + '/pipe')\n"
        "open(run.dir + '/text', 'w').write('x')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    server.python(tmp_path, program).communicate()
    done = server.cli("sync", str(tmp_path / "steplog-runs"))
    assert done.returncode == 0, done.stderr
    assert files_at(server) == {"text": b"x"}


def test_of_a_copy_no_files_are_taken(server, tmp_path):
    """Its original may still be written: then it would have other records at their places."""
    server.python(tmp_path, LEFT, "offline", "os.kill(os.getpid(), 9)").communicate()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    shutil.copytree(folder, tmp_path / "copy")
    assert server.cli("sync", str(tmp_path / "copy")).returncode == 0
    assert "own.txt" not in files_at(server)


def test_rows_do_not_wait_for_files(server, online, tmp_path, *, monkeypatch):
    """The server takes the parts of a file while rows of later steps come."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "huge.bin").write_bytes(content(7, 64 * MIB))
    with online("r") as run:
        run.save("huge.bin", policy="now")
        for step in range(200):
            run.log({"step": step})
        run.flush()
    assert len(server.rows("r")) == 200
    assert files_at(server) == {"huge.bin": content(7, 64 * MIB)}


@pytest.mark.usefixtures("large")
def test_restore_reads_a_file_of_another_run(server, online, tmp_path):
    with online("r") as run:
        run.save("small.txt")
    (tmp_path / "small.txt").unlink()
    with online("other") as other:
        with other.restore("small.txt", "p/r") as file:
            assert (file.read(), file.name) == ("x", str(pathlib.Path(other.dir, "small.txt")))
        assert other.restore("none", "p/r") is None
        assert other.restore("small.txt", "p/none", replace=True) is None
    code = "import steplog; print(steplog.restore('small.txt', 'p/r', root='back').read())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=server.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "x\n"
    assert (tmp_path / "back" / "small.txt").read_text() == "x"
