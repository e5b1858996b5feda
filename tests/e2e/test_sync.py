"""What other processes and damage have left reaches the server all the same."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest

import steplog
from steplog._core import RunLog

FORKING = """
import os, sys, steplog
run = steplog.init(project="p", id="r")
run.log({"parent": 1})
for number in range(2):
    pid = os.fork()
    if pid == 0:
        for step in range(100):
            run.log({"child": step})
        os._exit(0)
    os.waitpid(pid, 0)
run.finish()
"""


ROWS = 10_000
GROWING = """
import time, steplog
run = steplog.init(project="p", id="second", mode="offline", settings={"fsync_secs": 0.1})
while True:
    run.log({"a": 1})
    time.sleep(0.01)
"""


def test_a_parent_sends_what_its_children_left(server, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=server.environ,
    )
    assert "run r: 201 rows at http://" in done.stderr
    rows = server.rows("r")
    assert len(rows) == 201
    assert sum("child" in row for row in rows) == 200
    listed = server.cli("ls", "--json", str(tmp_path / "steplog-runs"))
    entry = json.loads(listed.stdout)
    # How a child ends, here without an exit record, is its parent's affair.
    assert (entry["synced"], entry["state"], entry["exit_code"]) == (True, "finished", 0)
    assert server.get("/projects/local/p/runs/r")["state"] == "finished"


def test_a_damaged_first_record_is_made_good_from_the_folder(server, tmp_path):
    child = server.child(tmp_path, "r", mode="offline", steps=200)
    folder = pathlib.Path(child.stdout.readline().strip())
    child.communicate()
    (segment,) = folder.glob("wal/*/*.wal")
    damaged = bytearray(segment.read_bytes())
    damaged[276] ^= 1
    segment.write_bytes(damaged)
    for _ in range(2):
        done = server.cli("sync", str(folder))
        assert done.returncode == 0, done.stderr
        assert "damage in the log" in done.stderr
        assert [row["a"] for row in server.rows("r")] == list(range(200))
    found = server.get("/projects/local/p/runs/r")
    assert (found["name"], found["state"]) == ("r", "finished")


@pytest.mark.parametrize(
    "end",
    [
        ("", "SIGTERM", "running", "killed", -15),
        ("run.mark_preempting()", "SIGKILL", "preempting", "preempted", None),
    ],
)
def test_the_server_tells_killed_and_preempted_runs(server, tmp_path, end):
    marks, signal, *states = end
    code = f"""
import os, signal, sys, steplog
run = steplog.init(project="p", id="r")
run.log({{"a": 1}})
{marks}
import asyncio
asyncio.run(run.alog({{"a": 2}}, ack="server"))
print("there", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.{signal})
"""
    child = server.python(tmp_path, code, stdin=subprocess.PIPE)
    assert child.stdout.readline() == "there\n"
    before = server.get("/projects/local/p/runs/r")["state"]
    child.communicate()
    assert server.cli("sync", str(tmp_path / "steplog-runs")).returncode == 0
    found = server.get("/projects/local/p/runs/r")
    assert [before, found["state"], found["exit_code"]] == states


def test_watch_sends_what_appears_until_ctrl_c(server, tmp_path):
    runs = tmp_path / "steplog-runs"
    command = [sys.executable, "-m", "steplog._cli", "sync", "--watch", "--json", str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=server.environ) as watch:
        try:
            assert watch.stdout is not None
            child = server.child(tmp_path, "first", mode="offline", steps=50)
            child.communicate()
            sent = 0
            while sent < 52:  # it may be seen before it is complete
                report = json.loads(watch.stdout.readline())
                assert (report["run"], report["error"]) == ("first", None)
                sent += report["records_sent"]
            child = server.python(tmp_path, GROWING)
            reports = [json.loads(watch.stdout.readline()) for _ in range(3)]
            child.kill()
            child.communicate()
            assert [report["run"] for report in reports] == ["second"] * 3
            watch.send_signal(signal.SIGINT)
            watch.communicate()
        finally:
            watch.kill()
    assert watch.returncode == 130
    assert len(server.rows("first")) == 50
    assert len(server.rows("second")) > 0


def test_a_log_that_another_process_uploads_is_not_uploaded_twice(server, tmp_path):
    child = server.child(tmp_path, "r", mode="offline", steps=20)
    folder = pathlib.Path(child.stdout.readline().strip())
    child.communicate()
    (writer,) = folder.glob("wal/*")
    path = f"/api/v1/projects/local/p/runs/r/writers/{writer.name}"
    headers = {
        "Steplog-Protocol": "1",
        "Content-Type": "application/msgpack",
        "Content-Encoding": "zstd",
    }
    other = headers | {"Steplog-Uploader": "another host;sync;1"}
    assert server.ask(f"{path}/records?after=0", b"x", headers=other)[0] == 400
    done = server.cli("sync", str(folder), "--timeout-secs", "1")
    assert done.returncode == 1
    assert "another process is uploading this log" in done.stderr
    mine = headers | {"Steplog-Uploader": "host;live;1"}
    status, said, data = server.ask(f"{path}/records?after=0", b"x", headers=mine)
    assert (status, said["Retry-After"]) == (423, "2")
    assert json.loads(data)["acknowledged"] == 0
    # Who asks how far it has come, and who says nothing of himself, are let in.
    assert server.ask(path, headers=mine)[0] == 200
    assert server.ask(f"{path}/records?after=0", b"x", headers=headers)[0] == 400


def test_a_live_run_is_synced_again_and_again_without_waiting(server, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", GROWING], cwd=tmp_path, env=server.environ, stderr=subprocess.DEVNULL
    )
    try:
        while not list((tmp_path / "steplog-runs").glob("2*/wal/*/00000001.wal")):
            assert child.poll() is None
        (folder,) = (tmp_path / "steplog-runs").glob("2*")
        for _ in range(3):
            done = server.cli("sync", str(folder), "--timeout-secs", "5")
            assert (done.returncode, done.stderr) == (0, "")
    finally:
        child.kill()
        child.wait()
    done = server.cli("sync", str(folder), "--timeout-secs", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.get("/projects/local/p/runs/second")["state"] == "crashed"


def test_a_log_file_that_is_missing_is_waited_for(server, tmp_path):
    with steplog.init(
        project="p", id="r", dir=str(tmp_path), mode="offline", settings={"quiet": True}
    ) as run:
        for number in range(120_000):
            run.log({"a": number})
    (log,) = (pathlib.Path(run.sync_dir) / "wal").iterdir()
    second, away = log / "00000002.wal", tmp_path / "away"
    second.rename(away)
    done = server.cli("sync", "--json", run.sync_dir)
    said = json.loads(done.stdout)
    assert (done.returncode, said["records_sent"]) == (1, 0)
    assert "00000002.wal is missing: put it back" in said["error"]
    away.rename(second)
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert len(server.rows("r")) == 120_000


@pytest.fixture
def three_files(tmp_path):
    """An offline run whose log has three files."""
    with steplog.init(
        project="p", id="r", dir=str(tmp_path), mode="offline", settings={"quiet": True}
    ) as run:
        for number in range(ROWS):
            run.log({"a": number, "b": "b" * 400})
    (log,) = (pathlib.Path(run.sync_dir) / "wal").iterdir()
    assert len(list(log.glob("*.wal"))) == 3
    return run, log / "00000002.wal"


def test_what_is_left_of_a_log_is_sent_when_that_is_asked_for(server, tmp_path, three_files):
    run, second = three_files
    second.unlink()
    done, said = sync_json(server, run, "--partial")
    assert (done.returncode, said["state"], said["records_sent"]) == (0, "synced", records_of(run))
    assert [row["a"] for row in server.rows("r")] == [
        row["a"] for row in RunLog(run.sync_dir).rows()
    ]
    assert listed(server, run) == (False, True)
    assert "in part" in server.cli("ls", str(tmp_path)).stdout
    # Everything that can be read is there.
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (1, 0)
    assert said["records_already"] == records_of(run)
    assert said["error"] == f"{second} is missing and was left out by --partial; all else is there"
    assert sync_json(server, run, "--partial")[0].returncode == 0


def test_what_was_left_out_is_not_said_to_be_there_when_it_is_back(server, tmp_path, three_files):
    run, second = three_files
    all_records, away = records_of(run), tmp_path / "away"
    second.rename(away)
    left_out = all_records - records_of(run)
    assert server.cli("sync", "--partial", run.sync_dir).returncode == 0
    away.rename(second)
    for options in ([], ["--partial"]):
        done, said = sync_json(server, run, *options)
        assert (done.returncode, said["state"]) == (1, "failed")
        assert (said["records_sent"], said["records_already"]) == (0, all_records - left_out)
        assert said["error"] == (
            f"{left_out:,} records of {second} were left out by --partial "
            "and cannot be sent to this server any more"
        )
    assert listed(server, run) == (False, True)
    # A server that has the run no more is given all of it.
    assert server.ask("/api/v1/projects/local/p/runs/r", method="DELETE")[0] == 204
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (0, all_records)
    assert listed(server, run) == (True, False)
    # And one that has all of it misses nothing when a file is gone later.
    second.unlink()
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"], said["records_already"]) == (
        0,
        0,
        records_of(run),
    )
    assert listed(server, run) == (True, False)


def test_a_log_file_that_was_sent_in_part_is_counted_from_there(server, three_files):
    run, second = three_files
    third = second.with_name("00000003.wal")
    kept = {file: file.read_bytes() for file in (second, third)}
    # As if the upload had broken off within the second file.
    third.unlink()
    second.write_bytes(kept[second][:200_000])
    assert server.cli("sync", run.sync_dir).returncode == 0
    there = len(server.rows("r"))
    second.unlink()
    third.write_bytes(kept[third])
    assert server.cli("sync", "--partial", run.sync_dir).returncode == 0
    rows = len(server.rows("r"))
    assert there < rows < ROWS
    second.write_bytes(kept[second])
    done, said = sync_json(server, run)
    assert done.returncode == 1
    assert said["error"].startswith(f"{ROWS - rows:,} records of {second} were left out")


@pytest.mark.parametrize("size_bytes", [0, 256, 200_000, None])
def test_a_log_file_that_is_not_whole_yet_is_waited_for(server, three_files, size_bytes):
    """As of a folder that is being copied; None: zeros in the place of all of it."""
    run, second = three_files
    all_records, whole = records_of(run), second.read_bytes()
    second.write_bytes(bytes(len(whole)) if size_bytes is None else whole[:size_bytes])
    assert server.cli("verify", run.sync_dir).returncode == 1
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (1, 0)
    wanted = f"{second} is incomplete: put it back, or send the rest with --partial"
    assert said["error"] == wanted
    second.write_bytes(whole)
    assert server.cli("verify", run.sync_dir).returncode == 0
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (0, all_records)
    assert len(server.rows("r")) == ROWS


def test_the_rest_of_a_log_file_that_was_not_whole_is_counted(server, three_files):
    run, second = three_files
    all_records, whole = records_of(run), second.read_bytes()
    second.write_bytes(whole[:200_000])
    done, said = sync_json(server, run, "--partial")
    there = records_of(run)
    assert (done.returncode, said["records_sent"]) == (0, there)
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_already"]) == (1, there)
    assert said["error"] == f"{second} is incomplete, the rest of it was left out by --partial"
    second.write_bytes(whole)
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_already"]) == (1, there)
    assert said["error"].startswith(f"{all_records - there:,} records of {second} were left out")


def sync_json(server, run, *options):
    """How `steplog sync` ends, and what it says of a run."""
    done = server.cli("sync", "--json", *options, run.sync_dir)
    return done, json.loads(done.stdout)


def records_of(run):
    return RunLog(run.sync_dir).writers()[0]["records"]


def listed(server, run):
    """What `steplog ls` says of whether a run is synced, and whether in part."""
    (entry,) = map(json.loads, server.cli("ls", "--json", run.sync_dir).stdout.splitlines())
    return entry["synced"], entry["synced_in_part"]
