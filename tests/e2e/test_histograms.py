"""Histograms over the steps of runs, as few as the screen can show."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from arro3.io import read_ipc_stream

import steplog

PATH = "/projects/local/p/histograms:query"
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}


@pytest.fixture(scope="module")
def values():
    random = np.random.default_rng(2)
    return [random.normal(step / 10, 1, 500) for step in range(60)]


@pytest.fixture
def logged(server, online, values):
    with online("r") as run:
        for sample in values:
            run.log({"h": steplog.Histogram(sample), "loss": 1})
        run.log({"h": steplog.Image(np.zeros((2, 2), np.uint8))})
    with online("s") as run:
        run.log({"h": steplog.Histogram([1.0, np.nan, np.inf, -np.inf, np.nan])})
    return server


def ask(server, runs=("r",), **asked):
    return server.get(PATH, {"runs": {"ids": list(runs)}, "key": "h", **asked})


def test_where_there_is_room_every_step_is_there_as_it_was_logged(logged, values):
    found = ask(logged)
    columns = found["columns"]
    assert (found["dx"], columns["step"], columns["last"]) == (1, [*range(60)], [*range(60)])
    assert columns["merged"] == [1] * 60
    assert found["series"] == [{"i": 0, "run": "r", "label": "", "skipped": 1}]
    rows = logged.rows("r")
    for step in range(60):
        assert columns["edges"][step] == rows[step]["h"]["bins"]
        assert columns["counts"][step] == rows[step]["h"]["values"]
        exact = np.percentile(values[step], [1, 25, 50, 75, 99], method="inverted_cdf")
        width = columns["edges"][step][1] - columns["edges"][step][0]
        for name, value in zip(("p01", "p25", "p50", "p75", "p99"), exact, strict=True):
            assert abs(columns[name][step] - value) <= 1.01 * width


@pytest.mark.parametrize("px", [1, 3, 12, 50, 100])
def test_with_less_room_steps_are_merged_and_no_count_is_lost(logged, values, px):
    found = ask(logged, px=px, max_bins=40)
    columns = found["columns"]
    assert len(columns["step"]) <= max(1, px // 3)
    assert sum(columns["merged"]) == 60
    assert sum(map(sum, columns["counts"])) == 60 * 500
    for first, last, merged, counts, edges in zip(
        *(columns[name] for name in ("step", "last", "merged", "counts", "edges")), strict=True
    ):
        assert first // found["dx"] == last // found["dx"]
        assert sum(counts) == merged * 500
        assert len(edges) == len(counts) + 1 <= 41
        sample = np.concatenate(values[first : last + 1])
        assert (edges[0], edges[-1]) == (sample.min(), sample.max())


def test_a_range_some_runs_and_what_is_not_finite(logged):
    found = ask(logged, runs=("s", "r", "none"), range=[0, 3])
    columns = found["columns"]
    assert [one["run"] for one in found["series"]] == ["s", "r"]
    assert (columns["s"], columns["step"]) == ([0, 1, 1, 1, 1], [0, 0, 1, 2, 3])
    assert [columns[name][0] for name in ("nan", "inf", "neg_inf")] == [2, 1, 1]
    assert ask(logged, range=[1.2, 1.8])["columns"]["step"] == []
    assert ask(logged, key="none")["series"] == ask(logged, runs=())["series"] == []


def test_the_same_comes_as_arrow(logged):
    body = {"runs": {"ids": ["r", "s"]}, "key": "h", "px": 30}
    status, headers, data = logged.ask(f"/api/v1{PATH}", body, headers=ARROW)
    assert (status, headers["Content-Type"]) == (200, ARROW["Accept"])
    table = read_ipc_stream(io.BytesIO(data)).read_all()
    found = ask(logged, runs=("r", "s"), px=30)
    columns = {
        name: [None if value == "NaN" else value for value in column]
        for name, column in found["columns"].items()
    }
    assert table.column_names == list(columns)
    for name, column in columns.items():
        assert table[name].to_pylist() == column, name
    header = json.loads(table.schema.metadata[b"panel"])
    assert header == {name: found[name] for name in header}


def test_what_cannot_be_asked_for_is_named(logged):
    for field, asked in (
        ("key", {"key": 3}),
        ("x", {"x": "wall"}),
        ("px", {"px": 0}),
        ("max_bins", {"max_bins": 513}),
        ("range", {"range": [2, 1]}),
        ("runs", {"runs": []}),
    ):
        body = {"runs": {"ids": ["r"]}, "key": "h", **asked}
        status, _, data = logged.ask(f"/api/v1{PATH}", body)
        assert (status, json.loads(data)["field"]) == (400, field)
