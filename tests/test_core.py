"""The extension at its edge: what is logged is in the folder, value for value."""

from __future__ import annotations

import math
import os
import pathlib
import signal
import subprocess
import sys
from typing import cast

import pytest

from steplog import _core
from steplog._errors import ArgumentTypeError, RunClosedError

CHILD = """
import os, signal, sys
from steplog import _core
writer = _core.Writer(
    sys.argv[1] + "/wal/w", run="r", writer="w", start={"run": "r"}, mapped=sys.argv[2] == "1",
    late_steps=False, strict=False, fsync_millis=1000, heartbeat_millis=10000,
    batch_bytes=1 << 20, base_url=None, entity="local", project="p", api_key=None, keys_file="none",
)
for step in range(3000):
    writer.log({"a": step, "b": step / 7})
os.kill(os.getpid(), signal.SIGKILL)
"""


def open_writer(run_dir):
    return _core.Writer(
        str(run_dir / "wal" / "w"),
        run="r",
        writer="w",
        start={"run": "r"},
        mapped=True,
        late_steps=False,
        strict=False,
        fsync_millis=1000,
        heartbeat_millis=10_000,
        batch_bytes=1 << 20,
        base_url=None,
        entity="local",
        project="p",
        api_key=None,
        keys_file="none",
    )


def finish(writer):
    writer.begin_finish(0, 5.0)
    assert writer.join(10.0)


def test_every_value_comes_back_exactly(tmp_path):
    values = {
        "nan": math.nan,
        "inf": math.inf,
        "zero": -0.0,
        "tiny": 5e-324,
        "int": 2**53 + 1,
        "max": 2**63 - 1,
        "big": 10**30,
        "none": None,
        "flag": True,
        "text": "é",
        "list": [1, 1.0, [None]],
        "n": {"x": 1, "y.z": 2},
    }
    writer = open_writer(tmp_path)
    assert writer.log(values).skipped == []
    finish(writer)
    (row,) = list(_core.RunLog(tmp_path).rows())
    assert math.isnan(cast("float", row.pop("nan")))
    del values["nan"]
    assert repr({key: row[key] for key in values}) == repr(values)


def test_step_rules_refuse_only_smaller_steps(tmp_path):
    writer = open_writer(tmp_path)
    writer.log({"a": 1}, 10)
    writer.log({"b": 2})
    assert writer.log({"a": 3}, 10).refused == (10, 11)
    finish(writer)
    (row,) = list(_core.RunLog(tmp_path).rows())
    assert (row["_step"], row["a"], row["b"]) == (10, 1, 2)
    with pytest.raises(RunClosedError):
        writer.log({"a": 1})


def test_bad_arguments_are_named_and_cost_nothing(tmp_path):
    writer = open_writer(tmp_path)
    with pytest.raises(ArgumentTypeError, match="step"):
        writer.log({"a": 1}, 1.5)
    with pytest.raises(ArgumentTypeError, match="str keys"):
        writer.log({1: 1})
    assert writer.log({"a": object()}).convert
    assert writer.log({"a": "x" * (2 << 20), "b": 1}).skipped == [("a", "the value is over 1 MiB")]
    assert writer.summary()["b"] == 1
    finish(writer)


@pytest.mark.parametrize("mapped", ["1", "0"])
def test_sigkill_loses_no_record_that_was_logged(tmp_path, mapped):
    child = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), mapped], check=False)
    assert child.returncode == -signal.SIGKILL
    log = _core.RunLog(tmp_path)
    rows = [(row["_step"], row["a"], row["b"]) for row in log.rows()]
    assert rows == [(step, step, step / 7) for step in range(3000)]
    (writer,) = log.writers()
    assert not writer["live"]
    assert writer["exit_code"] is None
    assert writer["damage"] == []


def test_a_forked_child_never_writes_into_its_parents_log(tmp_path):
    writer = open_writer(tmp_path)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if writer.is_forked else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not writer.is_forked
    finish(writer)


def test_a_folder_in_place_of_a_segment_is_damage_and_the_rest_is_read(start):
    with start() as run:
        for number in range(10):
            run.log({"a": number})
    (log,) = (pathlib.Path(run.sync_dir) / "wal").iterdir()
    (log / "00000002.wal").mkdir()
    (writer,) = _core.RunLog(run.sync_dir).writers()
    damage = cast("list[tuple[pathlib.Path, int, str]]", writer["damage"])
    assert [(path.name, at) for path, at, _ in damage] == [("00000002.wal", 0)]
    assert _core.RunLog(run.sync_dir).row_count == 10
