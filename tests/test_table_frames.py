"""DataFrames of pandas and polars and tables of Arrow, as tables and logged as they are."""

from __future__ import annotations

import datetime as dt
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steplog
from steplog._core import RunLog

UTC = dt.timezone.utc
ROWS = 2_500
"""More than a block of rows, and no multiple of one."""


def rows_of(run) -> list[dict[str, Any]]:
    return list(RunLog(run.sync_dir).rows())


@pytest.fixture
def logged(start, media_of):
    """Logs a frame; gives the table of its file, and the types of the columns by their names."""

    def log(frame, **arguments):
        with start(**({"settings": {"strict": True}} | arguments)) as run:
            run.log({"f": frame})
        (row,) = rows_of(run)
        table = json.loads(media_of(run.sync_dir)[row["f"]["path"]])
        assert row["f"]["_type"] == "table-file"
        assert (row["f"]["nrows"], row["f"]["ncols"]) == (table["nrows"], table["ncols"])
        kinds = table["column_types"]["params"]["type_map"]
        return table, {name: spelled(kind) for name, kind in kinds.items()}

    return log


def spelled(kind):
    params = kind.get("params", {})
    if kind["wb_type"] == "union":
        return "|".join(spelled(one) for one in params["allowed_types"])
    if kind["wb_type"] == "list":
        return f"list[{spelled(params['element_type'])}]"
    return kind["wb_type"]


def columns_of(table):
    return {name: [row[at] for row in table["data"]] for at, name in enumerate(table["columns"])}


PLAIN: dict[str, list[Any]] = {
    "int": [2**53 + 1, -1, 3],
    "float": [0.1, -0.0, 1e300],
    "text": ["a", "ü\n", ""],
    "flag": [True, False, True],
}
MAKERS: dict[str, Any] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "batch": pa.RecordBatch.from_pydict,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_plain_columns_are_exact(logged, make):
    repeated = {name: (cells * ROWS)[:ROWS] for name, cells in PLAIN.items()}
    table, kinds = logged(make(repeated))
    assert columns_of(table) == repeated
    assert str(table["data"][1][1]) == "-0.0"
    assert kinds == {
        "int": "none|number",
        "float": "none|number",
        "text": "none|string",
        "flag": "boolean|none",
    }


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_missing_values_are_null(logged, make):
    table, kinds = logged(make({name: [*cells, None] for name, cells in PLAIN.items()}))
    columns = columns_of(table)
    assert columns["text"] == [*PLAIN["text"], None]
    assert columns["flag"] == [*PLAIN["flag"], None]
    assert kinds["flag"] == "boolean|none"
    if make is pd.DataFrame:  # there a gap is NaN
        assert math.isnan(columns["float"][3])
    else:
        assert columns["float"] == [*PLAIN["float"], None]
        assert columns["int"] == [*PLAIN["int"], None]


MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MILLIS = 1767323045678.901


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"t": [MOMENT, None]}),
        pd.DataFrame({"t": [MOMENT.replace(tzinfo=None), None]}),
        pd.DataFrame({"t": [MOMENT.astimezone(dt.timezone(dt.timedelta(hours=9))), None]}),
        pd.DataFrame({"t": [MOMENT, None]}, dtype=object),
        pl.DataFrame({"t": [MOMENT, None]}),
        pl.DataFrame({"t": [MOMENT, None]}).with_columns(pl.col("t").dt.cast_time_unit("ns")),
        pa.table({"t": [MOMENT, None]}),
        pa.table({"t": pa.array([MOMENT, None], pa.timestamp("ns"))}),
        pa.record_batch({"t": pa.array([MOMENT, None], pa.timestamp("us", "Asia/Tokyo"))}),
    ],
)
def test_moments_are_milliseconds_of_utc(logged, frame):
    table, kinds = logged(frame)
    assert table["data"] == [[MILLIS], [None]]
    assert kinds == {"t": "none|timestamp"}


def test_dates_and_durations_of_each_library(logged):
    day, span = dt.date(1970, 1, 3), dt.timedelta(seconds=1.5)
    frames = [
        pl.DataFrame({"d": [day, None], "s": [span, None]}),
        pa.table({"d": [day, None], "s": [span, None]}),
        pa.table({"d": pa.array([day, None], pa.date64()), "s": [span, None]}),
    ]
    for number, frame in enumerate(frames):
        table, kinds = logged(frame, id=f"r{number}")
        assert table["data"][0] == [172_800_000, 1.5]
        assert table["data"][1][0] is None
        assert kinds == {"d": "none|timestamp", "s": "none|number"}


def test_a_duration_that_is_missing_is_null(logged):
    spans = [dt.timedelta(seconds=1.5), pd.NaT]
    series = [
        pd.Series(spans, dtype="m8[ns]"),
        pd.Series(spans, dtype="m8[s]").astype("m8[ms]"),
        pd.Series(spans, dtype=object),
        pd.Series([spans[0], None], dtype=pd.ArrowDtype(pa.duration("us"))),
    ]
    for number, (one, first) in enumerate(zip(series, (1.5, 1, 1.5, 1.5), strict=True)):
        table, kinds = logged(pd.DataFrame({"s": one}), id=f"r{number}")
        assert table["data"] == [[first], [None]]
        assert kinds == {"s": "none|number"}
    cell = np.array([[1500, "NaT"], [2000, 0]], "m8[ms]")
    table, _ = logged(steplog.Table(columns=["a"], data=[[cell]]), id="cell")
    assert table["data"] == [[[[1.5, None], [2.0, 0.0]]]]


def test_columns_of_pandas_of_other_types(logged):
    frame = pd.DataFrame(
        {
            "nullable": pd.array([2**62 + 1, None], dtype="Int64"),
            "category": pd.Categorical(["x", None]),
            "number": pd.Categorical([3, 4]),
            "arrow": pd.Series([[1, 2], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "mixed": [1, "a"],
            "lists": [[1], [2, 3]],
            "nan": ["t", float("nan")],
            "images": [steplog.Image(np.zeros((2, 2))), None],
            "half": np.array([1.5, 2], np.float16),
            "span": pd.to_timedelta([1, 2], unit="s"),
            5: [1, 2],
        }
    )
    table, kinds = logged(frame)
    columns = columns_of(table)
    image, _ = columns.pop("images")
    assert image["_type"] == "image-file"
    assert columns == {
        "nullable": [2**62 + 1, None],
        "category": ["x", None],
        "number": [3, 4],
        "arrow": [[1, 2], None],
        "mixed": [1, "a"],
        "lists": [[1], [2, 3]],
        "nan": ["t", None],
        "half": [1.5, 2.0],
        "span": [1.0, 2.0],
        "5": [1, 2],
    }
    assert kinds["category"] == "none|string"
    assert kinds["number"] == "none|number"
    assert kinds["mixed"] == "none|number|string"
    assert kinds["lists"] == "list[number]|none"
    assert kinds["images"] == "image-file|none"


def test_nested_columns_of_arrow_and_polars(logged):
    cells = {"l": [[1, 2], None], "s": [{"a": 1}, {"a": 2}]}
    for number, make in enumerate((pa.table, pl.DataFrame)):
        table, kinds = logged(make(cells), id=f"r{number}")
        assert columns_of(table) == cells
        assert kinds == {"l": "list[number]|none", "s": "none|typedDict"}
    dictionary = pa.table({"d": pa.array(["x", "y", "x"]).dictionary_encode()})
    assert columns_of(logged(dictionary, id="d")[0]) == {"d": ["x", "y", "x"]}
    decimals = pa.table({"d": pa.array([1], pa.decimal128(5, 2))})
    assert columns_of(logged(decimals, id="e")[0]) == {"d": ["1.00"]}


def test_a_frame_is_as_it_was_when_it_was_logged(start, media_of):
    frames = [
        pd.DataFrame({"n": np.arange(ROWS), "o": [[0]] * ROWS, "s": ["a"] * ROWS}),
        pl.DataFrame({"n": range(ROWS)}),
    ]
    with start(settings={"strict": True}) as run:
        for frame in frames:
            run.log({"f": frame})
        frames[0].loc[:, "n"] = -1
        frames[0].loc[0, "s"] = "b"
        frames[0]["o"][0].append(1)
        frames[1][0, "n"] = -1
    rows = rows_of(run)
    tables = [json.loads(media_of(run.sync_dir)[row["f"]["path"]]) for row in rows]
    assert [row[0] for row in tables[0]["data"]] == list(range(ROWS))
    assert tables[0]["data"][0] == [0, [0], "a"]
    assert [row[0] for row in tables[1]["data"]] == list(range(ROWS))


def test_frames_stand_in_dicts_and_lists(start):
    frame = pd.DataFrame({"a": [1]})
    with start(settings={"strict": True}) as run:
        run.log({"deep": {"er": frame}, "list": [frame, pl.DataFrame({"a": [1]})]})
    (row,) = rows_of(run)
    assert row["deep"]["er"]["path"].startswith("media/table/er_0_")
    assert [one["_type"] for one in row["list"]] == ["table-file"] * 2


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_table_of_a_frame_is_one_as_others(make):
    table = steplog.Table(dataframe=make(PLAIN))
    assert table.data == [list(row) for row in zip(*PLAIN.values(), strict=True)]
    table.add_data(*(5, 5.5, "five", False))
    table.add_column("more", [1, 2, 3, 4])
    assert table.get_column("text") == [*PLAIN["text"], "five"]
    with pytest.raises(TypeError):
        table.add_data(*("x", 1, "a", True, 1))
    rows = list(zip(*PLAIN.values(), strict=True))
    assert steplog.Table(data=make(PLAIN)) == steplog.Table(list(PLAIN), rows)


def test_moments_of_a_frame_are_moments_in_the_table(logged):
    naive = MOMENT.replace(tzinfo=None)
    for number, make in enumerate((pd.DataFrame, pl.DataFrame, pa.table)):
        table = steplog.Table(dataframe=make({"t": [naive, None]}))
        assert table.data == [[naive], [None]]
        assert table.get_dataframe()["t"][0] == naive
        assert logged(table, id=f"r{number}")[0]["data"] == [[MILLIS], [None]]


def test_a_table_becomes_a_frame():
    table = steplog.Table(["a", "b"], [[1, "x"], [2, None]])
    frame = table.get_dataframe()
    assert list(frame.columns) == ["a", "b"]
    assert frame["a"].tolist() == [1, 2]
    assert list(steplog.Table(["a"]).get_dataframe().columns) == ["a"]


def test_a_frame_with_two_columns_of_one_name_is_skipped_and_told(start, capsys):
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with start() as run:
        run.log({"f": frame, "n": 1})
    (row,) = rows_of(run)
    assert row["n"] == 1
    assert "f" not in row
    assert "two columns have the name 'a'" in capsys.readouterr().err


def test_no_library_of_frames_is_imported_for_a_table(tmp_path):
    code = (
        "import sys, steplog\n"
        "run = steplog.init(dir=sys.argv[1], mode='offline', settings={'quiet': True})\n"
        "run.log({'t': steplog.Table(['a'], [[1], [None]])})\n"
        "run.finish()\n"
        "print([m for m in ('pandas', 'polars', 'pyarrow', 'numpy') if m in sys.modules])\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"
