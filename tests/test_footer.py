"""What a run says on stderr when it begins and ends."""

from __future__ import annotations

import io
import math
import pathlib
import sys
from unittest.mock import ANY

import pytest

import steplog
from steplog._footer import footer, sparkline


@pytest.fixture
def start(tmp_path):
    def init(**settings):
        return steplog.init(dir=str(tmp_path), mode="offline", settings=settings)

    return init


def said(capsys):
    return [line.removeprefix("steplog: ") for line in capsys.readouterr().err.splitlines()]


def test_a_run_begins_with_its_folder_and_ends_with_what_it_has_come_to(start, capsys):
    with start() as run:
        run.define_metric("acc", summary="max")
        for step in range(100):
            run.log({"loss": 99 - step, "acc": step / 100, "n": {"x": math.nan}, "tag": "a"})
        run.summary["best"] = 0.123456789
    first, *middle, last = said(capsys)
    assert (run.name in first, run.sync_dir in first) == (True, True)
    assert f"steplog sync {run.sync_dir}" in last
    assert [line.split() for line in middle] == [
        ["acc", ANY, "max", "0.99"],
        ["loss", ANY, "0"],
        ["best", "0.123457"],
        ["n.x", "nan"],
        ["tag", "a"],
    ]
    rising, falling = (line.split()[1] for line in middle[:2])
    assert rising == "".join(sorted(rising))
    assert falling[::-1] == "".join(sorted(falling))
    assert (rising[0], rising[-1], falling[0], falling[-1]) == ("▁", "█", "█", "▁")
    assert 20 <= len(rising) <= 40


def test_rows_of_one_form_and_of_many_come_to_the_same_lines(start, capsys):
    lines = []
    for extra in ({}, {"odd": None}):
        with start() as run:
            for step in range(1000):
                run.log({"a": math.sin(step / 90), "b": step, **(extra if step % 2 else {})})
        lines.append([line for line in said(capsys) if line.startswith("  ")])
    assert [line.split() for line in lines[0]] == [
        line.split() for line in lines[1] if "odd" not in line
    ]


@pytest.mark.parametrize("setting", ["quiet", "silent"])
def test_a_quiet_run_says_nothing(start, capsys, setting):
    with start(**{setting: True}) as run:
        run.log({"a": 1})
        run.log({"a": 2})
    assert said(capsys) == []


def test_a_stderr_without_the_letters_has_no_curves(start, monkeypatch):
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    with start() as run:
        run.log({"a": 1})
        run.log({"a": 2})
    assert b"steplog:   a    2\n" in stderr.buffer.getvalue()


def test_many_keys_are_counted(start, capsys):
    with start() as run:
        run.log({f"k{number:02}": number for number in range(25)})
    assert [line for line in said(capsys) if line.startswith("  ")][-1] == "  and 15 more"


def test_a_curve_of_any_finite_numbers_is_drawn():
    assert sparkline([-1.7e308, 1.7e308]) == "▁█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([0.1, 0.1 + 1e-17, 0.09999999999999998]) == "▁▁▁"
    assert sparkline([1e300, 1.0000000000000002e300]) == "▁▁"
    assert sparkline([math.inf, 0.0, -math.inf, math.nan]) == "█▅▁▅"


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_near_the_greatest_end_a_run_well(start, capsys, sign):
    with start() as run:
        for step in range(129):
            run.log({"x": 1.7e308 * (sign if step < 65 else 1), "flat": 0.1})
    lines = capsys.readouterr().err.splitlines()
    drawn = [line.split() for line in lines if " flat " in line or " x " in line]
    curves = {key: curve for _, key, curve, *_ in drawn}
    assert set(curves["flat"]) == {"▁"}
    assert len(curves["x"]) == len(curves["flat"])
    assert footer([("a", [1.0])], {}, drawn=True) == []


def test_a_folder_that_is_gone_is_not_offered_for_syncing(start, tmp_path, capsys):
    with start() as run:
        run.log({"a": 1})
        pathlib.Path(run.sync_dir).rename(tmp_path / "elsewhere")
    last = said(capsys)[-1]
    assert "the folder is gone" in last
    assert "steplog sync" not in last
