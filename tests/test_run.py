"""Runs as users use them: `with`, `async with`, exits, forks, bad input."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import inspect
import itertools
import math
import os
import pathlib
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import anyio
import numpy as np
import pytest

import steplog
from steplog._core import RunLog
from steplog._run import Run
from steplog._turns import TURNS


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


def rows(run):
    return list(RunLog(run.sync_dir).rows())


def test_with_records_config_summary_and_rows(start):
    with start(project="p", config={"lr": 0.1}) as run:
        run.config.batch = 32
        run.log({"loss": 1.5, "n": {"x": np.float32(0.5), "y": np.arange(3)}})
        run.summary["best"] = np.int64(7)
        assert run.summary["loss"] == 1.5
        assert run.summary["n"]["y"] == [0, 1, 2]
        assert "best" in run.summary
        assert run.step == 1
    log = RunLog(run.sync_dir)
    assert log.config() == {"lr": 0.1, "batch": 32}
    assert log.summary()["best"] == 7
    (row,) = log.rows()
    assert (row["loss"], row["n"], row["_step"]) == (1.5, {"x": 0.5, "y": [0, 1, 2]}, 0)
    text = pathlib.Path(run.dir, "config.yaml").read_text()
    assert text == "batch:\n    value: 32\nlr:\n    value: 0.1\n"
    assert log.writers()[0]["exit_code"] == 0


def test_an_exception_leaves_the_exit_code_and_passes(start):
    with pytest.raises(ZeroDivisionError), start() as run:
        raise ZeroDivisionError
    assert RunLog(run.sync_dir).writers()[0]["exit_code"] == 1


async def test_alog_waits_for_the_disk_when_asked(start):
    async with start() as run:
        await run.alog({"a": 1})
        await run.alog({"a": 2}, ack="disk")
        status = run.status()
        assert status["synced_records"] == status["records"]
        with pytest.raises(steplog.UsageError, match="online"):
            await run.alog({"a": 3}, ack="server")
        for step in range(20_000):
            await run.alog({"a": step})
    assert len(rows(run)) == 20_002


async def test_afinish_leaves_everything_on_the_disk(start):
    run = start()
    await run.alog({"a": 1})
    await run.afinish()
    await run.afinish()
    with pytest.raises(steplog.RunClosedError):
        run.log({"a": 1})


def test_a_value_that_cannot_be_stored_costs_only_itself(start, capsys):
    class Colour(enum.Enum):
        RED = "red"

    with start() as run:
        for _ in range(3):
            run.log(
                {"bad": range(3), "good": 1, "path": pathlib.PurePosixPath("/x"), "c": Colour.RED}
            )
        run.log({"large": np.full(40, "x"), "set": {1}, "bytes": b"\xff", "surrogate": "\ud800"})
        assert run.status()["skipped"] == 5
    first, *_, last = rows(run)
    assert (first["good"], first["path"], first["c"]) == (1, "/x", "red")
    assert "bad" not in first
    assert (last["set"], last["surrogate"]) == ([1], "�")
    assert capsys.readouterr().err.count("'bad' is not recorded") == 1


@pytest.mark.parametrize(
    "values",
    [
        {"b": b"\xff"},
        {"b": "x" * (1 << 21)},
        {"k" * 2_000: 1},
        {"n": {"c": 1, "d": "x" * (1 << 21)}},
        {"b": {"deep": b"\xff"}},
    ],
)
def test_a_strict_run_records_nothing_of_a_row_that_is_refused_in_part(start, values):
    with start(settings={"strict": True}) as run:
        with pytest.raises(steplog.UsageError, match="cannot store"):
            run.log({"a": 1, **values})
        with pytest.raises(steplog.UsageError, match="cannot store"):
            anyio.run(run.alog, {"a": 1, **values})
        assert (run.step, run.status()["rows"], dict(run.summary)) == (0, 0, {})
        run.log({"a": 2})
    assert [row["a"] for row in RunLog(run.sync_dir).rows()] == [2]


def test_strict_raises_and_records_nothing_of_the_call(start):
    with start(settings={"strict": True}) as run:
        with pytest.raises(steplog.UsageError, match="bad"):
            run.log({"bad": object(), "good": 1})
        assert run.step == 0


def test_smaller_steps_are_refused_with_a_warning(start, capsys):
    with start() as run:
        run.log({"a": 1}, step=5)
        run.log({"a": 2}, step=4)
        assert run.status()["refused"] == 1
    assert "step 4 is smaller than the current step 5" in capsys.readouterr().err
    assert [row["_step"] for row in rows(run)] == [5]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (-3, "step -3 is smaller"),
        (1 - 2**63, "step -9223372036854775807 is smaller"),
        (-(2**70), "a step of -9223372036854775808 or below is smaller"),
    ],
)
def test_a_refused_step_is_told_as_it_was_given(start, capsys, *, step, words):
    with start() as run:
        run.log({"a": 1}, step=step)
    assert words in capsys.readouterr().err


def _rename(run):
    run.name = "other"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda run: run.log({"a": 1}), "log()"),
        (lambda run: run.log({"a": np.float32(1)}), "log()"),
        (lambda run: run.log(collections.UserDict(a=1)), "log()"),
        (lambda run: _alog_at_once(run, {"a": 1}), "alog()"),
        (lambda run: _alog_at_once(run, {"a": np.zeros(9999)}), "alog()"),
        (lambda run: run.summary.update({"a": 1}), "summary"),
        (lambda run: run.config.update({"a": 1}), "config"),
        (lambda run: run.define_metric("a"), "define_metric()"),
        (_rename, "name"),
        (lambda run: run.alert("a"), "alert()"),
        (lambda run: run.mark_preempting(), "mark_preempting()"),
        (lambda run: run.write_logs("a"), "write_logs()"),
        (lambda run: run.save("a"), "save()"),
    ],
)
def test_what_comes_after_the_end_is_refused_by_name(start, call, name):
    run = start()
    run.finish()
    words = re.escape(f"the run is finished: {name} takes nothing more")
    with pytest.raises(steplog.RunClosedError, match=words):
        call(run)


def test_alog_without_an_event_loop_records_or_refuses(start):
    def drive(coroutine):
        with pytest.raises(StopIteration):
            coroutine.send(None)

    with start() as run:
        for number in range(3):
            while time.perf_counter() - TURNS.since <= TURNS.secs:
                pass  # a turn is over
            drive(run.alog({"a": number}))
        for coroutine in (run.alog({"a": 9}, ack="disk"), run.alog({"a": np.zeros(9999)})):
            with pytest.raises(steplog.UsageError, match="no event loop"):
                coroutine.send(None)
    assert [row["a"] for row in rows(run)] == [0, 1, 2]


@pytest.mark.parametrize("data", [None, [1], "text", 5])
def test_log_refuses_what_is_not_a_mapping(start, data):
    with start() as run, pytest.raises(TypeError, match="dict"):
        run.log(data)


class _Unreadable(collections.UserDict[str, object]):
    def __iter__(self):
        raise ValueError("of its own")


def _alog_at_once(run, values):
    async def alog():
        await run.alog(values)

    anyio.run(alog)


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("call", [Run.log, _alog_at_once])
def test_a_mapping_that_cannot_be_read_costs_only_itself(start, capsys, call, *, is_nested):
    values = {"nested": _Unreadable()} if is_nested else _Unreadable()
    with start() as run:
        call(run, values)
        run.log({"a": 1})
        assert (run.step, run.status()["skipped"]) == (2, 1)
    assert "reading it raised ValueError: of its own" in capsys.readouterr().err
    with start(settings={"strict": True}) as run:
        with pytest.raises(steplog.UsageError, match="of its own"):
            call(run, values)
        assert run.step == 0


@pytest.mark.parametrize("ack", [["log"], {}, "now", None])
async def test_alog_refuses_what_is_no_ack(start, ack):
    async with start() as run:
        with pytest.raises(steplog.UsageError, match="ack must be"):
            await run.alog({"a": 1}, ack=ack)


def test_a_generator_without_end_costs_only_itself(start):
    with start() as run:
        run.log({"a": (number for number in itertools.count()), "b": 1})
    (row,) = rows(run)
    assert (row["b"], "a" in row, run.status()["skipped"]) == (1, False, 1)


class NoStep:
    def __index__(self):
        raise RuntimeError("not computed yet")


@pytest.mark.parametrize("step", [NoStep(), 1.5, "1", object()])
def test_log_refuses_what_is_no_step(start, step):
    with start() as run:
        with pytest.raises(steplog.ArgumentTypeError, match="step must be an integer, got"):
            run.log({"a": 1}, step=step)
        run.log({"a": 2}, step=np.int32(3))
        with pytest.raises(steplog.UsageError, match="at most"):
            run.log({"a": 2}, step=2**70)
    assert [(row["_step"], row["a"]) for row in rows(run)] == [(3, 2)]


def test_what_is_no_exit_code_is_refused_and_the_run_goes_on(start):
    run = start()
    for code in ("x", 1.5):
        with pytest.raises(steplog.ArgumentTypeError, match="exit_code"):
            run.finish(code)
    with pytest.raises(steplog.UsageError, match="exit_code"):
        run.finish(2**40)
    run.log({"a": 1})
    run.finish(np.int64(7).item())
    assert RunLog(run.sync_dir).writers()[0]["exit_code"] == 7


def test_the_summary_is_updated_by_mappings_alone(start):
    with start() as run:
        for data in (5, "ab", None):
            with pytest.raises(steplog.ArgumentTypeError, match="dict"):
                run.summary.update(data)
        run.summary.update({"a": 1})
        assert run.summary["a"] == 1


def test_keys_of_the_summary_are_read_as_they_are_written(start):
    with start() as run:
        run.summary[5] = {6: 1}
        run.summary.update({"b\ud800": 2, None: 3})
        assert (run.summary[5][6], run.summary.get(5)["6"]) == (1, 1)
        assert (run.summary["b\ud800"], run.summary.get(None)) == (2, 3)
        assert (5 in run.summary, 6 in run.summary) == (True, False)
        del run.summary[5][6], run.summary[None]
        with pytest.raises(KeyError):
            del run.summary[6]
        assert run.summary.as_dict() == {"b\ufffd": 2}


def test_attributes_of_the_summary_can_be_deleted(start):
    with start() as run:
        run.summary.update({"a": 1, "b": {"c": 2, "d": 3}})
        del run.summary.a
        del run.summary.b.c
        with pytest.raises(AttributeError, match="no 'a'"):
            del run.summary.a
    assert RunLog(run.sync_dir).summary() == {"b": {"d": 3}}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no list of descriptors")
def test_a_finished_run_that_is_kept_holds_no_descriptor(start):
    run = start()
    run.log({"a": 1})
    run.finish()
    fds = pathlib.Path("/proc/self/fd")
    held = [str(fd.readlink()) for fd in fds.iterdir() if fd.is_symlink()]
    assert [path for path in held if run.sync_dir in path] == []


def test_100_000_keys_and_10_mb_strings_lose_nothing_else(start):
    with start() as run:
        run.log({f"key/{number}": number for number in range(100_000)})
        run.log({"long": "x" * 10_000_000, "good": 1})
    many, last = rows(run)
    assert many["key/99999"] == 99_999
    assert ("long" in last, last["good"]) == (False, 1)


def test_a_run_without_a_server_keeps_everything_and_says_how_to_send_it(tmp_path, capsys):
    settings = {"base_url": "http://127.0.0.1:9", "finish_timeout_secs": 5.0}
    with steplog.init(dir=str(tmp_path), settings=settings) as run:
        run.log({"a": 1})
    assert f"steplog sync {run.sync_dir}" in capsys.readouterr().err
    assert len(rows(run)) == 1


def test_disabled_records_nothing(tmp_path):
    with steplog.init(dir=str(tmp_path), mode="disabled") as run:
        run.log({"a": object()})
        run.summary["b"] = 2
        assert dict(run.summary)["b"] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": "a/b"},
        {"id": ""},
        {"id": ".."},
        {"project": "a/b"},
        {"project": ""},
        {"entity": "a#"},
        {"name": "\0"},
        {"name": "\x7f\n\u2028"},
    ],
)
def test_bad_names_are_refused_before_anything_is_written(start, tmp_path, arguments):
    with pytest.raises(steplog.UsageError):
        start(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_unknown_settings_name_the_nearest(start):
    with pytest.raises(steplog.UsageError, match="fsync_secs"):
        start(settings={"fsync_sec": 1})


def test_rows_are_counted_as_they_are_merged(start):
    run = start(settings={"late_steps": "merge"})
    run.log({"a": 1}, commit=False)
    run.log({"b": 1})
    for step in range(5, 100, 5):
        run.log({"a": step}, step=step)
        run.log({"b": step}, step=step)
    run.log({"late": 1}, step=10)
    run.log({"late": 1}, step=12)
    run.finish()
    assert run.status()["rows"] == RunLog(run.sync_dir).row_count == 21


def test_a_forked_child_writes_its_own_log(start):
    run = start()
    run.log({"a": 1})
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert run.summary.as_dict().get("a") is None
            run.log({"a": 2})
            run.finish()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    run.log({"a": 3})
    run.finish()
    seen = [(row.get("_label", ""), row["_step"], row["a"]) for row in rows(run)]
    assert seen == [("", 0, 1), ("", 1, 3), (f"fork-{pid}", 0, 2)]


@pytest.mark.parametrize(("ending", "code"), [("", 0), ("raise ValueError", 1)])
def test_a_run_that_is_never_finished_is_finished_at_exit(tmp_path, ending, code):
    script = f"import steplog\nrun = steplog.init(mode='offline')\nrun.log({{'a': 1}})\n{ending}"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True)
    log = RunLog(tmp_path / "steplog-runs" / "latest")
    assert log.writers()[0]["exit_code"] == code
    assert log.row_count == 1


def test_importing_is_light():
    heavy = "numpy torch aiohttp anyio pynvml PIL sqlalchemy"
    script = f"import sys, steplog; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("name", ["log", "flush", "finish", "log_artifact", "use_artifact"])
def test_async_twins_take_the_same_arguments(name):
    sync = list(inspect.signature(getattr(Run, name)).parameters)
    twin = list(inspect.signature(getattr(Run, "a" + name)).parameters)
    extra = ["ack"] if name == "log" else []
    # What is awaited is given a time by whoever awaits it.
    left_out = {"timeout_secs"} if name == "flush" else set()
    assert [n for n in sync if n not in left_out] + extra == twin


def test_finish_takes_a_deadline_of_its_own(start):
    run = start()
    with pytest.raises(steplog.ArgumentTypeError, match="timeout_secs must be a number"):
        run.finish(timeout_secs="soon")
    for wrong in (-1, math.nan):
        with pytest.raises(steplog.UsageError, match="timeout_secs must be 0 or more"):
            run.finish(timeout_secs=wrong)
    run.finish(timeout_secs=math.inf)


async def test_a_cancelled_afinish_still_ends_the_run_and_says_where_it_is(tmp_path, capfd):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "base_url": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "api_key": "k" * 40,
            "finish_timeout_secs": 600.0,
        }
        run = steplog.init(dir=str(tmp_path), settings=settings)
        run.log({"a": 1})
        with anyio.move_on_after(0.1) as scope:
            await run.afinish()
        assert scope.cancelled_caught
        assert (pathlib.Path(run.sync_dir) / "files" / "summary.json").exists()
        said = capfd.readouterr().err
        assert "not all at the server" in said
        assert f"steplog sync {run.sync_dir}" in said
        await run.afinish()
        assert capfd.readouterr().err == ""


ORPHANING = """
import os, signal, sys, time, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
run.log({"a": 1})
if os.fork() == 0:
    print(os.getpid(), flush=True)
    signal.pause()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_lives_on_does_not_hide_its_parents_death(tmp_path):
    command = [sys.executable, "-c", ORPHANING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            assert process.wait() == -signal.SIGKILL
            (folder,) = (tmp_path / "steplog-runs").glob("2*")
            (writer,) = RunLog(str(folder)).writers()
            assert (writer["live"], writer["records"]) == (False, 2)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_bad_value_in_a_nested_dict_costs_only_itself(start, capfd):
    data = {"metrics": {"loss": 0.5, "img": object(), "deep": {"bad": b"\xff", "acc": 1}}}
    with start(config={"model": {"layers": 3, "act": b"\xff"}, "lr": 0.1}) as run:
        run.log(data)
        run.log({"sizes": {"large": "x" * (1 << 21), "small": 1, "more": {"k" * 2000: 1, "k": 2}}})
        run.summary["said"] = {"good": 1, "bad": object()}
        assert run.config.as_dict() == {"model": {"layers": 3}, "lr": 0.1}
        assert run.summary["said"].as_dict() == {"good": 1}
        assert run.status()["skipped"] == 6
    first, second = rows(run)
    assert first["metrics"] == {"loss": 0.5, "deep": {"acc": 1}}
    assert second["sizes"] == {"small": 1, "more": {"k": 2}}
    said = capfd.readouterr().err
    for path in ("metrics.img", "metrics.deep.bad", "sizes.large", "model.act", "said.bad"):
        assert f"'{path}' is not recorded" in said


def test_automatic_keys_are_not_the_users_but_for_the_time(start):
    with start() as run:
        run.log({"a": 1, "_step": 100, "_runtime": 7.0, "_timestamp": 1234.5, "_label": "x"})
        run.log({"a": 2, "_timestamp": "noon", "_own": 3})
    first, second = rows(run)
    assert (first["_step"], first["_timestamp"], first["a"]) == (0, 1234.5, 1)
    assert first["_runtime"] < 7.0
    assert "_label" not in first
    assert (second["_own"], second["_timestamp"] > 1e9) == (3, True)
    assert run.status()["skipped"] == 1
    assert run.summary["_timestamp"] == second["_timestamp"]


@pytest.mark.parametrize(
    "name", ["id", "project", "entity", "group", "config", "summary", "settings"]
)
def test_what_a_run_has_from_its_start_cannot_be_set(start, name):
    with start() as run:
        before = getattr(run, name)
        with pytest.raises(AttributeError, match=f"run.{name} cannot be set"):
            setattr(run, name, "other")
        assert getattr(run, name) is before
        run.name = "other"
    assert run.name == "other"


@pytest.mark.parametrize("tags", [b"x", bytearray(b"x"), {"a": 1}])
def test_tags_are_texts(start, tags):
    with pytest.raises(steplog.ArgumentTypeError, match="tags must be texts"):
        start(tags=tags)


def test_many_values_that_cannot_be_stored_are_not_as_many_lines(start, capsys):
    with start() as run:
        for _ in range(2):
            run.log({"kept": 1, **{f"k{number}": object() for number in range(1000)}})
        assert run.status()["skipped"] == 2000
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 110
    assert "900 more values of one call are not recorded" in "".join(lines)


@pytest.mark.parametrize("tags", ["", ["a", ""], 5, ["x" * 65]])
def test_tags_that_cannot_be_set_later_change_nothing(start, tags, capsys):
    with start(tags=["kept"]) as run:
        run.tags = tags
        assert run.tags == ("kept",)
    assert "the tags stay as they were" in capsys.readouterr().err
    with start(settings={"strict": True}) as run, pytest.raises(steplog.UsageError):
        run.tags = tags


class Meddler:
    """An array; while it is read, another thread changes what holds it."""

    shape = ()

    def __init__(self, meddle):
        self.meddle = meddle

    def item(self):
        self.meddle()
        return 0.5

    tolist = item


@pytest.mark.parametrize("place", [lambda it: it, lambda it: {"a": it}, lambda it: {"a": [it]}])
def test_a_dict_that_changes_while_it_is_logged_is_recorded_as_it_was(start, place):
    def meddle():
        del values["last"]
        values["new"] = values["newer"] = 9

    values = {"loss": Meddler(meddle), "last": 3}
    with start() as run:
        run.log(place(values))
        assert run.status()["skipped"] == 0
    (row,) = rows(run)
    assert {**row, **place({"loss": 0.5, "last": 3})} == row
    assert "new" not in row


class Interrupted:
    """What another thread changes while it is walked the first time."""

    def __iter__(self):
        for number, item in enumerate(super().__iter__()):  # type: ignore[misc]  # of the other base
            if number and not vars(self).get("is_changed"):
                self.is_changed = True
                raise RuntimeError("it has changed during iteration")
            yield item


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", [dict, collections.UserDict, collections.deque, set])
def test_a_copy_that_is_interrupted_is_taken_again(start, kind, *, nested):
    values = type(kind.__name__, (Interrupted, kind), {})({"a": 1, "b": np.float32(2)})
    nested = nested or kind in {collections.deque, set}
    with start() as run:
        run.log({"v": values} if nested else values)
    (row,) = rows(run)
    found = row["v"] if nested else row
    assert {"a", "b"} <= set(found)


def test_keys_that_change_while_their_step_is_refused_are_named(start, capsys):
    class Values(Interrupted, collections.OrderedDict[str, int]):
        """Values of another thread."""

    values = Values(a=1, b=2)
    with start() as run:
        run.log(values, step=-1)
    assert "the values a, b are not recorded" in capsys.readouterr().err


def test_a_stderr_that_fails_stops_no_call(tmp_path, monkeypatch):
    class Broken:
        def write(self, _):
            raise RuntimeError("no stderr")

        flush = isatty = write
        encoding = object()

    monkeypatch.setattr(sys, "stderr", Broken())
    with steplog.init(dir=str(tmp_path), mode="offline") as run:
        run.log({"a": object(), "b": 1})
        run.log({"a": 1}, step=-1)
    assert [row["b"] for row in rows(run)] == [1]


def test_fields_of_an_object_cost_only_themselves(start, capfd):
    @dataclasses.dataclass
    class Point:
        x: int
        y: object

    with start() as run:
        run.log({"point": Point(1, object()), "view": memoryview(b"x"), "ok": 2})
    (row,) = RunLog(run.sync_dir).rows()
    assert (row["point"], row["ok"]) == ({"x": 1}, 2)
    said = capfd.readouterr().err
    assert "'point.y' is not recorded: a value of type object cannot be stored" in said
    assert "'view' is not recorded: a value of type memoryview cannot be stored" in said


def test_a_copy_of_the_summary_is_a_dict(start):
    with start() as run:
        run.log({"a": {"b": 1}})
        for made in (copy.copy(run.summary), copy.deepcopy(run.summary)):
            assert type(made) is dict
            assert made["a"] == {"b": 1}
        assert pickle.loads(pickle.dumps(run.summary))["a"] == {"b": 1}  # noqa: S301


def test_a_disabled_run_takes_calls_that_are_not_there_yet():
    with steplog.init(mode="disabled") as run:
        assert run.save("x") == []
        assert run.link_model("x", "y") is None
        assert run.use_model("x") is None
        artifact: Any = run.log_artifact("x")
        assert artifact.wait() is artifact
