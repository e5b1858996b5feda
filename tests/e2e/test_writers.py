"""Several processes with one run id: none overwrites another, and the chart shows what rows say."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

import steplog
from steplog._core import RunLog

# Logs a range of steps at each word of its parent, and answers when the server has them.
CHILD = """
import asyncio, sys, steplog

async def main():
    async with steplog.init(project="p", id="shared", settings={"label": sys.argv[1]}) as run:
        print("ready", flush=True)
        for line in sys.stdin:
            first, last, value = map(int, line.split())
            for step in range(first, last):
                ack = "server" if step == last - 1 else "log"
                await run.alog({"y": value + step, "n": {"x": value}}, step=step, ack=ack)
            print("stored", flush=True)

asyncio.run(main())
"""


class Child:
    def __init__(self, server, folder, label=""):
        self.process = server.python(folder, CHILD, label, stdin=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def log(self, first, last, value):
        self.process.stdin.write(f"{first} {last} {value}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "stored\n"

    def finish(self):
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0


def drawn(server, **panel):
    """Each series of the chart, by its label: (step, value) pairs."""
    body = {"id": "1", "series": [{"metric": "y"}], "runs": {"ids": ["shared"]}, **panel}
    (chart,) = server.get("/projects/local/p/series:query", {"panels": [body]})["panels"]
    assert chart["mode"] == "raw"
    found: dict[str, Any] = {one["label"]: [] for one in chart["series"]}
    columns = chart["columns"]
    for number, x, y in zip(columns["s"], columns["x"], columns["y"], strict=True):
        found[chart["series"][number]["label"]].append((x, y))
    return found


def logged(server, run="shared"):
    """Each writer's rows, by its label: (step, value) pairs."""
    found: dict[str, Any] = {}
    for row in server.rows(run):
        found.setdefault(row.get("_label", ""), []).append((row["_step"], row["y"]))
    return found


@pytest.mark.parametrize("labels", [["", "2", "3"], ["a", "a-2", "a-3"]])
def test_writers_that_live_at_once_are_kept_apart(server, tmp_path, labels):
    children = []
    for number in range(3):
        children.append(Child(server, tmp_path, labels[0]))
        children[-1].log(0, 5, 100 * number)
    server.kill()
    server.start()
    for number, child in enumerate(children):
        child.log(5, 8, 100 * number)
        child.finish()
    wanted = {
        name: [(step, 100 * number + step) for step in range(8)]
        for number, name in enumerate(labels)
    }
    assert logged(server) == wanted
    assert drawn(server) == wanted
    assert server.get("/projects/local/p/runs/shared")["state"] == "finished"


def test_writers_that_join_a_living_one_in_turn_are_kept_apart(server, tmp_path):
    parent = Child(server, tmp_path)
    parent.log(0, 3, 0)
    for number in (1, 2, 3):
        child = Child(server, tmp_path)
        child.log(0, 5, 100 * number)
        child.finish()
    parent.log(3, 5, 0)
    parent.finish()
    wanted = {
        name: [(step, 100 * number + step) for step in range(5)]
        for number, name in enumerate(["", "2", "3", "4"])
    }
    assert logged(server) == drawn(server) == wanted


def test_a_writer_after_another_hides_nothing_of_it(server, tmp_path):
    for first, value in ((0, 0), (3, 100), (2, 200)):
        child = Child(server, tmp_path)
        child.log(first, first + 4, value)
        child.finish()
    wanted = {
        label: [(step, value + step) for step in range(first, first + 4)]
        for label, first, value in (("", 0, 0), ("2", 3, 100), ("3", 2, 200))
    }
    assert logged(server) == drawn(server) == wanted
    writers = server.get("/projects/local/p/runs/shared")["writers"]
    assert [(one["label"], one["generation"]) for one in writers] == [("", 0), ("2", 0), ("3", 0)]


def test_processes_that_are_synced_one_by_one_hide_nothing_of_each_other(server, tmp_path):
    folders = []
    for rank in range(3):
        with steplog.init(
            project="p",
            id="shared",
            dir=str(tmp_path / str(rank)),
            mode="offline",
            reinit="create_new",
            settings={"quiet": True},
        ) as run:
            run.log({"y": rank})
            folders.append(run.sync_dir)
    for folder in folders:
        assert server.cli("sync", folder).returncode == 0
    assert logged(server) == {"": [(0, 0)], "2": [(0, 1)], "3": [(0, 2)]}


@pytest.mark.parametrize(("ends", "state"), [((3, 0), "finished"), ((0, 3), "failed")])
def test_a_run_that_is_started_anew_ends_as_that_does(online, server, *, ends, state):
    for code in ends:
        with online("r") as run:
            run.log({"a": 1})
            run.finish(code)
    assert server.get("/projects/local/p/runs/r")["state"] == state


def test_of_processes_that_live_at_once_each_decides(online, server):
    with online("r", reinit="create_new"), online("r", reinit="create_new") as other:
        other.finish(3)
    assert server.get("/projects/local/p/runs/r")["state"] == "failed"


def test_of_ranks_the_first_that_went_wrong_explains_the_run(online, server):
    ranks = [
        online("r", reinit="create_new", settings={"label": f"rank{number}"}) for number in range(4)
    ]
    for number, rank in enumerate(ranks):
        rank.log({"y": number})
    ranks[2].finish(exit_code=3)
    for number, code in ((1, 7), (0, 0), (3, 0)):
        ranks[number].log({"y": 9})
        ranks[number].finish(exit_code=code)
    run = server.get("/projects/local/p/runs/r")
    assert (run["state"], run["first_bad"]["label"], run["first_bad"]["exit_code"]) == (
        *("failed", "rank2"),
        3,
    )
    assert run["first_bad"]["state"] == "failed"
    assert run["first_bad"]["updated"] <= run["updated"]
    with online("fine") as fine:
        fine.log({"y": 1})
    assert server.get("/projects/local/p/runs/fine")["first_bad"] is None


def test_of_a_killed_run_a_sync_says_that_all_of_it_is_there(server, tmp_path):
    server.dying_child(tmp_path, "r", mode="online", steps=50, wait_secs=0).communicate()
    assert server.cli("sync", str(tmp_path / "steplog-runs")).returncode == 0
    run = server.get("/projects/local/p/runs/r")
    assert (run["state"], [one["is_whole"] for one in run["writers"]]) == ("crashed", [True])


def test_whether_a_log_is_whole_is_not_known_before_its_end(server, online):
    with online("r") as run:
        run.log({"a": 1})
        run.flush()
        while server.ask("/api/v1/projects/local/p/runs/r")[0] != 200:
            pass
        (writer,) = server.get("/projects/local/p/runs/r")["writers"]
        assert writer["is_whole"] is False
    (writer,) = server.get("/projects/local/p/runs/r")["writers"]
    assert writer["is_whole"] is True


def test_a_run_goes_on_elsewhere_from_what_the_server_knows(online, server, tmp_path):
    with online("r", config={"lr": 0.1}, tags=["t"]) as run:
        run.define_metric("a", summary="max,mean")
        for number in range(10):
            run.log({"a": number})
    shutil.rmtree(run.sync_dir)
    with online("r", resume="must", settings={"dir": str(tmp_path / "other")}) as run:
        assert (run.starting_step, run.config.lr, run.tags) == (10, 0.1, ("t",))
        assert run.summary["a"].as_dict() == {"max": 9, "mean": 4.5}
        run.log({"a": 20})
        assert run.summary["a"].as_dict() == {"max": 20, "mean": 65 / 11}
    assert [row["_step"] for row in server.rows("r")] == list(range(11))
    found = server.get("/projects/local/p/runs/r")
    assert (found["state"], found["summary"]["a"]) == ("finished", {"max": 20, "mean": 65 / 11})
    places = [(writer["label"], writer["generation"]) for writer in found["writers"]]
    assert places == [("", 0), ("", 1)]


def test_whoever_goes_on_with_a_killed_run_takes_its_place_at_once(online, server, tmp_path):
    child = server.child(tmp_path, "r", mode="online", steps=10**9)
    child.stdout.readline()
    said = int(child.stdout.readline())
    while not server.get("/projects/local/p/runs:query", {})["ids"]:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    with online("r", resume="must") as run:
        assert run.starting_step > said
        run.log({"a": -1})
    found = server.get("/projects/local/p/runs/r")
    assert [writer["label"] for writer in found["writers"]] == ["", ""]
    assert found["state"] == "finished"
    steps = [row["_step"] for row in server.rows("r")]
    assert steps == list(range(run.starting_step + 1))


def test_going_on_without_the_server_needs_the_folder(online, server):
    with online("r") as run:
        run.log({"a": 1})
    server.stop()
    with online("r", resume="must", settings={"finish_timeout_secs": 1.0}) as again:
        assert (again.sync_dir, again.starting_step) == (run.sync_dir, 1)
    shutil.rmtree(run.sync_dir)
    with pytest.raises(steplog.ServerError):
        online("r", resume="must")


@pytest.mark.parametrize("is_here", [True, False])
def test_a_run_goes_on_behind_all_that_was_begun_anew(online, server, tmp_path, *, is_here):
    for count in (3, 8, 5):
        with online("r") as run:
            run.define_metric("a", summary="mean")
            for number in range(count):
                run.log({"a": number})
    if not is_here:
        shutil.rmtree(tmp_path / "steplog-runs")
    with online("r", resume="must") as run:
        assert run.starting_step == 8
        run.log({"a": 100})
        local = run.summary["a"].as_dict()
    found = server.get("/projects/local/p/runs/r")
    assert [writer["label"] for writer in found["writers"]] == ["", "2", "3", ""]
    assert len(server.rows("r")) == 3 + 8 + 5 + 1
    assert found["summary"]["a"] == local == {"mean": (3 + 28 + 10 + 100) / 17}


def attempt(folder, values, *, resume=None):
    """One offline process of the run; gives its log's folder."""
    with steplog.init(
        project="p",
        id="shared",
        dir=str(folder),
        mode="offline",
        reinit="create_new",
        resume=resume,
        settings={"quiet": True},
    ) as run:
        run.define_metric("y", summary="mean,max,min")
        for value in values:
            run.log({"y": value})
    return run.sync_dir


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
@pytest.mark.parametrize("is_other_first", [True, False])
def test_whatever_is_synced_first_nothing_is_hidden_and_the_summary_is_of_all(
    server, tmp_path, *, order, is_other_first
):
    values = [range(1000, 1003), range(2000, 2010), range(3000, 3012)]
    if is_other_first:
        folders = [attempt(tmp_path, one) for one in values[:2]]
        attempt(tmp_path, values[2], resume="must")
    else:
        folders = [attempt(tmp_path, values[0])]
        attempt(tmp_path, values[2], resume="must")
        folders.append(attempt(tmp_path, values[1]))
    for number in order:
        assert server.cli("sync", folders[number]).returncode == 0
    logged_values = [value for one in values for value in one]
    rows = server.rows("shared")
    assert sorted(row["y"] for row in rows) == sorted(logged_values)
    summary = server.get("/projects/local/p/runs/shared")["summary"]["y"]
    mean = sum(logged_values) / len(logged_values)
    assert summary == {"mean": pytest.approx(mean), "max": 3011, "min": 1000}


def test_a_process_goes_on_from_its_own_attempt_beside_others(server, online, tmp_path):
    with online("shared") as run:
        for number in range(10):
            run.log({"y": number})
    settings = {"base_url": server.url, "quiet": True}
    there = str(tmp_path / "other")
    with steplog.init(id="shared", project="p", dir=there, settings=settings) as run:
        for number in range(3):
            run.log({"y": 100 + number})
    folder = attempt(tmp_path / "other", [300], resume="must")
    assert server.cli("sync", folder).returncode == 0
    assert logged(server) == {
        "": [(number, number) for number in range(10)],
        "2": [(0, 100), (1, 101), (2, 102), (3, 300)],
    }


def rank(folder, number, first, **more):
    """A process of a run that is logged offline, beside others in one folder."""
    with steplog.init(
        id="ranks",
        project="p",
        dir=str(folder),
        mode="offline",
        settings={"quiet": True, "label": f"rank{number}"},
        **more,
    ) as run:
        for value in range(first, first + 3):
            run.log({"y": value})
    return run.sync_dir


@pytest.mark.parametrize("together", [True, False])
def test_each_rank_goes_on_with_its_own_attempt(server, tmp_path, *, together):
    folders = [rank(tmp_path, number, 100 * number) for number in range(3)]
    again = [rank(tmp_path, number, 100 * number + 3, resume="must") for number in (2, 0, 1)]
    assert set(again) == set(folders)
    batches = [folders] if together else [[folder] for folder in folders]
    for batch in batches:
        assert server.cli("sync", *batch).returncode == 0
    assert logged(server, "ranks") == {
        f"rank{number}": [(step, 100 * number + step) for step in range(6)] for number in range(3)
    }


def test_a_rank_is_rewound_by_its_own_attempt(server, tmp_path):
    for number in range(2):
        rank(tmp_path, number, 100 * number)
    rank(tmp_path, 1, 200, resume_from="ranks?_step=0")
    assert server.cli("sync", *(tmp_path / "steplog-runs").glob("2*")).returncode == 0
    assert logged(server, "ranks") == {
        "rank0": [(0, 0), (1, 1), (2, 2)],
        "rank1": [(0, 100), (1, 200), (2, 201), (3, 202)],
    }
    assert server.get("/projects/local/p/runs/ranks")["summary"]["y"] == 202


def test_a_rank_that_runs_is_not_gone_on_with(tmp_path):
    rank(tmp_path, 0, 0)
    more: dict[str, Any] = {
        "id": "ranks",
        "project": "p",
        "dir": str(tmp_path),
        "mode": "offline",
        "settings": {"quiet": True, "label": "rank1"},
    }
    with steplog.init(**more) as run:
        run.log({"y": 1})
        with pytest.raises(steplog.UsageError, match="still running"):
            steplog.init(**more, resume="must", reinit="create_new")


def test_who_goes_on_with_a_run_that_lives_elsewhere_is_warned(online, server, tmp_path, *, capfd):
    with online("r") as run:
        run.log({"a": 1})
        until = time.monotonic() + 20
        while run.status()["acknowledged_records"] < 2 and time.monotonic() < until:
            time.sleep(0.01)
        goes_on: Any = {
            "resume": "must",
            "reinit": "create_new",
            "dir": str(tmp_path / "elsewhere"),
        }
        settings = {"base_url": server.url}
        with steplog.init(id="r", project="p", settings=settings, **goes_on):
            pass
    assert "the run r is still running" in capfd.readouterr().err


def test_a_child_sends_what_a_parent_that_is_gone_has_left(server, tmp_path):
    code = (
        "import os, sys, steplog\n"
        "run = steplog.init(project='p', id='r')\n"
        "run.log({'a': 0})\n"
        "if os.fork(): os._exit(0)\n"
        "while os.getppid() == int(sys.argv[1]): pass\n"
        "run.log({'a': 1})\n"
        "run.finish()\n"
        "print('done', flush=True)\n"
    )
    outer = "import subprocess, sys, os; subprocess.run([sys.executable, '-c', sys.argv[1], '0'])"
    process = server.python(tmp_path, outer, code)
    assert process.stdout.read() == "done\n"
    process.communicate()
    assert sorted(row["a"] for row in server.rows("r")) == [0, 1]


def test_a_limit_of_one_file_is_free_again_once_the_server_has_it(online):
    with online("r", settings={"max_unsent_bytes": 1 << 20}) as run:
        for number in range(2000):
            run.log({"a": number, "text": "x" * 1000})
        lost = run.status()["lost"]
        assert lost > 0
        until = time.monotonic() + 20
        while time.monotonic() < until:
            run.log({"late": 1})
            if run.status()["lost"] == lost:
                break
            lost = run.status()["lost"]
            time.sleep(0.05)
        before = run.status()["rows"]
        run.log({"last": 1})
        assert run.status()["rows"] == before + 1


def test_the_later_word_counts_whoever_is_synced_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    folders = []
    for number in (1, 2):
        with steplog.init(
            id="r",
            project="p",
            mode="offline",
            dir=str(tmp_path / str(number)),
            config={"lr": number, f"own{number}": number},
            settings={"quiet": True, "label": f"rank{number}"},
        ) as run:
            run.name = f"name {number}"
            run.tags = [str(number)]
        folders.append(run.sync_dir)
        time.sleep(0.01)  # the clock of the log is one of milliseconds
    for folder in reversed(folders):
        assert server.cli("sync", folder).returncode == 0
    found = server.get("/projects/local/p/runs/r")
    assert found["config"] == {"lr": 2, "own1": 1, "own2": 2}
    assert (found["name"], found["tags"]) == ("name 2", ["2"])


def test_the_later_word_of_a_parent_and_its_child_counts(tmp_path):
    code = (
        "import os, sys, time, steplog\n"
        "run = steplog.init(dir=sys.argv[1], mode='offline', settings={'quiet': True})\n"
        "if os.fork() == 0:\n"
        "    run.config['a'] = 1\n"
        "    run.config['child'] = 1\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "time.sleep(0.01)\n"
        "run.config['a'] = 2\n"
        "run.finish()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    assert RunLog(folder).config() == {"a": 2, "child": 1}


def test_an_old_attempt_that_comes_late_says_what_it_hides(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])

    def attempt(where, **arguments):
        settings = {"base_url": server.url, "quiet": True}
        folder = str(tmp_path / where)
        return steplog.init(id="r", project="p", dir=folder, settings=settings, **arguments)

    with attempt("a") as run:
        run.log({"a": 0})
    with attempt("b", resume="must") as run:
        run.log({"a": 1})
    with attempt("b", resume="must", mode="offline") as old:
        old.log({"a": 2})
    time.sleep(0.01)
    with attempt("a", resume="must") as run:
        run.log({"a": 3})
    said = server.cli("sync", old.sync_dir)
    assert said.returncode == 0
    assert "which takes its place from step 2 on" in said.stderr
    assert server.cli("sync", old.sync_dir).stderr.count("takes its place") == 0
    assert [row["a"] for row in server.rows("r")] == [0, 1, 2]
