"""What `init` takes and refuses, and how settings win over each other."""

from __future__ import annotations

import asyncio
import copy
import enum
import errno
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import numpy as np
import pytest

import steplog
from steplog._core import RunLog


class Colour(enum.Enum):
    RED = "red"


def identity(run):
    return RunLog(run.sync_dir).writers()[0]["start"]


def test_numbers_among_the_facts_are_spelled(start):
    with start(name=5, group=3, notes=1.5, job_type=Colour.RED, tags=["a", 2]) as run:
        pass
    said = identity(run)
    assert (said["name"], said["group"], said["notes"]) == ("5", "3", "1.5")
    assert (said["job_type"], said["tags"]) == ("red", ["a", "2"])


def test_text_that_is_no_text_is_made_whole(start):
    with start(name="a\ud800", tags="one") as run:
        pass
    assert (identity(run)["name"], identity(run)["tags"]) == ("a\ufffd", ["one"])


def test_a_folder_that_no_system_has_is_refused():
    with pytest.raises(steplog.UsageError, match="NUL"):
        steplog.init(dir="a\0b", mode="offline")


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ["x"]},
        {"notes": {}},
        {"tags": 5},
        {"tags": [None, []]},
        {"id": 5},
        {"project": 5},
        {"entity": b"x"},
        {"save_code": "x"},
        {"save_code": 2},
        {"settings": {"label": 5}},
        {"settings": {"quiet": "yes"}},
        {"settings": {"fsync_secs": True}},
        {"settings": {"api_key": 5}},
    ],
    ids=str,
)
def test_other_types_are_refused_before_anything_is_made(start, tmp_path, arguments):
    with pytest.raises(steplog.ArgumentTypeError):
        start(**arguments)
    assert not (tmp_path / "steplog-runs").exists()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("console", ': it is a setting, settings={"console": …} or STEPLOG_CONSOLE'),
        ("run_tags", ': it is a setting, settings={"run_tags": …} or STEPLOG_TAGS'),
        ("colour", ""),
    ],
)
def test_a_setting_as_an_argument_is_refused_with_how_it_is_set(tmp_path, argument, said):
    unknown: Any = {argument: "redirect"}
    with pytest.raises(TypeError) as refused:
        steplog.init(mode="offline", dir=tmp_path, **unknown)
    assert str(refused.value) == f"init() got an unexpected keyword argument {argument!r}" + said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "run_id", ["", " a", "..", "a/b", "a\x7f", "a\x85", "a\u2028", "a\ud800", "x" * 128], ids=repr
)
def test_ids_that_no_server_takes_are_refused(start, run_id):
    with pytest.raises(steplog.UsageError, match="run id"):
        start(id=run_id)


def test_a_key_that_no_header_can_hold_is_refused():
    for key in ("a\nb", "é", "", "a b"):
        with pytest.raises(steplog.UsageError, match="api_key"):
            steplog.Api(api_key=key)


@pytest.mark.parametrize("flag", [np.True_, 1, np.False_, 0], ids=repr)
def test_flags_of_numpy_and_of_c_close_a_row_or_not(start, flag):
    with start() as run:
        run.log({"a": 1}, commit=flag)
        assert run.step == bool(flag)
        run.log({"b": 1})
    assert RunLog(run.sync_dir).row_count == 1 + bool(flag)


def test_a_run_that_is_over_leaves_those_of_other_contexts_alone(start):
    def other():
        run = start(project="two")
        running.set()
        assert finished.wait(20)
        steplog.log({"x": 1})
        run.finish()
        return run

    running, finished = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with start(project="one") as mine:
            found = pool.submit(other)
            assert running.wait(20)
        steplog.finish()
        assert steplog.run is None
        with pytest.raises(steplog.UsageError, match="there is no run"):
            steplog.log({"mine": 1})
        finished.set()
        theirs = found.result()
    assert [row["x"] for row in RunLog(theirs.sync_dir).rows()] == [1]
    assert RunLog(mine.sync_dir).row_count == 0


@pytest.mark.parametrize("place", [{"commit": 5}, {"step": 1.5}], ids=str)
def test_a_wrong_step_or_commit_logs_nothing(start, place):
    with start() as run:
        with pytest.raises(steplog.ArgumentTypeError):
            run.log({"a": 1}, **place)
        run.log({"long": np.longdouble(0.5)})
    assert [row["long"] for row in RunLog(run.sync_dir).rows()] == [0.5]


def test_settings_must_be_settings(tmp_path):
    with pytest.raises(steplog.ArgumentTypeError, match="settings must be"):
        steplog.init(dir=str(tmp_path), settings=5)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("copied", [lambda it: it, copy.copy, copy.deepcopy])
def test_what_is_given_wins_over_the_environment_also_when_it_is_the_default(
    tmp_path, monkeypatch, copied
):
    monkeypatch.setenv("STEPLOG_MODE", "disabled")
    monkeypatch.setenv("STEPLOG_PROJECT", "elsewhere")
    given = copied(steplog.Settings(mode="online", api_key="sesame", finish_timeout_secs=0.0))
    assert "sesame" not in repr(given)
    with steplog.init(dir=tmp_path, settings=given) as run:
        assert (run.settings.mode, run.project) == ("online", "elsewhere")
    with steplog.init(dir=tmp_path) as run:
        assert run.settings.mode == "disabled"


def test_a_value_of_config_or_summary_that_cannot_be_stored_costs_itself_only(start, capfd):
    with start(config={"a": b"\xff", "b": 1, "c": np.full(100, "x")}) as run:
        run.summary.update({"bad": object(), "good": 2})
        assert dict(run.config) == {"b": 1}
        assert dict(run.summary) == {"good": 2}
    said = capfd.readouterr().err
    assert all(f"'{key}' is not recorded" in said for key in ("a", "c", "bad"))
    assert RunLog(run.sync_dir).config() == {"b": 1}
    with start(settings={"strict": True}) as run, pytest.raises(steplog.UsageError, match="'a'"):
        run.config.a = b"\xff"


def test_what_is_read_of_config_and_summary_is_a_copy(start):
    with start(config={"a": {"b": 1}, "l": [1]}) as run:
        run.config.a["b"] = 2
        run.config.as_dict()["a"]["b"] = 3
        run.config["l"].append(2)
        run.log({"x": [1]})
        run.summary["x"].append(2)
        run.summary.as_dict()["x"].append(3)
        assert run.config.as_dict() == {"a": {"b": 1}, "l": [1]}
        assert run.summary["x"] == [1]


def test_a_summary_of_many_keys_is_read_in_one_pass(start):
    with start() as run:
        run.log({f"k{number}": number for number in range(5_000)})
        assert dict(run.summary) | {} == run.summary.as_dict()
        run.log({"k0": 7})
        assert run.summary["k0"] == 7


def test_a_thread_logs_to_the_run_of_its_process(start):
    run = start()
    thread = threading.Thread(target=lambda: steplog.log({"a": 1}))
    thread.start()
    thread.join()
    steplog.finish()
    with pytest.raises(steplog.UsageError, match="no run"):
        steplog.log({"a": 1})
    assert [row["a"] for row in RunLog(run.sync_dir).rows()] == [1]


async def test_a_disabled_run_takes_every_call(tmp_path):
    async with steplog.init(dir=str(tmp_path), mode="disabled") as run:
        await run.alog({"a": 1}, ack="disk")
        await run.alog({"a": 2}, ack="server")
        run.flush()
        await run.aflush()
        assert run.summary["a"] == 2
    assert not list(tmp_path.iterdir())


def test_the_module_stands_for_the_current_run(start):
    assert steplog.run is None
    with pytest.raises(steplog.UsageError, match="init"):
        _ = steplog.config.lr
    run = start(config={"lr": 0.1})
    assert id(steplog.run) == id(run)
    steplog.config.batch = 32
    steplog.log({"loss": 1.0})
    steplog.summary["best"] = 0.5
    assert (steplog.summary["loss"], run.config.batch) == (1.0, 32)
    steplog.finish()
    assert steplog.run is None
    assert RunLog(run.sync_dir).summary()["best"] == 0.5


async def test_tasks_with_a_run_each_do_not_mix(start):
    async def work(number):
        async with start(id=f"run{number}") as run:
            for step in range(50):
                steplog.log({"a": number * 100 + step})
                await anyio.lowlevel.checkpoint()
        folders[number] = run.sync_dir

    folders: dict[int, str] = {}
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(work, number)
    for number, folder in folders.items():
        values = [row["a"] for row in RunLog(folder).rows()]
        assert values == [number * 100 + step for step in range(50)]


def test_arguments_that_do_nothing_yet_say_so_once(tmp_path, capsys):
    idle: dict[str, Any] = {
        "force": True,
        "monitor_gym": True,
        "tensorboard": False,
    }
    rest: dict[str, Any] = {"anonymous": "never", "sync_tensorboard": None}
    with steplog.init(dir=tmp_path, mode="dryrun", **idle, **rest):
        pass
    said = capsys.readouterr().err
    warning = "warning: init(force=True, monitor_gym=True) does nothing yet"
    assert said.count(warning) == said.count("nothing yet") == 1
    with steplog.init(dir=tmp_path, mode="offline", settings={"silent": True}, **idle):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tags", [[""], "", ["a", None]], ids=str)
def test_an_empty_tag_is_refused(start, tags):
    with pytest.raises(steplog.UsageError, match="tag must not be empty"):
        start(tags=tags)


def test_the_module_lists_its_public_names_alone():
    assert [name for name in dir(steplog) if not name.startswith("__")] == sorted(
        set(steplog.__all__) - {"__version__"}
    )


def test_names_that_are_not_there_yet_say_so():
    with pytest.raises(steplog.UsageError, match=r"steplog\.EvalTable is not there yet"):
        from steplog import EvalTable  # noqa: F401, PLC0415
    with pytest.raises(AttributeError):
        _ = steplog.nothing


def test_a_value_that_is_too_large_costs_itself_only(start, capfd):
    large = "x" * 1_100_000
    with start(config={"prompt": large, "lr": 1, "d": {"k" * 2_000: 1}}) as run:
        run.config.update({"big": large, "ok": 2})
        run.summary.update({"note": "x" * 14_000_000, "best": 3})
        assert dict(run.config) == {"lr": 1, "ok": 2}
        assert dict(run.summary) == {"best": 3}
    assert "'prompt' is not recorded" in capfd.readouterr().err
    assert RunLog(run.sync_dir).config() == {"lr": 1, "ok": 2}


def test_nothing_is_left_of_a_run_that_cannot_start(start, tmp_path):
    for arguments in ({"notes": "x" * 1_100_000}, {"settings": {"label": "a\n"}}):
        with pytest.raises(steplog.UsageError):
            start(**arguments)
    for seconds in (1e20, float("inf"), -1):
        with pytest.raises(steplog.UsageError, match="fsync_secs"):
            start(settings={"fsync_secs": seconds})
    assert not (tmp_path / "steplog-runs").exists()


@pytest.mark.parametrize("resume", [None, "allow", "auto"])
def test_where_the_working_directory_is_gone_the_temporary_folder_is_taken(
    tmp_path, monkeypatch, capsys, *, resume
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone.rmdir()
    with steplog.init(mode="offline", id=f"r-{resume}", resume=resume) as run:
        run.log({"a": 1})
    assert RunLog(run.sync_dir).row_count == 1
    assert pathlib.Path(run.sync_dir).parent == tmp_path / f"steplog-runs-{os.getuid()}"
    assert "cannot write steplog-runs" in capsys.readouterr().err


def test_where_there_is_no_temporary_folder_init_says_so(tmp_path, monkeypatch):
    def find():
        raise FileNotFoundError(errno.ENOENT, "no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", find)
    (tmp_path / "file").touch()
    with pytest.raises(steplog.StorageError, match="nor a temporary folder"):
        steplog.init(mode="offline", dir=str(tmp_path / "file"))


def test_an_init_while_a_run_is_active_gives_that_one_or_what_is_asked_for(start, capfd):
    first = start(name="one", settings={"quiet": False})
    assert start(name="two") is first
    assert "run one is not finished, so init() has returned it" in capfd.readouterr().err
    assert start(reinit=False) is first
    beside = start(reinit="create_new", name="beside")
    assert steplog.run == first
    beside.log({"b": 1})
    second = start(reinit="finish_previous")
    assert steplog.run == second
    assert (first.is_finished, beside.is_finished) == (True, False)
    third = start(reinit=True)
    assert second.is_finished
    third.finish()
    beside.finish()
    assert start() is not third
    steplog.finish()
    with pytest.raises(steplog.UsageError, match="reinit must be one of"):
        start(reinit="sometimes")


def test_runs_of_tasks_and_threads_do_not_mix(start):
    async def work(number):
        async with start(name=f"task{number}") as run:
            for step in range(20):
                await steplog.alog({"number": number, "step": step})
                await asyncio.sleep(0)
            assert steplog.summary["number"] == number
            return run.sync_dir

    async def main():
        return await asyncio.gather(*(work(number) for number in range(3)))

    def run_in_thread():
        folders.append(asyncio.run(work(9)))

    folders = asyncio.run(main())
    thread = threading.Thread(target=run_in_thread)
    thread.start()
    thread.join()
    for number, folder in zip([0, 1, 2, 9], folders, strict=True):
        rows = list(RunLog(folder).rows())
        assert [(row["number"], row["step"]) for row in rows] == [
            (number, step) for step in range(20)
        ]


def test_a_misspelled_attribute_of_a_run_is_not_lost_in_silence(start):
    with start() as run, pytest.raises(AttributeError):
        run.sumary = 1


def test_a_sub_interpreter_is_refused():
    code = """
try:
    import _interpreters as inner
except ImportError:
    import _xxsubinterpreters as inner
inner.run_string(inner.create(), '''
try:
    import steplog
except ImportError as error:
    print(error)
''')
import steplog
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("steplog cannot be used in a sub-interpreter"), done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_name_of_blanks_is_the_id(start, blank):
    with start(id="r", name=blank) as run:
        assert run.name == "r"
        run.name = blank
        assert run.name == "r"
