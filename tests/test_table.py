"""Tables as objects: their constructor, the types of their columns, and their methods."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from typing import Any

import numpy as np
import pytest

import steplog
from steplog._core import RunLog
from steplog.data import table_columns


def kinds_of(table):
    """The types of the columns, by their short names."""
    return [spelled(kind) for kind in table._columns.kinds]


def spelled(kind):
    params = kind.get("params", {})
    if kind["wb_type"] == "union":
        return "|".join(spelled(one) for one in params["allowed_types"])
    return kind["wb_type"]


def kind_of(cell, **arguments):
    return kinds_of(steplog.Table(["a"], [[cell]], **arguments))[0]


def test_the_columns_have_the_references_default_names():
    table = steplog.Table()
    table.add_data("a", "b", 1)
    assert table.columns == ["Input", "Output", "Expected"]
    assert table.data == [["a", "b", 1]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([(1, 2), (3, 4)], [[1, 2], [3, 4]]),
        (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        ((range(at, at + 2) for at in (1, 3)), [[1, 2], [3, 4]]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([[1.5, 2.0]]), [[1.5, 2.0]]),
        (np.array([["a", None]], object), [["a", None]]),
    ],
)
def test_rows_come_in_lists_or_arrays(data, expected):
    assert steplog.Table(columns=["x", "y"], data=data).data == expected


def test_rows_is_an_older_name_of_data():
    assert steplog.Table(columns=["a"], rows=[[1]]).data == [[1]]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *((1, "none|number"), (1.5, "none|number"), (np.float32(1), "none|number")),
        *((np.int64(1), "none|number"), (True, "boolean|none"), (np.bool_(1), "boolean|none")),
        *(("a", "none|string"), (b"a", "none|string"), (None, "none|unknown")),
        *((dt.date(2026, 1, 1), "none|timestamp"), (np.datetime64("2026"), "none|timestamp")),
        *(([1], "list|none"), ((1, 2), "list|none"), ({1}, "list|none")),
        *(({"a": 1}, "none|typedDict"), (np.zeros(3), "ndarray|none")),
        *((object(), "none|pythonObject"), (steplog.Image(np.zeros((2, 2))), "image-file|none")),
        *((steplog.Html("a"), "html-file|none"), (steplog.Histogram([1]), "histogram|none")),
        *((float("nan"), "none|number"), (dt.timedelta(1), "none|number")),
    ],
)
def test_a_columns_type_is_that_of_its_first_cell(cell, expected):
    assert kind_of(cell) == expected
    table = steplog.Table(["a"])
    table.add_data(cell)
    assert kinds_of(table) == [expected]


def test_types_of_lists_dicts_and_arrays_say_what_is_in_them():
    table = steplog.Table(["l", "d", "a"], optional=False)
    table.add_data([1, 2], {"x": 1}, np.zeros((2, 3)))
    assert table._columns.kinds == [
        {
            "wb_type": "list",
            "params": {"element_type": {"wb_type": "number"}, "length": 2},
        },
        {"wb_type": "typedDict", "params": {"type_map": {"x": {"wb_type": "number"}}}},
        {"wb_type": "ndarray", "params": {"shape": [2, 3]}},
    ]
    table.add_data([1], {"y": "t"}, np.zeros(5))
    assert table._columns.kinds[0]["params"]["length"] is None
    assert spelled(table._columns.kinds[1]["params"]["type_map"]["x"]) == "none|number"
    assert table._columns.kinds[2]["params"]["shape"] is None


@pytest.mark.parametrize(
    ("first", "second"), [(1, "a"), ("a", 1), (True, 1), (1, True), ("a", [1]), ([1], {"a": 1})]
)
def test_types_do_not_mix(first, second):
    table = steplog.Table(["a", "b"], [[first, 1]])
    with pytest.raises(TypeError, match=r"column 'a' holds .*, got") as caught:
        table.add_data(second, 2)
    assert isinstance(caught.value, steplog.ArgumentTypeError)
    assert table.data == [[first, 1]]
    with pytest.raises(steplog.ArgumentTypeError):
        steplog.Table(["a"], [[first]] * 3000 + [[second]])


def test_mixed_types_are_taken_where_they_are_allowed():
    table = steplog.Table(["a"], [[1], ["a"]], allow_mixed_types=True)
    table.add_data([True])
    assert table.data == [[1], ["a"], [[True]]]
    assert kinds_of(table) == ["any"]


def test_dtype_and_optional_hold_for_one_or_all_columns():
    table = steplog.Table(["a", "b"], dtype=[int, str], optional=[True, False])
    table.add_data(1.5, "t")
    table.add_data(None, "t")
    with pytest.raises(TypeError, match="column 'b' holds string, got none"):
        table.add_data(1, None)
    with pytest.raises(TypeError, match="got string"):
        steplog.Table(["a"], [["x"]], dtype=float)
    assert kinds_of(steplog.Table(["a"], dtype=np.dtype("f4"))) == ["none|number"]
    assert kinds_of(steplog.Table(["a"], dtype=steplog.Image)) == ["image-file|none"]
    with pytest.raises(steplog.UsageError, match="optional has 1 entries for 2 columns"):
        steplog.Table(["a", "b"], optional=[True])
    with pytest.raises(steplog.ArgumentTypeError, match="dtype is a type"):
        steplog.Table(["a"], dtype="nonsense")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["a", "a"]}, "two columns have the name 'a'"),
        ({"columns": ["1", 1]}, "two columns have the name '1'"),
        ({"columns": [""]}, "must not be empty"),
        ({"columns": "abc"}, "columns is a list of names"),
        ({"columns": [1.5]}, "a text or an integer"),
        ({"columns": 5}, "columns is a list of names"),
        ({"columns": [None]}, "a text or an integer"),
        ({"columns": range(1_000_000)}, "at most 10,000 columns, got 1,000,000"),
        ({"columns": ["a"], "data": [[1], [1, 2]]}, "row 1 has 2 cells"),
        ({"columns": ["a"], "data": [1]}, "a row is a list of cells"),
        ({"columns": ["a"], "data": ["x"]}, "a row is a list of cells"),
        ({"columns": ["a"], "data": 5}, "data is a list of rows"),
        ({"columns": ["a"], "data": np.zeros(3)}, r"data must be \(rows, columns\), got \(3,\)"),
        ({"columns": ["a"], "log_mode": "immutable"}, "log_mode is one of"),
        ({"dataframe": [[1]]}, "dataframe is one of pandas, polars or Arrow"),
        ({"columns": ["a"], "data": [[steplog.Table()]]}, "cannot hold a Table"),
    ],
)
def test_a_mistake_is_told_at_once(arguments, message):
    with pytest.raises(steplog.UsageError, match=message):
        steplog.Table(**arguments)


def test_a_row_of_another_length_is_refused():
    table = steplog.Table(["a", "b"])
    with pytest.raises(ValueError, match=r"a row has 2 cells, for the columns \['a', 'b'\]; got 1"):
        table.add_data(1)
    assert len(table) == 0


def test_what_a_generator_of_rows_raises_comes_to_the_program():
    def rows():
        yield [1]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        steplog.Table(["a"], rows())


def test_cells_are_as_they_were_given():
    inner, array, fields = [1], np.zeros(3), {"a": [1]}
    table = steplog.Table(["l", "a", "d"], [[inner, array, fields]])
    table.add_data(inner, array, fields)
    inner.append(2)
    array[:] = 1
    fields["a"].append(2)
    for row in table.data:
        assert (row[0], row[1].tolist(), row[2]) == ([1], [0, 0, 0], {"a": [1]})


def test_columns_are_added():
    table = steplog.Table(["a"], [[1], [2]])
    table.add_column("b", ["x", "y"])
    table.add_column("c", np.array([1.5, 2.5]))
    table.add_column("d", [None, 1], optional=True)
    assert table.columns == ["a", "b", "c", "d"]
    assert table.data == [[1, "x", 1.5, None], [2, "y", 2.5, 1]]
    bad = [("a", [1, 2]), ("e", [1]), ("e", [1, "x"]), ("e", [1, None]), ("e", [None, None])]
    for name, cells in bad:
        with pytest.raises(steplog.UsageError):
            table.add_column(name, cells)
        assert table.columns == ["a", "b", "c", "d"]
        assert len(table.data[0]) == 4
    empty = steplog.Table([])
    empty.add_column("a", [1, 2])
    assert empty.data == [[1], [2]]


def test_columns_are_computed():
    table = steplog.Table(["a"], [[1], [2]])
    table.add_computed_columns(lambda at, row: {"b": row["a"] * 10, "c": at})
    assert table.data == [[1, 10, 0], [2, 20, 1]]
    with pytest.raises(steplog.UsageError, match="not the same for all rows"):
        table.add_computed_columns(lambda at, _: {f"d{at}": 1})
    with pytest.raises(steplog.UsageError, match="two columns"):
        table.add_computed_columns(lambda at, _: {"d": 1, "a": at})
    assert table.columns == ["a", "b", "c"]


def test_a_column_is_cast():
    table = steplog.Table(["a", "b"], [[1, "x"], [None, "y"]])
    table.cast("a", float, optional=True)
    assert kinds_of(table)[0] == "none|number"
    with pytest.raises(TypeError, match="holds number, got none"):
        table.cast("a", int)
    with pytest.raises(TypeError, match="holds number, got string"):
        table.cast("b", int)
    with pytest.raises(steplog.UsageError, match="no column 'z'"):
        table.cast("z", int)


def test_keys_of_tables_are_checked():
    table, other = steplog.Table(["a", "f"], [[1, 2.5]]), steplog.Table(["k"], [[[1]]])
    table.set_pk("a")
    table.set_fk("f", other, "k")
    with pytest.raises(steplog.UsageError, match="a key is numbers or texts"):
        other.set_pk("k")
    with pytest.raises(steplog.UsageError, match="no column"):
        table.set_fk("f", other, "z")
    with pytest.raises(TypeError, match="takes a Table"):
        table.set_fk("f", [], "k")  # type: ignore[arg-type]


def test_a_table_is_read():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) + 2
    table = steplog.Table(["a", "i"], [[1, steplog.Image(pixels)], [2, steplog.Image(pixels + 1)]])
    assert table.get_column("a") == [1, 2]
    assert table.get_column("a", convert_to="numpy").tolist() == [1, 2]
    images = table.get_column("i", convert_to="numpy")
    assert np.array_equal(images, [pixels, pixels + 1])
    assert [(int(at), row[0]) for at, row in table.iterrows()] == [(0, 1), (1, 2)]
    assert [index.get_row()["a"] for index in table.get_index()] == [1, 2]
    assert table.index_ref(1).get_row() == {"a": 2, "i": table.data[1][1]}
    with pytest.raises(steplog.UsageError, match="no row 2"):
        table.index_ref(2)
    with pytest.raises(steplog.UsageError, match="no column"):
        table.get_column("z")
    with pytest.raises(steplog.UsageError, match="convert_to"):
        table.get_column("a", convert_to="torch")
    assert repr(table) == "<Table of 2 rows: a, i>"


def test_tables_are_equal_by_content():
    def table(**changes):
        cells = {"n": 1, "x": float("nan"), "a": np.arange(3), "l": [1, {"k": 2.0}]} | changes
        image = steplog.Image(np.eye(3))
        return steplog.Table([*cells, "i"], [[*cells.values(), image]])

    assert table() == table()
    others: list[dict[str, Any]] = [
        {"n": 2},
        {"x": 0.0},
        {"a": np.arange(4)},
        {"l": [1]},
        {"more": 1},
    ]
    assert all(table() != table(**other) for other in others)
    assert table() != 5


def test_copies_stand_for_themselves(start):
    table = steplog.Table(["a", "l"], [[1, [2]]], log_mode="INCREMENTAL")
    others = [copy.deepcopy(table), pickle.loads(pickle.dumps(table))]  # noqa: S301  # our own
    with start(settings={"strict": True}) as run:
        run.log({"t": table})
        for other in others:
            other.add_data(2, [3])
            run.log({"t": other})
    assert len(table) == 1
    rows: list[Any] = list(RunLog(run.sync_dir).rows())
    assert [(row["t"]["nrows"], row["t"]["increment_num"]) for row in rows] == [
        *((1, 0), (2, 0), (2, 0)),
    ]


def test_each_column_of_a_wide_table_is_looked_at_once(monkeypatch):
    looked: list[object] = []
    find = table_columns._classes_of

    def look(kind):
        looked.append(kind)
        return find(kind)

    monkeypatch.setattr(table_columns, "_classes_of", look)
    width = table_columns.MOST_COLUMNS - 1
    table = steplog.Table([f"c{at}" for at in range(width)], [list(range(width))] * 100)
    table.add_data(*range(width))
    table.add_column("last", ["x"] * 101)
    assert len(looked) <= 2 * width + 1  # at first, and when its first cells come
    assert table.data[100][-2:] == [width - 1, "x"]
