"""Going back: `resume_from` and `fork_from`, from the folders on this machine."""

from __future__ import annotations

import math
from typing import Any

import pytest

import steplog
from steplog._core import RunLog

METRICS = {"loss": "min,max,mean,first,last", "acc": "best"}


@pytest.fixture
def trained(start):
    """A run of 100 steps, with definitions and a summary written by hand."""
    with start(id="base", config={"lr": 0.1}, tags=["t"], name="first") as run:
        for key, summary in METRICS.items():
            run.define_metric(key, summary=summary, goal="maximize")
        for step in range(100):
            run.log({"loss": 100.0 - step, "acc": step, "odd": {"x": step if step % 2 else None}})
        run.summary["hand"] = 1
    return run


def rows(run):
    return [(row["_step"], row["loss"]) for row in RunLog(run.sync_dir).rows()]


def summary(run):
    found: dict[str, Any] = RunLog(run.sync_dir).summary()
    return {key: value for key, value in found.items() if not key.startswith("_")}


def test_a_rewound_run_masks_what_is_behind_the_step(trained, start):
    with start(resume_from="base?_step=49") as run:
        assert (run.id, run.resumed, run.starting_step, run.step) == ("base", True, 50, 50)
        assert (run.config["lr"], run.name, run.tags) == (0.1, "first", ("t",))
        assert run.summary["loss"] == {"min": 51.0, "max": 100.0, "mean": 75.5} | {
            "first": 100.0,
            "last": 51.0,
        }
        assert (run.summary["acc"]["best"], run.summary["odd"]["x"]) == (49, 49)
        assert "hand" not in run.summary
        for _ in range(3):
            run.log({"loss": -1.0, "acc": 0})
        inside = run.summary.as_dict()
    assert run.sync_dir == trained.sync_dir
    assert rows(run) == [
        *((step, 100.0 - step) for step in range(50)),
        *((step, -1.0) for step in (50, 51, 52)),
    ]
    assert summary(run)["loss"]["min"] == -1.0
    assert math.isclose(summary(run)["loss"]["mean"], (75.5 * 50 - 3) / 53)
    assert {key: inside[key] for key in summary(run)} == summary(run)


@pytest.mark.usefixtures("trained")
def test_a_run_goes_on_behind_what_is_left_of_it(start):
    with start(resume_from="base?_step=49"):
        pass
    with start(id="base", resume="must") as run:
        assert run.step == 50
        run.log({"loss": 0.0})
    with start(resume_from="base?_step=9") as run:
        run.log({"loss": 9.0})
    with start(id="base", resume="must") as run:
        assert run.step == 11
        assert run.summary["loss"]["max"] == 100.0
        assert run.summary["loss"]["first"] == 100.0
        run.log({"loss": 8.0})
    assert rows(run) == [*((step, 100.0 - step) for step in range(10)), (10, 9.0), (11, 8.0)]


def test_a_fork_is_another_run(trained, start):
    with start(fork_from="base?_step=9", config={"lr": 0.2, "new": 1}) as run:
        assert run.id != "base"
        assert (run.resumed, run.starting_step, run.step) == (False, 10, 10)
        assert run.config.as_dict() == {"lr": 0.2, "new": 1}
        assert (run.name, run.tags) == (run.id, ())
        assert (run.summary["loss"]["last"], run.summary["acc"]["best"]) == (91.0, 9)
        assert "hand" not in run.summary
        run.log({"loss": 0.5})
    assert rows(run) == [(10, 0.5)]
    (writer,) = map(dict[str, Any], RunLog(run.sync_dir).writers())
    assert writer["start"]["forked"] == {"run": "base", "step": 9}
    assert summary(run)["loss"] | {"mean": 0} == {
        "min": 0.5,
        "max": 100.0,
        "first": 100.0,
        "last": 0.5,
        "mean": 0,
    }
    assert len(rows(trained)) == 100
    with start(fork_from=f"{run.id}?_step=10", id="grandchild") as third:
        assert (third.id, third.step, third.summary["loss"]["last"]) == ("grandchild", 11, 0.5)
    with pytest.raises(steplog.UsageError, match="begins at step 10"):
        start(resume_from=f"{run.id}?_step=5")


def test_only_the_own_label_is_rewound(start):
    for label in ("rank0", "rank1"):
        with start(id="ddp", settings={"label": label}, reinit="finish_previous") as run:
            for step in range(10):
                run.log({"loss": step, label: step})
    with start(resume_from="ddp?_step=4", settings={"label": "rank0"}) as run:
        run.log({"loss": 100})
        assert (run.summary["rank0"], run.summary["loss"]) == (4, 9)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"resume_from": "base"}, "such as"),
        ({"resume_from": "base?_step=-1"}, "such as"),
        ({"resume_from": "base?loss=3"}, "such as"),
        ({"fork_from": "?_step=3"}, "such as"),
        ({"fork_from": "base?_step=1e3"}, "such as"),
        ({"fork_from": " ?_step=3"}, "run id"),
        ({"resume_from": "base?_step=3", "fork_from": "base?_step=3"}, "together"),
        ({"resume_from": "base?_step=3", "resume": "allow"}, "together"),
        ({"resume_from": "base?_step=3", "id": "other"}, "fork_from"),
        ({"fork_from": "base?_step=3", "id": "base"}, "resume_from"),
        ({"resume_from": "base?_step=100"}, "its last is 99"),
        ({"fork_from": "base?_step=100"}, "its last is 99"),
        ({"resume_from": "none?_step=0"}, "no run"),
        ({"fork_from": "none?_step=0"}, "no run"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_cannot_be_gone_back_to_is_refused(start, arguments, says):
    with pytest.raises(steplog.UsageError, match=says):
        start(**arguments)
    with pytest.raises(steplog.ArgumentTypeError):
        start(resume_from=5)
    with start(id="base", resume="must") as run:
        assert run.step == 100


def test_a_run_that_lives_is_forked_and_not_rewound(start):
    with start(id="lives") as run:
        for step in range(5):
            run.log({"loss": step})
        with pytest.raises(steplog.UsageError, match="not finished"):
            start(fork_from="lives?_step=1")
        with pytest.raises(steplog.UsageError, match="still running"):
            start(resume_from="lives?_step=1", reinit="create_new")
        with start(fork_from="lives?_step=1", reinit="create_new") as fork:
            assert (fork.step, fork.summary["loss"]) == (2, 1)
    assert len(rows(run)) == 5


KILLED = """
import os, sys, steplog
steplog.init(resume_from="base?_step=3", mode="offline", dir=sys.argv[1])
os.kill(os.getpid(), 9)
"""


def test_a_rewound_run_that_is_killed_at_once_stays_rewound(trained, run_program):
    folder, _ = run_program(KILLED)
    assert str(folder) == trained.sync_dir
    assert len(rows(trained)) == 4
    assert summary(trained)["loss"]["last"] == 97.0


def test_a_fork_keeps_the_config_that_it_took_over(start):
    with start(config={"lr": 1, "layers": [2, 3]}) as parent:
        parent.log({"a": 1})
    with start(fork_from=f"{parent.id}?_step=0", config={"new": 2}) as fork:
        pass
    known = {"lr": 1, "layers": [2, 3], "new": 2}
    assert fork.config.as_dict() == known
    assert RunLog(fork.sync_dir).config() == known
    with start(id=fork.id, resume="must") as again:
        assert again.config.as_dict() == known
