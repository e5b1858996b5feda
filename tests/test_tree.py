from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import steplog
from steplog._writer import RunLog


@dataclasses.dataclass
class Layer:
    kernel: Any
    bias: Any
    name: str = "dense"


class Pair(NamedTuple):
    mean: Any
    var: Any


def test_each_array_of_a_tree_has_its_histogram(start):
    ones = np.ones(3)
    tree: dict[str, Any] = {
        "encoder": [Layer(np.arange(10.0), None), {"scale": ones}],
        "norm": Pair(ones, (ones * 2, "x")),
        "count": 3,
    }
    with start() as run:
        run.log(steplog.histograms(tree, "parameters/", num_bins=5))
        tree["encoder"][0].kernel[:] = 0  # it has been taken over
    (row,) = RunLog(run.sync_dir).rows()
    assert {key for key in row if not key.startswith("_")} == {
        *("parameters/encoder.0.kernel", "parameters/encoder.1.scale"),
        *("parameters/norm.mean", "parameters/norm.var.0"),
    }
    stored: Any = row["parameters/encoder.0.kernel"]
    assert stored["values"] == [2, 2, 2, 2, 2]


def test_a_tree_without_end_is_refused():
    tree: dict[str, object] = {}
    tree["self"] = tree
    with pytest.raises(steplog.UsageError, match=r"nests deeper than 64: self\.self\.self"):
        steplog.histograms(tree)
    assert steplog.histograms(1.5) == {}
