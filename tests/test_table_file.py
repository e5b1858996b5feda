"""What is stored of a table: its file byte for byte, its row, and what each log mode writes."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import enum
import hashlib
import json
import pathlib
import sys
import threading
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import steplog
from steplog._core import RunLog

NUMBER = {"wb_type": "number"}
STRING = {"wb_type": "string"}
NONE = {"wb_type": "none"}


def optional(kind):
    both = sorted([NONE, kind], key=lambda one: one["wb_type"])
    return {"wb_type": "union", "params": {"allowed_types": both}}


def rows_of(run) -> list[dict[str, Any]]:
    return list(RunLog(run.sync_dir).rows())


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value, **arguments):
        with start(**({"settings": {"strict": True}} | arguments)) as run:
            run.log({"t": value})
        (row,) = rows_of(run)
        return row["t"], media_of(run.sync_dir)

    return log


@pytest.fixture
def cells_of(logged):
    """Logs a table of the cells in one column; gives them as its file has them."""

    def log(*cells, **arguments):
        value, files = logged(steplog.Table(["c"], [[cell] for cell in cells], **arguments))
        table = json.loads(files[value["path"]])
        return [row[0] for row in table["data"]]

    return log


def test_the_file_is_the_documented_one_byte_for_byte(logged):
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=dt.timezone.utc)
    table = steplog.Table(["n", 'té"xt', "when"], [[1, "a\n", when], [-0.0, None, None]])
    value, files = logged(table)
    content = (
        '{"_type":"table","columns":["n","té\\"xt","when"],"column_types":{"wb_type":"typedDict",'
        '"params":{"type_map":{"n":{"wb_type":"union","params":{"allowed_types":['
        '{"wb_type":"none"},{"wb_type":"number"}]}},"té\\"xt":{"wb_type":"union","params":'
        '{"allowed_types":[{"wb_type":"none"},{"wb_type":"string"}]}},"when":{"wb_type":"union",'
        '"params":{"allowed_types":[{"wb_type":"none"},{"wb_type":"timestamp"}]}}}}},"ncols":3,'
        '"nrows":2,"log_mode":"IMMUTABLE","data":[[1,"a\\n",1767323045678.9],[-0.0,null,null]]}'
    ).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    assert files == {value["path"]: content}
    assert value == {
        "_type": "table-file",
        "path": f"media/table/t_0_{sha256[:20]}.table.json",
        "sha256": sha256,
        "size": len(content),
        "ncols": 3,
        "nrows": 2,
        "log_mode": "IMMUTABLE",
    }


def test_the_example_of_the_docs_is_what_is_written(logged):
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=dt.timezone.utc)
    rows = [['größe "1"', 1, when], [None, -0.0, None]]
    value, files = logged(steplog.Table(["prompt", "score", "when"], rows))
    docs = pathlib.Path(__file__).parent.parent / "docs" / "tables.md"
    assert f"\n{files[value['path']].decode()}\n" in docs.read_text()


def test_a_table_without_rows_or_columns_has_a_file(logged):
    for table in (steplog.Table(["a"]), steplog.Table([])):
        value, files = logged(table)
        assert json.loads(files[value["path"]])["data"] == []
        assert (value["nrows"], value["ncols"]) == (0, len(table.columns))


def test_numbers_are_exact(cells_of):
    numbers: list[Any] = [
        True + 0,
        -(2**63),
        2**64,
        10**400,
        1.0,
        1e16,
        5e-324,
        0.1,
        -0.0,
        float("inf"),
    ]
    numbers += [np.float64(0.1), np.float32(1.1), np.int8(-3), np.uint64(2**64 - 1), np.float16(2)]
    found = cells_of(*numbers)
    expected = [*numbers[:11], float(np.float32(1.1)), -3, 2**64 - 1, 2.0]
    assert found == expected
    assert [type(one) for one in found] == [
        float if isinstance(one, float) else int for one in expected
    ]
    assert str(found[8]) == "-0.0"


def test_nan_is_kept_among_numbers_and_is_null_elsewhere(cells_of):
    found = cells_of(1.0, float("nan"), None)
    assert (found[0], str(found[1]), found[2]) == (1.0, "nan", None)
    assert cells_of("a", float("nan")) == ["a", None]
    flags = [True, float("nan")]
    assert cells_of(*flags) == [True, None]
    assert cells_of(float("nan"), None, "late") == [None, None, "late"]


def test_moments_are_milliseconds_of_utc(cells_of):
    east = dt.timezone(dt.timedelta(hours=9))
    moments = [
        dt.datetime(1970, 1, 1, 0, 0, 1),  # noqa: DTZ001  # it names no zone: UTC
        dt.datetime(1970, 1, 1, 9, 0, 0, 1500, tzinfo=east),
        dt.date(1970, 1, 2),
        np.datetime64("1970-01-01T00:00:00.000001"),
        np.datetime64("1969-12-31"),
        np.datetime64("NaT"),
        dt.datetime.max.replace(tzinfo=dt.timezone.utc),
        dt.datetime.min.replace(tzinfo=dt.timezone.utc),
    ]
    found = cells_of(*moments)
    assert found[:6] == [1000, 1.5, 86_400_000, 0.001, -86_400_000, None]
    assert [type(one) for one in found[:3]] == [int, float, int]
    assert found[6] == 253402300799999.999
    assert found[7] == -62135596800000


class Colour(enum.Enum):
    RED = "red"


def test_other_types_are_what_rows_make_of_them(cells_of):
    unique = uuid.UUID(int=5)
    cells = [
        [1, (2, 3)],
        {"a": [1.5], 2: {"b": None}},
        {1},
        np.arange(6, dtype="f4").reshape(2, 3),
        np.arange(100),
        np.array(["2026-01-01"], "M8[D]"),
        decimal.Decimal("1.50"),
        unique,
        pathlib.Path("/a/b"),
        dt.timedelta(seconds=90),
        Colour.RED,
        b"bytes",
        1j,
        "\ud800",
    ]
    assert cells_of(*cells, allow_mixed_types=True) == [
        *([1, [2, 3]], {"a": [1.5], "2": {"b": None}}, [1]),
        *([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], list(range(100)), [1767225600000]),
        *("1.50", str(unique), "/a/b", 90.0, "red", "bytes", "1j", "\ufffd"),
    ]


class Raises:
    def __str__(self):
        raise ValueError("no text")


class Thing:
    def __str__(self):
        return "a thing"


@pytest.fixture
def _few_digits():
    """Integers have as many digits as Python allows by itself; a library may allow more."""
    allowed = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(4300)
    yield
    sys.set_int_max_str_digits(allowed)


@pytest.mark.usefixtures("_few_digits")
def test_a_cell_that_cannot_be_read_costs_only_itself(logged, capsys):
    cyclic: list[object] = []
    cyclic.append(cyclic)
    table = steplog.Table(["a", "b"], allow_mixed_types=True)
    table.add_data(Raises(), 1)
    table.add_data(cyclic, 2)
    table.add_data(10**5000, 3)
    table.add_data(b"\xff\x00", 4)
    table.add_data(Thing(), 5)
    table.add_data(Thing(), 6)
    value, files = logged(table, settings={"quiet": True})
    data = json.loads(files[value["path"]])["data"]
    encoded = base64.b64encode(b"\xff\x00").decode()
    assert data == [[None, 1], [None, 2], [None, 3], [encoded, 4], ["a thing", 5], ["a thing", 6]]
    said = capsys.readouterr().err
    assert "table 't': column 'a' is null where reading it fails: ValueError: no text" in said
    assert "it nests deeper than 64" in said
    assert "base64" in said
    assert said.count("type Thing: their str() is stored") == 1


def test_media_in_cells_keep_their_files(logged):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    rows = [[i, steplog.Image(pixels + i, caption=f"{i}"), steplog.Html(f"<p>{i}")] for i in (0, 1)]
    value, files = logged(steplog.Table(["i", "im age", "page"], [*rows, [2, None, None]]))
    table = json.loads(files[value["path"]])
    for number, image, page in table["data"][:2]:
        assert image["_type"] == "image-file"
        assert image["path"].startswith("media/images/t/im age_0_")
        assert files[image["path"]].startswith(b"\x89PNG")
        assert image["caption"] == str(number)
        assert files[page["path"]].decode().endswith(f"<p>{number}")
    assert table["data"][2] == [2, None, None]
    kinds = table["column_types"]["params"]["type_map"]
    assert kinds["im age"]["params"]["allowed_types"] == [{"wb_type": "image-file"}, NONE]


def test_histograms_in_cells_stand_there(cells_of):
    (found,) = cells_of(steplog.Histogram(np.arange(5000.0), num_bins=2))
    assert found == {"_type": "histogram", "values": [2500, 2500], "bins": [0.0, 2499.5, 4999.0]}


def test_a_list_of_tables_is_a_list(logged):
    value, files = logged([steplog.Table(["a"], [[1]]), steplog.Table(["a"], [[2]])])
    assert [json.loads(files[one["path"]])["data"] for one in value] == [[[1]], [[2]]]


def test_odd_keys_stay_below_the_folder(start, media_of):
    with start() as run:
        run.log({"../x": steplog.Table(["../y"], [[steplog.Html("a")]])})
    names = sorted(media_of(run.sync_dir))
    assert [name.rsplit("_", 2)[0] for name in names] == [
        *("media/html/__/x/__/y", "media/table/__/x"),
    ]


@pytest.mark.parametrize("name", ["\x00", "a\nb", "\u2028", "🙂", "x" * 5000, '"\\'])
def test_columns_have_any_names(logged, name):
    value, files = logged(steplog.Table([name], [[1]]))
    table = json.loads(files[value["path"]])
    assert table["columns"] == [name]
    assert table["column_types"]["params"]["type_map"] == {name: optional(NUMBER)}


# ---- log modes ----------------------------------------------------------------------------------


def rows_and_files(run, media_of):
    rows = [row["t"] for row in rows_of(run) if "t" in row]
    files = media_of(run.sync_dir)
    return rows, [json.loads(files[row["path"]])["data"] for row in rows]


def test_an_immutable_table_is_as_it_was_first_logged(start, media_of, capsys):
    table = steplog.Table(["a"], [[1]])
    with start() as run:
        for cell in (2, 3):
            run.log({"t": table})
            table.add_data(cell)
        run.flush()
        table.add_data(4)
        run.log({"t": table})
    rows, data = rows_and_files(run, media_of)
    assert data == [[[1]]] * 3
    assert [row["nrows"] for row in rows] == [1, 1, 1]
    said = capsys.readouterr().err
    assert said.count('log_mode="MUTABLE"') == 1


def test_a_mutable_table_is_written_again_after_each_change(start, media_of):
    table = steplog.Table(["a"], [[1]], log_mode="MUTABLE")
    with start(settings={"strict": True}) as run:
        run.log({"t": table})
        run.flush()
        run.log({"t": table})
        table.add_data(2)
        run.log({"t": table})
        table.add_column("b", [3, 4])
        run.log({"t": table})
    rows, data = rows_and_files(run, media_of)
    assert data == [[[1]], [[1]], [[1], [2]], [[1, 3], [2, 4]]]
    assert rows[0]["path"] == rows[1]["path"] != rows[2]["path"]
    assert {row["log_mode"] for row in rows} == {"MUTABLE"}


def test_an_incremental_table_writes_what_was_added(start, media_of):
    table = steplog.Table(["a"], [[1]], log_mode="INCREMENTAL")
    with start(settings={"strict": True}) as run:
        run.log({"t": table})
        table.add_data(2)
        table.add_data(3)
        run.log({"t": table})
        run.flush()
        run.log({"t": table})
        table.add_data(4)
        run.log({"t": table})
    rows, data = rows_and_files(run, media_of)
    assert data == [[[1]], [[2], [3]], [[2], [3]], [[4]]]
    assert [row["increment_num"] for row in rows] == [0, 1, 1, 2]
    paths = [row["path"] for row in rows]
    assert [row["previous_increments_paths"] for row in rows] == [
        *([], paths[:1], paths[:1], [paths[0], paths[1]]),
    ]
    assert {row["_type"] for row in rows} == {"incremental-table-file"}
    assert rows[3]["nrows"] == 1


def test_every_row_of_an_incremental_table_is_stored_once_whoever_comes_first(start, media_of):
    table = steplog.Table(["a"], log_mode="INCREMENTAL")
    with start(settings={"strict": True}) as run:
        for number in range(300):
            table.add_data(number)
            run.log({"t": table})
    rows, _ = rows_and_files(run, media_of)
    files = media_of(run.sync_dir)
    last = max(rows, key=lambda row: row["increment_num"])
    paths = [*last["previous_increments_paths"], last["path"]]
    stored = [cell for path in paths for (cell,) in json.loads(files[path])["data"]]
    assert stored == list(range(300))


def test_an_incremental_table_starts_anew_in_another_run_and_under_another_key(start, media_of):
    table = steplog.Table(["a"], [[1]], log_mode="INCREMENTAL")
    for number in range(2):
        with start(settings={"strict": True}, id=f"r{number}") as run:
            run.log({"t": table, "u": table})
        (row,) = rows_of(run)
        assert [row[key]["increment_num"] for key in "tu"] == [0, 0]
        assert len(media_of(run.sync_dir)) == 2


def test_only_rows_can_be_added_to_an_incremental_table():
    table = steplog.Table(["a"], [[1]], log_mode="INCREMENTAL")
    changes = [
        lambda: table.add_column("b", [1]),
        lambda: table.cast("a", int),
        lambda: table.add_computed_columns(lambda _, row: {"b": row["a"]}),
    ]
    for change in changes:
        with pytest.raises(steplog.UsageError, match="incremental table"):
            change()


def test_a_table_may_be_changed_right_after_log(start, media_of):
    rows: list[Any] = [[number, [number]] for number in range(3000)]
    table = steplog.Table(["a", "b"], rows, log_mode="MUTABLE")
    expected = json.loads(json.dumps(rows))
    with start(settings={"strict": True}) as run:
        run.log({"t": table})
        for row in rows:
            row[1].append(0)
            row.clear()
        table.add_data(1, [1])
        table.add_column("c", [0] * 3001)
    _, data = rows_and_files(run, media_of)
    assert data == [expected]


def test_rows_that_another_thread_adds_to_meanwhile_are_whole():
    rows = [[0, "a"]]
    is_over = threading.Event()

    def add():
        while not is_over.is_set():
            rows.append([len(rows), "b"])
            del rows[1000:]

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(50):
            table = steplog.Table(["n", "t"], rows)
            assert all(len(row) == 2 for row in table.data)
    finally:
        is_over.set()
        thread.join()


# ---- round trip ---------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_COLUMNS = [
    st.integers() | st.floats(allow_nan=False),
    st.booleans(),
    _TEXTS,
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3),
    _JSON,
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.lists(st.tuples(*(st.none() | column for column in _COLUMNS)), max_size=5),
    one_by_one=st.booleans(),
)
def test_what_was_put_in_is_in_the_file(start, media_of, *, data, one_by_one):
    names = [f"c{number}" for number in range(len(_COLUMNS))]
    table = steplog.Table(names, None if one_by_one else data, dtype=[None] * 5 + [object])
    if one_by_one:
        for row in data:
            table.add_data(*row)
    with start(settings={"strict": True}) as run:
        run.log({"t": table})
    (row,) = rows_of(run)
    stored = json.loads(media_of(run.sync_dir)[row["t"]["path"]])["data"]
    # As text: 1, 1.0 and True are not the same.
    assert repr(stored) == repr([list(row) for row in data])
