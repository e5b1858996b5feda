"""Histograms in a run's log."""

from __future__ import annotations

import math

import numpy as np
import pytest

import steplog
from steplog._core import RunLog


@pytest.fixture
def logged(start):
    """Logs a value; gives what its row says."""

    def log(value):
        with start(settings={"strict": True}) as run:
            run.log({"h": value})
        (row,) = RunLog(run.sync_dir).rows()
        return row["h"]

    return log


def test_a_histogram_is_what_the_reference_makes_of_it(logged):
    assert logged(steplog.Histogram([1, 2, 3], num_bins=3)) == {
        "_type": "histogram",
        "values": [1, 1, 1],
        "bins": [1, 1.6666666666666665, 2.333333333333333, 3],
    }


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, np.float32], ids=str)
def test_any_sequence_of_numbers(logged, kind):
    numbers = np.random.default_rng(3).normal(size=500)
    found = logged(steplog.Histogram(kind(numbers)))
    counts, edges = np.histogram(np.asarray(list(kind(numbers)), np.float64), bins=64)
    assert found == {"_type": "histogram", "values": counts.tolist(), "bins": edges.tolist()}


def test_a_large_array_is_counted_later_as_it_was(start):
    numbers = np.random.default_rng(3).normal(size=(100, 1000))
    counts, edges = np.histogram(numbers, bins=512)
    with start() as run:
        histogram = steplog.Histogram(numbers, num_bins=512)
        numbers[:] = 0
        run.log({"h": histogram})
    (row,) = RunLog(run.sync_dir).rows()
    assert row["h"] == {"_type": "histogram", "values": counts.tolist(), "bins": edges.tolist()}
    assert (histogram.histogram, histogram.bins) == (counts.tolist(), edges.tolist())


@pytest.mark.parametrize("density", [False, True])
def test_what_numpy_has_counted(logged, density):
    counted = np.histogram([1.0, 2.0, 2.0, 5.0], bins=4, density=density)
    expected = {
        "_type": "histogram",
        "values": counted[0].tolist(),
        "bins": counted[1].tolist(),
    }
    assert logged(steplog.Histogram(np_histogram=counted)) == expected
    assert logged(steplog.Histogram(counted)) == expected
    assert logged(steplog.Histogram(([1, 2], [0, 1, 2])))["bins"] == [0, 1, 2]


def test_nan_and_infinities_are_counted(logged):
    numbers = [1.0, math.nan, 2.0, math.inf, math.inf, -math.inf]
    found = logged(steplog.Histogram(numbers, num_bins=2))
    assert found == {
        "_type": "histogram",
        "values": [1, 1],
        "bins": [1.0, 1.5, 2.0],
        "nan": 1,
        "inf": 2,
        "neg_inf": 1,
    }


@pytest.mark.parametrize("numbers", [[], [math.nan]], ids=str)
def test_no_numbers_are_zeros_over_0_to_1(logged, numbers):
    found = logged(steplog.Histogram(numbers, num_bins=4))
    assert found.pop("nan", 0) == len(numbers)
    assert found == {
        "_type": "histogram",
        "values": [0] * 4,
        "bins": [0.0, 0.25, 0.5, 0.75, 1.0],
    }


def test_equal_numbers_and_huge_ones(logged):
    assert sum(logged(steplog.Histogram([3, 3]))["values"]) == 2
    assert sum(logged(steplog.Histogram([-1.7e308, 1.7e308]))["values"]) == 2


def test_a_list_of_histograms_is_a_list(logged):
    found = logged([steplog.Histogram([1, 2]), steplog.Histogram([3]), None])
    assert [value and value["_type"] for value in found] == ["histogram", "histogram", None]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, TypeError),
        ({"sequence": ["a"]}, TypeError),
        ({"sequence": [None, 1]}, TypeError),
        ({"sequence": 3}, TypeError),
        ({"sequence": [1], "num_bins": 513}, ValueError),
        ({"sequence": [1], "num_bins": 0}, ValueError),
        ({"np_histogram": ([1, 2], [1, 2])}, ValueError),
        ({"np_histogram": (range(513), range(514))}, ValueError),
        ({"np_histogram": 3}, ValueError),
        ({"np_histogram": ([1],)}, ValueError),
    ],
    ids=str,
)
def test_what_is_none_is_refused(arguments, kind):
    with pytest.raises(kind) as caught:
        steplog.Histogram(**arguments)
    assert isinstance(caught.value, steplog.UsageError)


def test_summary_and_config_have_the_value(start):
    with start() as run:
        run.summary["h"] = steplog.Histogram(np.arange(10_000.0), num_bins=2)
        run.config["h"] = steplog.Histogram([1, 2], num_bins=2)
        assert run.summary["h"]["values"] == [5000, 5000]
        assert run.config["h"]["values"] == [1, 1]
