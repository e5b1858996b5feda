"""Random programs of `log` calls, alike and unlike: each row and the summary come back."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import pathlib
import random
import uuid

import numpy as np
import pytest

import steplog
from steplog._core import RunLog

KEYS = ["loss", "acc", "lr", "epoch", "note", "grad/norm", "a.b"]


def value_of(chance, key):
    kinds = ["float", "int"] if chance.random() < 0.9 else ["text", "none", "bool", "big", "list"]
    if key == "note":
        kinds = ["text"]
    return {
        "float": lambda: chance.choice([chance.gauss(0, 1), math.nan, -0.0, math.inf, 5e-324]),
        "int": lambda: chance.choice([0, -1, chance.getrandbits(62), -(2**63), 2**63 - 1]),
        "text": lambda: chance.choice(["", "same", "é" * chance.randrange(40)]),
        "none": lambda: None,
        "bool": lambda: chance.random() < 0.5,
        "big": lambda: 10 ** chance.randrange(19, 60),
        "list": lambda: [1, 2.0, "x", None],
    }[chance.choice(kinds)]()


def next_row(chance, last):
    """Mostly the last row's keys in the last row's order, some of them as new objects."""
    row = {}
    keys = list(last) or chance.sample(KEYS, 4)
    if chance.random() < 0.1:
        keys = chance.sample(KEYS, chance.randrange(len(KEYS)))
    for key in keys:
        spelled = "".join(list(key)) if chance.random() < 0.2 else key
        row[spelled] = value_of(chance, key)
    if chance.random() < 0.1:
        row["sub"] = {"x": value_of(chance, "x"), "y": {"z": value_of(chance, "z")}}
    else:
        row.pop("sub", None)
    return row


@pytest.mark.parametrize("seed", range(20))
def test_rows_and_summary_come_back_whatever_repeats(tmp_path, seed):
    chance = random.Random(seed)
    with steplog.init(mode="offline", dir=str(tmp_path), settings={"quiet": True}) as run:
        row: dict[str, object] = {}
        expected: dict[str, object] = {}
        logged = []
        for _ in range(300):
            row = next_row(chance, row) if chance.random() < 0.97 else {"": 1, "loss": 0.5}
            run.log(row)
            kept = {key: value for key, value in row.items() if key}
            logged.append(kept)
            expected |= {
                key: value for key, value in kept.items() if value is not None and key != "sub"
            }
            if chance.random() < 0.02:
                run.summary["loss"] = expected["loss"] = "said so"
            if chance.random() < 0.05:
                seen = dict(run.summary.items())
                shown = {key: seen[key] for key in expected}
                assert repr(shown) == repr(expected)
        assert run.status()["rows"] == len(logged)
    rows = [
        {key: value for key, value in row.items() if not key.startswith("_")}
        for row in RunLog(run.sync_dir).rows()
    ]
    assert [repr(row) for row in rows] == [repr(row) for row in logged]


UTC = dt.timezone.utc
OTHERS = [
    (
        dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc),
        "2026-01-02T03:04:00+00:00",
    ),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (dt.timedelta(seconds=1.5), 1.5),
    (decimal.Decimal("0.10"), "0.10"),
    (fractions.Fraction(1, 3), "1/3"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (1 + 2j, "(1+2j)"),
    ({1}, [1]),
    (b"text", "text"),
    (np.float32(0.5), 0.5),
    (np.arange(3), [0, 1, 2]),
    (np.bool_(1), True),
    (np.datetime64("2024-01-02"), "2024-01-02"),
    (np.datetime64("2024-01-02T03:04:05", "s"), "2024-01-02T03:04:05"),
    (np.datetime64("2024-01-02T03:04:05", "ns"), "2024-01-02T03:04:05"),
    (np.datetime64("2024-01-02T03:04:05.25", "ns"), "2024-01-02T03:04:05.250000"),
    (np.datetime64("2024-01-02T03:04:05.000000001"), "2024-01-02T03:04:05.000000001"),
    (np.datetime64("20000-01-02"), "20000-01-02"),
    (np.datetime64("NaT", "ns"), None),
    (np.timedelta64(1500, "ms"), 1.5),
    (np.timedelta64(5_500_000_000, "ns"), 5.5),
    (np.timedelta64(2, "Y"), "2 years"),
    (
        np.array([["2024-01-02"], ["NaT"]], dtype="datetime64[ns]"),
        [["2024-01-02T00:00:00"], [None]],
    ),
    (np.array([1, 2], dtype="timedelta64[ns]"), [1e-9, 2e-9]),
    (np.zeros((0, 2), dtype="datetime64[ns]"), []),
]


@pytest.mark.parametrize(("value", "stored"), OTHERS, ids=lambda it: type(it).__name__)
def test_values_of_other_types_are_stored_as_documented(tmp_path, value, stored):
    with steplog.init(mode="offline", dir=str(tmp_path), settings={"quiet": True}) as run:
        run.log({"v": value})
    (row,) = RunLog(run.sync_dir).rows()
    assert repr(row["v"]) == repr(stored)


class NaTType(dt.datetime):
    """As pandas' `NaT`, which is a date by its type."""

    __module__ = "pandas._libs.tslibs.nattype"

    def isoformat(self, *_):
        return "NaT"


class NAType:
    """As pandas' `NA`."""

    __module__ = "pandas._libs.missing"


def test_what_is_missing_in_pandas_is_none(start):
    with start() as run:
        run.log({"date": NaTType(2024, 1, 1), "value": NAType(), "list": [NAType(), 1]})
    (row,) = RunLog(run.sync_dir).rows()
    found = {key: row[key] for key in ("date", "value", "list")}
    assert found == {"date": None, "value": None, "list": [None, 1]}
