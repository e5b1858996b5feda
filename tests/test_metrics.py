"""`define_metric`: what it refuses, what the summary keeps, which rows are given a step metric."""

from __future__ import annotations

import math
import random
import statistics
import threading
from typing import Any

import pytest

import steplog
from steplog._core import RunLog

ALL = "min,max,mean,best,first,last"


def rows(run):
    return [
        {key: value for key, value in row.items() if key not in {"_timestamp", "_runtime"}}
        for row in RunLog(run.sync_dir).rows()
    ]


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"name": ""}, steplog.UsageError, "named by a key"),
    ({"name": "a*b"}, steplog.UsageError, "named by a key"),
    ({"name": 3}, steplog.ArgumentTypeError, "name must be text, got int"),
    ({"summary": "least"}, steplog.UsageError, "must be some of min, max"),
    ({"summary": ["min"]}, steplog.ArgumentTypeError, "summary must be text, got list"),
    ({"step_metric": "e*"}, steplog.UsageError, "step_metric must be a key"),
    ({"step_metric": 1}, steplog.ArgumentTypeError, "step_metric must be text, got int"),
    ({"step_sync": "yes"}, steplog.ArgumentTypeError, "step_sync must be true or false"),
    ({"hidden": 1}, steplog.ArgumentTypeError, "hidden must be true or false"),
    ({"goal": "up"}, steplog.UsageError, "minimize or maximize"),
    ({"name": "n" * 5000}, steplog.UsageError, "1024 bytes"),
    ({"summary": "none,min"}, steplog.UsageError, "nothing goes with it"),
]


def test_what_cannot_be_a_definition_is_refused(start):
    with start() as run:
        for arguments, error, says in REFUSED:
            with pytest.raises(error, match=says):
                run.define_metric(**({"name": "a"} | arguments))
    assert RunLog(run.sync_dir).metrics() == []


def test_a_name_that_is_no_text_is_made_whole(start):
    with start() as run:
        assert run.define_metric("a\ud800").name == "a\ufffd"
        run.summary["b\ud800"] = 1
        assert run.summary["b\ufffd"] == 1


def test_a_definition_is_returned_recorded_and_taken_as_a_step_metric(start):
    with start() as run:
        epoch = run.define_metric("epoch", hidden=True)
        loss = run.define_metric("val/*", epoch, summary="MIN, max", goal="Maximise")
        assert (loss.name, loss.step_metric, loss.step_sync) == ("val/*", "epoch", True)
        assert (loss.summary, loss.goal, loss.hidden) == (("min", "max"), "maximize", False)
    recorded = RunLog(run.sync_dir).metrics()
    assert [metric["name"] for metric in recorded] == ["epoch", "val/*"]
    assert recorded[1] == loss.as_record()
    with pytest.raises(steplog.RunClosedError):
        run.define_metric("late")


def test_a_definition_counts_for_what_was_logged_before(start):
    with start() as run:
        for loss in (3.0, math.nan, 1, -2.5, 7):
            run.log({"loss": loss, "n": {"a": loss}})
        run.define_metric("loss", summary=ALL)
        run.define_metric("n.a", summary="best", goal="maximize")
        kept = {"min": -2.5, "max": 7, "mean": 2.125, "best": -2.5, "first": 3.0, "last": 7}
        assert run.summary["loss"] == {**kept, "nan": 1}
        assert run.summary["n"]["a"] == {"best": 7, "nan": 1}
        assert isinstance(run.summary["loss"]["max"], int)


def test_a_value_that_is_replaced_in_its_row_does_not_count(start):
    with start() as run:
        run.define_metric("a", summary=ALL)
        run.log({"a": 100}, commit=False)
        run.log({"a": 1})
        run.log({"a": 100}, step=5)
        run.log({"a": 3}, step=5)
        kept = {"min": 1, "max": 3, "mean": 2.0, "best": 1, "first": 1, "last": 3}
        assert run.summary["a"] == kept


def test_an_explicit_write_ends_a_definition_and_none_hides_a_key(start):
    with start() as run:
        run.define_metric("a", summary="max")
        run.define_metric("b", summary="none")
        run.log({"a": 5, "b": 5})
        assert (run.summary["a"], "b" in run.summary) == ({"max": 5}, False)
        run.summary["a"] = 0
        run.log({"a": 1})
        assert run.summary["a"] == 1
        run.define_metric("b", summary="last", overwrite=True)
        assert run.summary["b"] == {"last": 5}


def test_a_definition_that_comes_after_an_explicit_write_counts(start):
    with start() as run:
        run.define_metric("own", summary="min")
        run.summary.update({"acc": 50, "val/acc": 50, "own": 50})
        run.define_metric("acc", summary="max")
        run.define_metric("*", summary="max,last")
        assert (run.summary["acc"], run.summary["own"]) == (50, 50)
        for value in (3, 1):
            run.log({"acc": value, "val/acc": value, "own": value})
        assert run.summary["acc"] == {"max": 3}
        assert run.summary["val/acc"] == {"max": 3, "last": 1}
        assert run.summary["own"] == 1
        run.summary["acc"] = 7
        run.log({"acc": 2})
        assert run.summary["acc"] == 2


@pytest.mark.parametrize("seed", range(6))
def test_random_rows_come_to_what_a_list_of_them_comes_to(start, seed):
    chance = random.Random(seed)
    kept: dict[str, list[float]] = {}
    with start() as run:
        run.define_metric("*", summary=ALL)
        for _ in range(400):
            keys = chance.choice([["a", "b"], ["a", "b"], ["a"], ["b", "c"]])
            row = {
                key: chance.choice([chance.uniform(-9, 9), chance.randrange(-9, 9), math.nan])
                for key in keys
            }
            run.log(row)
            for key, value in row.items():
                kept.setdefault(key, []).append(value)
            if chance.random() < 0.02:
                key = chance.choice(list(kept))
                check(run.summary[key], kept[key])
        for key, values in kept.items():
            check(run.summary[key], values)


def check(found, values):
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        assert found["nan"] == len(values)
        return
    assert (found["min"], found["max"]) == (min(numbers), max(numbers))
    assert found["best"] == min(numbers)
    assert math.isclose(found["mean"], statistics.fmean(numbers), abs_tol=1e-12)
    assert repr(found["first"]) == repr(values[0])
    assert repr(found["last"]) == repr(values[-1])
    assert found.get("nan", 0) == len(values) - len(numbers)


def test_rows_are_given_the_latest_value_of_their_step_metric(start):
    with start() as run:
        run.define_metric("epoch")
        run.define_metric("train/*", step_metric="epoch")
        run.log({"train/loss": 1})
        run.log({"epoch": 4, "train/loss": 2})
        run.log({"train/loss": 3})
        run.log({"other": 0})
        run.log({"train/loss": 4}, commit=False)
    assert rows(run) == [
        {"_step": 0, "train/loss": 1, "epoch": 0},
        {"_step": 1, "epoch": 4, "train/loss": 2},
        {"_step": 2, "train/loss": 3, "epoch": 4},
        {"_step": 3, "other": 0},
        {"_step": 4, "train/loss": 4, "epoch": 4},
    ]


def test_many_threads_lose_no_row_while_step_metrics_are_filled_in(start):
    with start() as run:
        run.define_metric("x", step_metric="epoch")

        def work():
            for number in range(500):
                run.log({"x": number})

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = rows(run)
    assert len(found) == 2000
    assert all(row["epoch"] == 0 for row in found)
