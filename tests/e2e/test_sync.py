"""What other processes and damage have left reaches the server all the same."""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
from typing import Any

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


DYING = """
import steplog
run = steplog.init(project="p", id="r")
run.log({"a": 1})
try:
    1 / 0
finally:
    run.finish()
"""


def test_the_server_is_told_of_a_program_that_dies_behind_its_finish(server, tmp_path):
    with server.python(tmp_path, DYING) as child:
        assert child.wait(30) == 1
    found = server.get("/projects/local/p/runs/r")
    assert (found["state"], found["exit_code"]) == ("failed", 1)
    assert [row["a"] for row in server.rows("r")] == [1]


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


def test_what_was_left_out_is_sent_with_all_else_when_it_is_back(server, tmp_path, three_files):
    run, second = three_files
    all_records, away = records_of(run), tmp_path / "away"
    second.rename(away)
    left_out = all_records - records_of(run)
    assert server.cli("sync", "--partial", run.sync_dir).returncode == 0
    away.rename(second)
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"], said["records_already"]) == (0, all_records, 0)
    assert f"{left_out:,} records of {second.parent} are not there" in done.stderr
    assert_exact(server)
    assert listed(server, run) == (True, False)
    assert sync_json(server, run)[1]["records_already"] == all_records
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
    # It is there again, but not all of the log is.
    second.write_bytes(kept[second])
    flip(third)
    done, said = sync_json(server, run)
    assert done.returncode == 1
    assert said["error"].startswith(f"{ROWS - rows - 1:,} records of {second.parent} are not there")
    third.write_bytes(kept[third])
    assert sync_json(server, run)[0].returncode == 0
    assert_exact(server)


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
    assert (done.returncode, said["records_sent"]) == (0, all_records)
    assert_exact(server)


def zero(file, begin, end):
    with file.open("r+b") as opened:
        opened.seek(begin)
        opened.write(bytes(end - begin))


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda file: zero(file, 65_536, 131_072),
        lambda file: zero(file, 65_536, 66_000),
        lambda file: zero(file, 120_000, 120_008),
    ],
    ids=["a flipped byte", "a page of zeros", "few zeros", "a length"],
)
def test_what_could_not_be_read_is_sent_when_it_can_be(server, three_files, damage):
    """As of a folder that was copied while the run wrote into it."""
    run, _ = three_files
    (log,) = (pathlib.Path(run.sync_dir) / "wal").iterdir()
    last, all_records = log / "00000003.wal", records_of(run)
    kept = last.read_bytes()
    damage(last)
    there = records_of(run)
    assert there < all_records
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (0, there)
    assert (sync_json(server, run)[1]["records_already"], len(server.rows("r"))) == (
        there,
        ROWS - all_records + there,
    )
    last.write_bytes(kept)
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"], said["records_already"]) == (0, all_records, 0)
    assert_exact(server)
    assert listed(server, run) == (True, False)


def test_zeros_between_records_are_damage(server, three_files):
    run, _ = three_files
    (log,) = (pathlib.Path(run.sync_dir) / "wal").iterdir()
    last = log / "00000003.wal"
    records, data = records_of(run), last.read_bytes()
    # Whole frames: nothing of a record is left to stumble over.
    starts = [256]
    while len(starts) < 30:
        length = int.from_bytes(data[starts[-1] : starts[-1] + 4], "little")
        starts.append(starts[-1] + 8 + -(-length // 8) * 8)
    begin, end = starts[5], starts[25]
    zero(last, begin, end)
    done = server.cli("verify", run.sync_dir)
    assert (done.returncode, records_of(run)) == (1, records - 20)
    assert f"{end - begin} bytes without a record" in done.stdout + done.stderr


def test_a_log_that_was_to_be_taken_anew_is_after_a_crash_as_well(server, three_files):
    run, _ = three_files
    all_records = records_of(run)
    assert server.cli("sync", run.sync_dir).returncode == 0
    server.stop()
    # As if it had been killed before it had forgotten what it has of the writer.
    with contextlib.closing(sqlite3.connect(server.folder / "data" / "meta.db")) as meta, meta:
        meta.execute("UPDATE writers SET is_stale = 1")
    server.start()
    assert server.get(f"/projects/local/p/runs/r/writers/{writer_of(run)}")["acknowledged"] == 0
    done, said = sync_json(server, run)
    assert (done.returncode, said["records_sent"]) == (0, all_records)
    assert_exact(server)


def test_a_log_is_forgotten_only_while_nobody_uploads_it(server, online):
    with online("r") as run:
        run.log({"a": 1})
        writer = run._own_writer()
        assert writer.wait("server", writer.status()["last"], 10)
        path = f"/api/v1/projects/local/p/runs/r/writers/{writer_of(run)}/records"
        status, headers, _ = server.ask(path, method="DELETE")
        assert (status, headers["Retry-After"] is not None) == (423, True)
        missing = path.replace(writer_of(run), "nobody00")
        assert server.ask(missing, method="DELETE")[0] == 404
    assert server.ask(path, method="DELETE")[0] == 204
    assert (server.rows("r"), server.get("/projects/local/p/runs/r")["records"]) == ([], 0)
    assert server.get("/projects/local/p/runs/r/keys")["keys"] == []
    done, _ = sync_json(server, run)
    assert (done.returncode, [row["a"] for row in server.rows("r")]) == (0, [1])


def test_a_run_began_when_its_first_attempt_did(server, tmp_path):
    """Whichever of them comes first."""

    def attempt(resume: str) -> str:
        with steplog.init(
            project="p", id="r", dir=str(tmp_path), mode="offline", resume=resume
        ) as run:
            run.log({"a": 1})
        return run.sync_dir

    folder = attempt("never")
    assert attempt("must") == folder
    logs: list[dict[str, Any]] = RunLog(folder).writers()
    starts = {log["writer"]: log["start"]["wall_nanos"] for log in logs}
    first, second = sorted(starts, key=starts.__getitem__)
    wal, away = pathlib.Path(folder) / "wal", tmp_path / "away"
    (wal / first).rename(away)
    assert server.cli("sync", folder).returncode == 0
    assert server.get("/projects/local/p/runs/r")["created"] == pytest.approx(
        starts[second] / 1e9, abs=1e-5
    )
    away.rename(wal / first)
    assert server.cli("sync", folder).returncode == 0
    assert server.get("/projects/local/p/runs/r")["created"] == pytest.approx(
        starts[first] / 1e9, abs=1e-5
    )


ATTEMPT = """
import os, signal, sys, steplog
number = int(sys.argv[1])
run = steplog.init(project="p", id="r", mode="offline", resume="allow")
run.config.update({"attempt": number}, allow_val_change=True)
run.notes = f"attempt {number}"
run.log({"a": number})
if number < 3:
    os.kill(os.getpid(), signal.SIGKILL)
run.finish()
"""


@pytest.fixture
def attempts(server, tmp_path):
    """The folder of a run of four attempts, each killed but for the last, and the logs in order."""
    for number in range(4):
        with server.python(tmp_path, ATTEMPT, number) as child:
            child.wait(30)
    (folder,) = (tmp_path / "steplog-runs").glob("*-r")
    logs: list[dict[str, Any]] = RunLog(str(folder)).writers()
    logs.sort(key=lambda log: log["start"]["generation"])
    return folder, [folder / "wal" / log["writer"] / "00000001.wal" for log in logs]


def assert_latest(server):
    found = server.get("/projects/local/p/runs/r")
    assert [row["a"] for row in server.rows("r")] == list(range(4))
    said = (found["state"], found["config"]["attempt"], found["notes"], found["summary"]["a"])
    assert said == ("finished", 3, "attempt 3", 3)
    one = [(log["label"], log["generation"]) for log in found["writers"]]
    assert sorted(one) == [("", number) for number in range(4)]


def spoil(file, text):
    """Change a byte of a record that holds this text; returns what the file was before."""
    data = file.read_bytes()
    at = data.index(text)
    file.write_bytes(data[:at] + b"?" + data[at + 1 :])
    return data


def test_what_the_latest_attempt_says_of_a_run_counts(server, attempts):
    """In whatever order the names of their logs are, and when one is sent once more."""
    folder, files = attempts
    kept = spoil(files[0], b"attempt 0")
    assert server.cli("sync", str(folder)).returncode == 0
    assert_latest(server)
    files[0].write_bytes(kept)
    done = server.cli("sync", str(folder))
    assert (done.returncode, "1 record of" in done.stderr) == (0, True)
    assert_latest(server)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_attempt_whose_start_can_be_read_later_is_what_it_says(server, attempts, number):
    folder, files = attempts
    kept = spoil(files[number], b"wall_nanos")
    for _ in range(2):
        done, said = sync_folder(server, folder)
        assert (done.returncode, said["error"]) == (0, None)
    files[number].write_bytes(kept)
    done, _ = sync_folder(server, folder)
    assert (done.returncode, "1 record of" in done.stderr) == (0, True)
    assert_latest(server)
    assert sync_folder(server, folder)[1]["records_sent"] == 0


def writer_of(run):
    return RunLog(run.sync_dir).writers()[0]["writer"]


def assert_exact(server):
    """The server has every row of `three_files`, once, and counts them once."""
    assert [row["a"] for row in server.rows("r")] == list(range(ROWS))
    found = server.get("/projects/local/p/runs/r/keys")["keys"]
    assert {one["name"]: one["n"] for one in found} == {"a": ROWS, "b": ROWS}


def sync_json(server, run, *options):
    """How `steplog sync` ends, and what it says of a run."""
    return sync_folder(server, run.sync_dir, *options)


def sync_folder(server, folder, *options):
    done = server.cli("sync", "--json", *options, str(folder))
    return done, json.loads(done.stdout)


def records_of(run):
    return RunLog(run.sync_dir).writers()[0]["records"]


def listed(server, run):
    """What `steplog ls` says of whether a run is synced, and whether in part."""
    (entry,) = map(json.loads, server.cli("ls", "--json", run.sync_dir).stdout.splitlines())
    return entry["synced"], entry["synced_in_part"]
