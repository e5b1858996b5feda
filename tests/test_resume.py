"""Runs that go on where an earlier attempt ended, found in their folders on this machine."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

import steplog
from steplog import _runs
from steplog._core import RunLog


def steps(run):
    return [(row["_step"], row["a"]) for row in RunLog(run.sync_dir).rows()]


def first_attempt(start, **arguments):
    with start(id="r", name="first", tags=["t"], config={"lr": 0.1, "n": 1}, **arguments) as run:
        run.define_metric("a", summary="min,max,mean")
        for number in range(5):
            run.log({"a": number})
        run.summary["best"] = 7
    return run


def test_a_run_goes_on_in_its_folder_with_all_that_was_known(start):
    before = first_attempt(start)
    with start(id="r", resume="must", config={"lr": 0.2}) as run:
        assert (run.sync_dir, run.resumed, run.starting_step) == (before.sync_dir, True, 5)
        assert (run.name, run.tags, run.step) == ("first", ("t",), 5)
        assert run.config.as_dict() == {"lr": 0.2, "n": 1}
        assert run.summary["a"].as_dict() == {"min": 0, "max": 4, "mean": 2.0}
        run.log({"a": 8})
        assert run.summary["a"].as_dict() == {"min": 0, "max": 8, "mean": 3.0}
        assert run.summary["best"] == 7
        assert run.summary["_runtime"] >= before.summary["_runtime"]
    assert steps(run) == [*((number, number) for number in range(5)), (5, 8)]
    found = _runs.read(pathlib.Path(run.sync_dir))
    assert (found.state(), found.log.config()["lr"]) == (("finished", 0), 0.2)
    with start(id="r", resume="allow") as again:
        assert again.starting_step == 6


def test_a_killed_run_goes_on_and_its_end_is_forgotten(tmp_path, start):
    code = """
import os, signal, sys, steplog
run = steplog.init(id="r", mode="offline", dir=sys.argv[1], settings={"quiet": True})
for number in range(100):
    run.log({"a": number})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    assert _runs.read(folder).state()[0] == "crashed"
    with start(id="r", resume="must") as run:
        run.log({"a": 100})
    assert steps(run) == [(number, number) for number in range(101)]
    assert _runs.read(folder).state() == ("finished", 0)


def test_what_is_asked_for_must_be_so(start):
    with pytest.raises(steplog.UsageError, match="there is no run local/uncategorized/r"):
        start(id="r", resume="must")
    with start(id="r", resume="allow") as run:
        assert (run.resumed, run.starting_step) == (False, 0)
        run.log({"a": 1})
    with pytest.raises(steplog.UsageError, match="there is a run local/uncategorized/r already"):
        start(id="r", resume="never")
    with start(id="r", resume="never", project="other") as run:
        assert not run.resumed
    with pytest.raises(steplog.UsageError, match="resume must be one of"):
        start(id="r", resume="perhaps")
    with start(id="live") as run:
        run.log({"a": 1})
        with pytest.raises(steplog.UsageError, match="is still running"):
            start(id="live", resume="allow", reinit="create_new")


def test_auto_goes_on_until_the_run_ends_well(start, monkeypatch):
    run = start(resume=True)
    run.log({"a": 1})
    run.finish(exit_code=3)
    with start(resume="auto") as again:
        assert (again.id, again.resumed, again.starting_step) == (run.id, True, 1)
    with start(resume="auto") as other:
        assert other.id != run.id
    monkeypatch.setenv("WANDB_RESUME", "must")
    with pytest.raises(steplog.UsageError, match="there is no run"):
        start(id="none")


def test_without_resume_the_same_id_is_another_folder(start):
    before = first_attempt(start)
    with start(id="r") as run:
        assert (run.resumed, run.step) == (False, 0)
    assert run.sync_dir != before.sync_dir
