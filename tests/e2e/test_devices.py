"""Samples of many devices as one picture, as numpy has it."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

PANEL = {"id": "heat", "runs": {"ids": ["r"]}, "agg": "devices", "px": 20}
GPUS, SAMPLES = 64, 60


def ask(server, **panel):
    (drawn,) = server.get("/projects/local/p/series:query", {"panels": [{**PANEL, **panel}]})[
        "panels"
    ]
    return drawn


def value_of(number, sample):
    if number == 3 and sample == 30:
        return math.nan
    return 100.0 if (number, sample) == (17, 44) else float((number * 7 + sample * 3) % 90)


@pytest.fixture
def sampled(server, online):
    """A run with some samples of 64 GPUs, each of which has a millisecond of its own."""
    with online("r") as run:
        writer = run._own_writer()
        for sample in range(SAMPLES):
            gpus = {f"gpu.{n}.gpu": value_of(n, sample) for n in range(GPUS)}
            temps = {f"gpu.{n}.temp": 60.0 for n in range(GPUS)}
            writer.put_sample({**gpus, **temps, "gpu.process.0.gpu": 1.0, "cpu": 2.0})
            run.log({"a": sample})
            run.flush()
            written = time.time_ns() // 1_000_000
            while time.time_ns() // 1_000_000 == written:
                pass
    return server


@pytest.mark.parametrize("x", ["wall", "relative"])
@pytest.mark.parametrize("share", [None, (0.25, 0.75)])
def test_devices_are_rows_of_buckets_as_numpy_has_them(sampled, x, share):
    each = [{"system": f"gpu.{n}.gpu"} for n in range(GPUS)]
    alone = ask(sampled, agg=None, series=each, x=x, px=20_000)
    assert alone["mode"] == "raw"
    points = {name: np.array(alone["columns"][name], float) for name in "sxy"}
    order = [one["metric"] for one in alone["series"]]
    lo, hi = points["x"].min(), points["x"].max()
    span = None if share is None else [lo + part * (hi - lo) for part in share]
    drawn = ask(sampled, series=[{"system": "gpu.*.gpu"}], x=x, range=span)
    assert (drawn["mode"], drawn["exact"], drawn["truncated"]) == ("devices", True, None)
    assert [one["device"] for one in drawn["series"]] == list(range(GPUS))
    assert [one["metric"] for one in drawn["series"]] == [f"gpu.{n}.gpu" for n in range(GPUS)]
    columns = drawn["columns"]
    assert set(columns) == {"s", "b", "min", "max", "mean", "n", "fl"}
    width, x0, nb = drawn["dx"], drawn["x0"], drawn["nb"]
    assert math.ceil(max((span or [lo, hi])[1] - (span or [lo, hi])[0], 1) / width) <= 2 * 20
    expected = []
    for number in range(GPUS):
        own = points["s"] == order.index(f"gpu.{number}.gpu")
        buckets = np.floor((points["x"][own] - x0) / width).astype(int)
        for bucket in sorted(set(buckets[(buckets >= 0) & (buckets < nb)])):
            values = points["y"][own][buckets == bucket]
            finite = values[np.isfinite(values)]
            figures = [finite.min(), finite.max(), finite.mean()] if len(finite) else [math.nan] * 3
            has_nan = int(np.isnan(values).any())
            expected.append([number, bucket, *figures, len(finite), has_nan])
    names = ("s", "b", "min", "max", "mean", "n", "fl")
    found = np.array([columns[name] for name in names], float).T
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-12)
    if share is None:
        assert (columns["max"].count(100.0), sum(columns["n"])) == (1, GPUS * SAMPLES - 1)
        assert [one["nan"] for one in drawn["series"]].index(1) == 3


def test_several_kinds_and_writers_are_told_apart(server, online):
    for label in ("b", "a"):
        with online("r", settings={"label": label}) as run:
            run._own_writer().put_sample(
                {"cpu.10.cpu_percent": 1.0, "cpu.9.cpu_percent": 2.0, "gpu.0.gpu": 3.0}
            )
    series = [{"system": "cpu.*.cpu_percent"}, {"system": "gpu.*.gpu"}]
    drawn = ask(server, series=series, x="relative")
    assert [(one["label"], one["metric"]) for one in drawn["series"]] == [
        (label, name)
        for label in ("a", "b")
        for name in ("gpu.0.gpu", "cpu.9.cpu_percent", "cpu.10.cpu_percent")
    ]
    assert ask(server, series=[{"system": "disk.*.x"}], x="wall")["series"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"agg": "mean"},
        {"agg": ["devices"]},
        {"series": [{"system": "gpu.0.gpu"}]},
        {"series": [{"system": "gpu.*.*"}]},
        {"series": [{"metric": "gpu.*.gpu"}]},
        {"group": {"by": ["run"]}},
        {"x": "step"},
    ],
)
def test_what_is_asked_wrongly_is_refused(server, online, wrong):
    with online("r") as run:
        run.log({"a": 1})
    panel = {**PANEL, "series": [{"system": "gpu.*.gpu"}], "x": "wall", **wrong}
    assert server.ask("/api/v1/projects/local/p/series:query", {"panels": [panel]})[0] == 400
