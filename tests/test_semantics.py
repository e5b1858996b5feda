"""Programs of calls come to the rows and the summary that the reference makes of them."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from steplog._core import RunLog

CASES = json.loads((pathlib.Path(__file__).parent / "semantics-cases.json").read_text())["cases"]
AUTOMATIC = {"_timestamp", "_runtime", "_wandb"}


def same(ours, theirs):
    """Whether values are equal; the reference keeps neither -0.0 nor the type of whole floats."""
    if isinstance(theirs, dict):
        return (
            isinstance(ours, dict)
            and set(ours) == set(theirs)
            and all(same(ours[key], theirs[key]) for key in theirs)
        )
    if isinstance(theirs, list):
        return (
            isinstance(ours, list)
            and len(ours) == len(theirs)
            and all(same(one, other) for one, other in zip(ours, theirs, strict=True))
        )
    if isinstance(theirs, float) and math.isnan(theirs):
        return isinstance(ours, float) and math.isnan(ours)
    return isinstance(ours, bool) == isinstance(theirs, bool) and ours == theirs


def run_program(run, calls):
    for name, *arguments in calls:
        if name == "log":
            data, step, commit = arguments
            run.log(data, step=step, commit=commit)
        elif name == "define":
            key, summary = arguments
            run.define_metric(key, summary=summary)
        else:
            key, value = arguments
            run.summary[key] = value


def differences(ours, theirs):
    keys = (ours.keys() | theirs.keys()) - AUTOMATIC
    differ = [key for key in keys if not same(ours.get(key), theirs.get(key))]
    return [(key, ours.get(key), theirs.get(key)) for key in differ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_program_of_the_reference_comes_out_the_same(start, case):
    run = start()
    run_program(run, [*case["calls"], ["log", {}, None, True]])
    seen = run.summary.as_dict()
    run.finish()
    log = RunLog(run.sync_dir)
    rows, summary = list(log.rows()), log.summary()
    # Of program 111 no rows are on record, only what they come to.
    for ours, theirs in zip(rows, case["rows"] or rows, strict=True):
        assert differences(ours, theirs) == []
    assert rows[-1]["_step"] == summary["_step"]
    assert differences(summary, case["summary"]) == []
    assert differences(seen, summary) == []
