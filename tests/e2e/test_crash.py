"""What SIGKILL takes: nothing that `log` had accepted or the server had acknowledged."""

from __future__ import annotations

import json
import random

import pytest

import steplog


def expected(step):
    return {"a": step, "b": step / 7, "n.x": float(step % 10), "_step": step}


def check_rows(rows, said):
    """The rows whose call had returned, and at most the one in flight."""
    assert len(rows) in {said, said + 1}
    for step, row in enumerate(rows):
        row.pop("_timestamp")
        row.pop("_runtime")
        assert row == expected(step)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_killed_child_leaves_exactly_what_it_logged(server, tmp_path, mode):
    chance = random.Random(mode)
    for number in range(30):
        steps = 1000
        child = server.child(tmp_path, f"{mode}-{number}", mode=mode, steps=10**9)
        folder = child.stdout.readline().strip()
        said = 0
        stop_at = chance.randrange(1, steps)
        for _ in range(stop_at):
            said = int(child.stdout.readline()) + 1
        child.kill()
        # What it said before it died counts, too.
        rest = child.communicate()[0].split("\n")
        said += sum(1 for line in rest[:-1] if line)
        assert child.returncode == -9
        done = server.cli("sync", folder, "--json")
        assert done.returncode == 0, done.stderr
        first = server.rows(f"{mode}-{number}")
        done = server.cli("sync", folder, "--json")
        again = json.loads(done.stdout)
        assert (again["records_sent"], again["error"]) == (0, None)
        assert server.rows(f"{mode}-{number}") == first
        check_rows(first, said)
        assert server.get(f"/projects/local/p/runs/{mode}-{number}")["state"] == "crashed"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_child_that_dies_at_its_last_call_has_logged_it(server, tmp_path, mode):
    chance = random.Random(mode)
    steps = {
        f"{mode}-{number}": chance.choice([1, 2, 50, 400, 999, 20_000]) for number in range(30)
    }
    for run, count in steps.items():
        # At once, or after the server has been met.
        wait_secs = chance.choice([0.0, 0.1])
        child = server.dying_child(tmp_path, run, mode=mode, steps=count, wait_secs=wait_secs)
        child.communicate()
        assert child.returncode == -9

    def sync():
        done = server.cli("sync", str(tmp_path / "steplog-runs"), "--json")
        assert done.returncode == 0, done.stderr
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        return {report["run"]: report["records_sent"] for report in reports}

    assert set(sync()) == set(steps)
    assert sync() == dict.fromkeys(steps, 0)
    for run, count in steps.items():
        rows = server.rows(run)
        assert len(rows) == count
        check_rows(rows, count)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_killed_server_loses_and_doubles_nothing(server, tmp_path):
    chance = random.Random(7)
    child = server.child(tmp_path, "r", mode="online", steps=150_000)
    folder = child.stdout.readline().strip()
    for _ in range(6):
        for _ in range(chance.randrange(5_000, 20_000)):
            child.stdout.readline()
        server.kill()
        server.start()
    child.communicate()
    assert child.returncode == 0
    done = server.cli("sync", folder)
    assert done.returncode == 0, done.stderr
    check_rows(server.rows("r"), 150_000)
    keys = {key["name"]: key["n"] for key in server.get("/projects/local/p/runs/r/keys")["keys"]}
    assert keys == {"a": 150_000, "b": 150_000, "n.x": 150_000}


def test_a_stopped_server_has_what_it_acknowledged(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    settings = {"base_url": server.url, "quiet": True}
    with steplog.init(project="p", dir=str(tmp_path), id="r", settings=settings) as run:
        run.log({"a": 1})
        run.log({"a": 2})
        run.log({"b": 3}, step=1)
    assert server.stop() == (0, "")
    server.start()
    assert [row["a"] for row in server.rows("r")] == [1, 2]
    assert server.get("/projects/local/p/runs/r")["state"] == "finished"
