"""`tables:query` against polars: whatever is asked of random rows, the answers are equal."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.e2e.raw_tables import raw

import steplog

QUERY = "/projects/local/p/tables:query"
ROWS = 400
LONG = 3_000
MANY = 30_000
COLUMNS = ("i", "f", "g", "s", "t", "b", "w")
NUMBERS, TEXTS = ("i", "f", "g"), ("s", "t")
KINDS = {"w": "timestamp"}


def some_rows():
    """Rows with missing values, NaN, infinities and equal ones."""
    chance = random.Random(5)

    def may(value, share=0.1):
        return None if chance.random() < share else value

    def number():
        odd = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300]
        return chance.choice(odd) if chance.random() < 0.2 else round(chance.gauss(0, 3), 1)

    texts = ["", "cat", "dog", "Dög", "a'b", "x\ny", "100%", "\\d", "ζ"]
    return [
        [
            may(chance.randint(-5, 5)),
            may(number()),
            may(chance.random()),
            may(chance.choice(texts)),
            chance.choice(texts[:3]),
            may(chance.random() < 0.5),
            may(chance.randint(0, 10) * 86_400_000),
        ]
        for _ in range(ROWS)
    ]


TABLE = some_rows()
SCHEMA = {
    "i": pl.Int64,
    "f": pl.Float64,
    "g": pl.Float64,
    "s": pl.String,
    "t": pl.String,
    "b": pl.Boolean,
    "w": pl.Int64,
}
FRAME = pl.DataFrame(TABLE, SCHEMA, orient="row").with_row_index("r")


def many_rows():
    """Rows of which each column has missing values; texts of all lengths, numbers with NaN."""
    chance = random.Random(9)
    odd = ["", "a'b", "x\ny", "\\", "\x00", "ζ" * 40, "ä"]

    def cells():
        yield chance.randrange(5)
        yield chance.choice([math.nan, math.inf, -math.inf, *[chance.gauss(0, 1)] * 7])
        yield chance.choice(odd) if chance.random() < 0.2 else f"the text {chance.random()}"
        yield chance.random() < 0.5
        yield chance.randrange(1 << 60)

    def row():
        return [None if chance.random() < 0.2 else cell for cell in cells()]

    return [[*row(), None] for _ in range(MANY)]


MANY_TABLE = many_rows()
MANY_SCHEMA = {
    "few": pl.Int64,
    "number": pl.Float64,
    "text": pl.String,
    "is": pl.Boolean,
    "whole": pl.Int64,
    "none": pl.Int64,
}
MANY_FRAME = pl.DataFrame(MANY_TABLE, MANY_SCHEMA, orient="row").with_row_index("r")


@pytest.fixture(scope="module")
def tables(running_server, tmp_path_factory):
    """A server with the run `r`: `all` is the table, `half` each second row, shuffled."""
    folder = tmp_path_factory.mktemp("tables")
    with running_server(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        told = {"base_url": server.url, "quiet": True}
        with steplog.init(project="p", dir=str(folder), id="r", settings=told) as run:
            run.log({"long": raw(["a"], [[number * 7919 % 101] for number in range(LONG)])})
            run.log({"all": raw(list(COLUMNS), TABLE, KINDS)})
            keyed = [[number, *row[1:3]] for number, row in enumerate(TABLE)]
            random.Random(1).shuffle(keyed)
            run.log({"left": raw(["id", "f", "g"], keyed[:250])})
            run.log({"right": raw(["id", "f", "h"], keyed[150:])})
            run.log({"many": raw(list(MANY_SCHEMA), MANY_TABLE)})
        yield server


def ask(server, **body):
    return server.get(QUERY, {"sources": [{"run": "r", "key": "all"}], "limit": ROWS, **body})


def columns_of(answer):
    """By name: the cells, floats as they were."""
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return {
        column["name"]: [special.get(cell, cell) for cell in cells]
        if column["kind"] == "float"
        else cells
        for column, cells in zip(answer["columns"], answer["cells"], strict=True)
    }


def same(found, expected):
    """Whether values are equal, NaN to NaN, floats but for rounding."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, (int, float)):
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)
    return bool(found == expected)


# ---- conditions: each the text, and what polars calls it. Where NaN is compared, polars has an
# order of its own; ours is that of IEEE 754, as everywhere in Python.

literals = st.one_of(
    st.integers(-6, 6),
    st.floats(-5, 5).map(lambda value: round(value, 1)),
)
OPERATORS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def ieee(operator, left, right):
    """A comparison of floats of polars as IEEE 754 has it."""
    left, right = left.cast(pl.Float64), right.cast(pl.Float64)
    plain = OPERATORS[operator](left, right)
    # With a missing value it is missing, also beside NaN.
    is_nan = (left.is_nan() | right.is_nan()) & left.is_not_null() & right.is_not_null()
    return pl.when(is_nan).then(operator == "!=").otherwise(plain)


def made(left, right, operator):
    """A number of two others."""
    (left_text, a), (right_text, b) = left, right
    return {
        "+": (f"({left_text} + {right_text})", a + b),
        "-": (f"({left_text} - {right_text})", a - b),
        "*": (f"({left_text} * {right_text})", a * b),
        "/": (f"({left_text} / {right_text})", a / b),
        "abs": (f"abs({left_text})", a.abs()),
        "neg": (f"-({left_text})", -a),
        "coalesce": (f"coalesce({left_text}, {right_text})", pl.coalesce(a, b)),
        "if": (
            f"if(b, {left_text}, {right_text})",
            pl.when(pl.col("b").fill_null(value=False)).then(a).otherwise(b),
        ),
    }[operator]


MADE = ["+", "-", "*", "/", "abs", "neg", "coalesce", "if"]
# A number: its text, and that of polars.
numbers = st.recursive(
    st.one_of(
        literals.map(lambda value: (repr(value), pl.lit(float(value)))),
        st.sampled_from(NUMBERS).map(lambda name: (name, pl.col(name).cast(pl.Float64))),
    ),
    lambda inner: st.builds(made, inner, inner, st.sampled_from(MADE)),
    max_leaves=5,
)
texts = st.sampled_from(["", "cat", "a'b", "x\ny", "%", "\\d", "ζ", "dog"])
operators = st.sampled_from(list(OPERATORS))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def null_test(name, *, is_not):
    null = pl.col(name).is_null()
    return (f"{name} is not null", ~null) if is_not else (f"{name} is null", null)


def time_test(day, operator):
    when = (dt.date(1970, 1, 1) + dt.timedelta(day)).isoformat()
    return f"w {operator} '{when}'", OPERATORS[operator](pl.col("w"), pl.lit(day * 86_400_000))


simple = st.one_of(
    st.tuples(numbers, operators, numbers).map(
        lambda of: (f"{of[0][0]} {of[1]} {of[2][0]}", ieee(of[1], of[0][1], of[2][1]))
    ),
    st.tuples(st.sampled_from(TEXTS), operators, texts).map(
        lambda of: (
            f"{of[0]} {of[1]} {quoted(of[2])}",
            OPERATORS[of[1]](pl.col(of[0]), pl.lit(of[2])),
        )
    ),
    st.tuples(st.sampled_from(TEXTS), texts).map(
        lambda of: (
            f"{of[0]} contains {quoted(of[1])}",
            pl.col(of[0]).str.contains(of[1], literal=True),
        )
    ),
    st.builds(null_test, st.sampled_from(COLUMNS), is_not=st.booleans()),
    st.sampled_from([("b", pl.col("b")), ("b = false", ~pl.col("b"))]),
    st.lists(st.integers(-6, 6), min_size=1, max_size=4).map(
        lambda values: (f"i in ({', '.join(map(str, values))})", pl.col("i").is_in(values))
    ),
    st.builds(time_test, st.integers(0, 10), operators),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        inner.map(lambda one: (f"not ({one[0]})", ~one[1])),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) and ({two[1][0]})", two[0][1] & two[1][1])
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] | two[1][1])
        ),
    ),
    max_leaves=4,
)
many = settings(
    max_examples=25,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@many
@given(asked=conditions)
def test_conditions_leave_the_rows_that_polars_leaves(tables, asked):
    text, condition = asked
    answer = ask(tables, where=text, select=["i"])
    assert answer["rows"] == FRAME.filter(condition)["r"].to_list()
    assert answer["matched"] == len(answer["rows"])


def test_what_a_condition_says_again_changes_nothing(tables):
    found = ask(tables, where="i is null and i is null", stats=True, select=["g"])
    assert found["rows"] == FRAME.filter(pl.col("i").is_null())["r"].to_list()
    once = ask(tables, where="i is null", stats=True, select=["g"])
    assert found["stats"] == once["stats"]
    assert sum(found["stats"][0]["histogram"]["counts"]) > 1


@many
@given(asked=numbers)
def test_computed_columns_are_those_of_polars(tables, asked):
    text, number = asked
    answer = ask(tables, select=[{"as": "x", "expr": f"({text}) + 0.0"}])
    expected = FRAME.with_columns((number + 0.0).alias("x"))["x"].to_list()
    assert same(columns_of(answer)["x"], expected), text


def sorted_frame(frame, keys):
    """Rows in our order: missing values last either way, NaN before them; then as they were."""

    def key(row, name, *, is_descending):
        value = row[name]
        if value is None or value != value:  # noqa: PLR0124  # NaN
            return (2 if value is None else 1, 0)
        if isinstance(value, str):
            value = [-byte for byte in value.encode()] + [1] if is_descending else [*value.encode()]
            return (0, value)
        return (0, -value if is_descending else value)

    return sorted(
        frame.iter_rows(named=True),
        key=lambda row: [key(row, name, is_descending=down == "desc") for name, down in keys],
    )


@many
@given(
    keys=st.lists(
        st.tuples(st.sampled_from(COLUMNS), st.sampled_from(["asc", "desc"])),
        min_size=1,
        max_size=3,
        unique_by=lambda key: key[0],
    ),
    page=st.tuples(st.integers(0, ROWS), st.integers(1, 50)),
    has_filter=st.booleans(),
)
def test_pages_are_in_order(tables, keys, page, *, has_filter):
    offset, limit = page
    asked: dict[str, Any] = {"sort": [{"k": name, "dir": down} for name, down in keys]}
    frame = FRAME
    if has_filter:
        asked["where"], frame = "i < 2", FRAME.filter(pl.col("i") < 2)
    answer = ask(tables, offset=offset, limit=limit, **asked)
    expected = sorted_frame(frame, keys)[offset : offset + limit]
    assert answer["rows"] == [row["r"] for row in expected]
    assert same(columns_of(answer)["f"], [row["f"] for row in expected])


def test_pages_deep_in_an_order_go_on_where_the_ones_before_end(tables):
    expected = sorted(range(LONG), key=lambda number: (-(number * 7919 % 101), number))
    body = {"sources": [{"run": "r", "key": "long"}], "sort": [{"k": "a", "dir": "desc"}]}
    for offset in (0, 1995, 2005, LONG - 3, 30):
        answer = tables.get(QUERY, {**body, "offset": offset, "limit": 10})
        assert answer["rows"] == expected[offset : offset + 10]
        assert answer["cells"][0] == [row * 7919 % 101 for row in answer["rows"]]


DEEP = [(down, where) for down in ("asc", "desc") for where in ("", "few != 2")]


@pytest.mark.parametrize(("down", "where"), DEEP)
@pytest.mark.parametrize("name", MANY_SCHEMA)
def test_pages_deep_in_an_order_are_those_of_all_rows(tables, name, *, down, where):
    keys = [(name, down), ("few", "desc")]
    frame = MANY_FRAME.filter(pl.col("few") != 2) if where else MANY_FRAME
    expected = [row["r"] for row in sorted_frame(frame, keys)]
    rows, places = len(expected), random.Random(name)
    asked = {
        "sources": [{"run": "r", "key": "many"}],
        "sort": [{"k": one, "dir": way} for one, way in keys],
        "where": where,
        "limit": 100,
    }
    # Each part of an order that is found is kept: pages around it, and over its ends, are right.
    first = places.randrange(2_001, rows - 6_000)
    jumps = [places.randrange(2_001, rows) for _ in range(4)]
    for offset in [first, first + 100, first - 90, first + 5_000, *jumps, rows - 30, rows, 2_001]:
        answer = tables.get(QUERY, {**asked, "offset": offset})
        assert answer["rows"] == expected[offset : offset + 100], offset


def plain(column):
    """A float column of polars, NaN being missing."""
    return pl.col(column).cast(pl.Float64).fill_nan(None)


AGGREGATES = {
    "count": lambda name: pl.col(name).count(),
    "mean": lambda name: plain(name).mean(),
    "sum": lambda name: plain(name).sum(),
    "min": lambda name: plain(name).min(),
    "max": lambda name: plain(name).max(),
    "median": lambda name: plain(name).median(),
    "distinct": lambda name: pl.col(name).drop_nulls().n_unique(),
    "first": lambda name: pl.col(name).drop_nulls().first(),
}


@many
@given(
    by=st.lists(st.sampled_from(["i", "f", "s", "t", "b"]), min_size=1, max_size=2, unique=True),
    of=st.sampled_from(["i", "g", "f"]),
)
def test_groups_are_those_of_polars(tables, by, of):
    # Between two infinities polars has NaN in the middle.
    makes = {name: make for name, make in AGGREGATES.items() if (of, name) != ("f", "median")}
    asked = {"group": by, "aggs": {of: list(makes)}, "where": "t != 'cat'"}
    answer = ask(tables, **asked)
    frame = FRAME.filter(pl.col("t") != "cat")
    grouped = frame.group_by(by, maintain_order=True).agg(
        pl.len().alias("count"),
        *(make(of).alias(f"{of}.{name}") for name, make in makes.items()),
    )
    has_values = frame.group_by(by, maintain_order=True).agg(plain(of).count().alias("n"))
    rows = [
        {**row, f"{of}.sum": row[f"{of}.sum"] if n else None}
        for row, n in zip(grouped.iter_rows(named=True), has_values["n"], strict=True)
    ]
    expected = sorted_frame(pl.DataFrame(rows, grouped.schema), [(name, "asc") for name in by])
    found = columns_of(answer)
    assert answer["total"] == len(expected)
    for name, cells in found.items():
        assert same(cells, [row[name] for row in expected]), name


@pytest.mark.parametrize("of", ["i", "f", "g", "w"])
def test_histograms_of_groups_are_those_of_numpy(tables, of):
    answer = ask(tables, group=["s"], aggs={of: ["mean", "hist"]}, where="t != 'cat'")
    assert answer["columns"][-1] == {"name": f"{of}.hist", "kind": "hist", "type": ""}
    frame = FRAME.filter(pl.col("t") != "cat")

    def finite(rows):
        values = np.array([value for value in rows[of] if value is not None], np.float64)
        return values[np.isfinite(values)]

    every = finite(frame)
    lo, hi = every.min(), every.max()
    for text, histogram in zip(columns_of(answer)["s"], answer["cells"][-1], strict=True):
        values = finite(frame.filter(pl.col("s").eq_missing(pl.lit(text))))
        assert (histogram["lo"], histogram["hi"]) == (lo, hi)
        places = np.floor((values - lo) / (hi / 30 - lo / 30)).clip(0, 29).astype(int)
        assert histogram["counts"] == np.bincount(places, minlength=30).tolist()
        if of == "g":  # whose values lie on no edge
            assert histogram["counts"] == np.histogram(values, 30, (lo, hi))[0].tolist()


def test_a_group_without_finite_values_has_no_histogram(tables):
    aggs = {"f": ["hist"], "i": ["hist"]}
    answer = ask(tables, group=["b"], aggs=aggs, where="f > 1e308 and i is null")
    assert answer["total"] > 1
    assert answer["cells"][2:] == [[None] * answer["total"]] * 2
    found = ask(tables, group=["f"], aggs={"f": ["hist"]}, where="f > 1e299")
    assert found["cells"][0] == [1e300, "Infinity"]
    assert found["cells"][2][0]["counts"] == [found["cells"][1][0]] + [0] * 29
    assert found["cells"][2][1] is None


def test_nothing_is_sorted_by_histograms_and_texts_have_none(tables):
    path, sources = f"/api/v1{QUERY}", [{"run": "r", "key": "all"}]
    aggs = {"g": ["mean", "hist"]}
    for field, told, body in (
        ("sort", "no column 'g.hist'", {"aggs": aggs, "sort": [{"k": "g.hist"}]}),
        ("aggs", "'s' has no hist", {"aggs": {"s": ["hist"]}}),
    ):
        status, _, data = tables.ask(path, {"sources": sources, "group": ["s"], **body})
        problem = json.loads(data)
        assert (status, problem["field"]) == (400, field)
        assert told in problem["detail"]
    by_mean = ask(tables, group=["s"], aggs=aggs, sort=[{"k": "g.mean"}])
    assert sorted(by_mean["cells"][2]) == by_mean["cells"][2]


def test_groups_are_sorted_by_their_own_columns(tables):
    sort = [{"k": "g.mean", "dir": "desc"}]
    answer = ask(tables, group=["s"], aggs={"g": ["mean"]}, sort=sort, offset=1, limit=3)
    grouped = FRAME.group_by("s").agg(pl.col("g").mean()).sort("g", descending=True)[1:4]
    assert columns_of(answer)["s"] == grouped["s"].to_list()
    assert answer["total"] == FRAME["s"].n_unique()


@many
@given(asked=conditions)
def test_headers_tell_of_the_rows_that_are_left(tables, asked):
    text, condition = asked
    answer = ask(tables, where=text, stats=True, limit=0)
    frame = FRAME.filter(condition)
    for one in answer["stats"]:
        column = frame[one["name"]]
        known = column.drop_nulls()
        assert (one["nulls"], one["distinct"]) == (column.null_count(), known.n_unique())
        assert not one["is_estimate"]
        if one["kind"] in {"int", "float", "time"}:
            values = [float(value) for value in known if not math.isnan(value)]
            finite = [value for value in values if math.isfinite(value)]
            assert one["nans"] == len(known) - len(values)
            special = {"Infinity": math.inf, "-Infinity": -math.inf}
            ends = [special.get(one[end], one[end]) for end in ("min", "max")]
            assert ends == ([min(values), max(values)] if values else [None, None])
            if not finite:
                assert one["histogram"] is None
                continue
            bins = one["histogram"]
            assert (bins["lo"], sum(bins["counts"])) == (min(finite), len(finite))
            assert bins["hi"] == max(finite) or bins["hi"] > bins["lo"] == max(finite)
        else:
            counts = known.value_counts().sort("count", "count", descending=True)
            top = [count for _, count in one["top"]]
            assert top == counts["count"].to_list()[:10]
            of = dict(counts.iter_rows())
            assert all(of[value] == count for value, count in one["top"])


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_joins_are_those_of_polars(tables, how):
    def read(key):
        answer = tables.get(QUERY, {"sources": [{"run": "r", "key": key}], "limit": ROWS})
        return pl.DataFrame(columns_of(answer), strict=False)

    left, right = read("left"), read("right")
    answer = tables.get(
        QUERY,
        {
            "sources": [{"run": "r", "key": "left"}, {"run": "r", "key": "right"}],
            "combine": {"join": ["id"], "how": how},
            "limit": ROWS,
            "where": "`0.f` is not null or `1.h` > 0.25",
            "sort": [{"k": "id"}],
        },
    )
    joined = left.rename({"f": "0.f", "g": "0.g"}).join(
        right.rename({"f": "1.f", "h": "1.h"}),
        on="id",
        how="full" if how == "outer" else how,
        coalesce=True,
    )
    kept = joined.filter(pl.col("0.f").is_not_null() | (pl.col("1.h") > 0.25)).sort("id")
    assert answer["matched"] == len(kept)
    found = columns_of(answer)
    assert list(found) == ["id", "0.f", "0.g", "1.f", "1.h"]
    for name, cells in found.items():
        assert same(cells, kept[name].to_list()), name


def test_tables_one_after_another_say_of_which_they_are(tables):
    sources = [{"run": "r", "key": "left"}, {"run": "r", "key": "right"}]
    answer = tables.get(QUERY, {"sources": sources, "limit": 1000})
    found = columns_of(answer)
    assert list(found) == ["id", "f", "g", "h", "run", "step"]
    assert answer["matched"] == 500
    assert found["step"] == [2] * 250 + [3] * 250
    assert found["h"][:250] == [None] * 250
    grouped = tables.get(QUERY, {"sources": sources, "group": ["step"], "where": "g is null"})
    assert (
        sum(columns_of(grouped)["count"])
        == sum(g is None and step == 2 for g, step in zip(found["g"], found["step"], strict=True))
        + 250
    )


def in_arrow(tables, body):
    """An answer as a table, and its header."""
    pa = pytest.importorskip("pyarrow")
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    status, _, data = tables.ask(f"/api/v1{QUERY}", body, headers=headers)
    assert status == 200
    table = pa.ipc.open_stream(data).read_all()
    return table, json.loads(table.schema.metadata[b"panel"])


def test_an_answer_in_arrow_is_that_in_json(tables):
    body = {"sources": [{"run": "r", "key": "all"}], "limit": ROWS, "sort": [{"k": "f"}]}
    table, header = in_arrow(tables, body)
    answer = tables.get(QUERY, body)
    assert {name: answer[name] for name in ("rows", "columns", "matched")} == {
        name: header[name] for name in ("rows", "columns", "matched")
    }
    for name, cells in columns_of(answer).items():
        found = table[name].to_pylist()
        if name == "w":
            found = [None if one is None else one.timestamp() * 1000 for one in found]
        assert same(found, cells)


def test_histograms_are_texts_of_json_in_arrow(tables):
    sources = [{"run": "r", "key": "all"}]
    body = {"sources": sources, "group": ["b"], "aggs": {"f": ["hist"], "w": ["hist"]}}
    for where in ("", "b is null or f > 1e308"):
        table, header = in_arrow(tables, {**body, "where": where})
        answer = tables.get(QUERY, {**body, "where": where})
        assert header["columns"] == answer["columns"]
        for name, cells in zip(table.column_names[-2:], answer["cells"][-2:], strict=True):
            found = table[name].to_pylist()
            assert [None if one is None else json.loads(one) for one in found] == cells
        assert (None in answer["cells"][-2]) == bool(where)


@pytest.mark.timeout(120)
def test_a_table_has_ten_thousand_columns(server, online):
    names = [f"c{number}" for number in range(10_000)]
    table = steplog.Table(columns=names, data=[range(10_000), range(1, 10_001)])
    with online("wide") as run:
        run.log({"wide": table})
        run.log({"some": steplog.Table(columns=names[:250], data=[range(250)])})
    source = {"run": "wide", "key": "wide"}
    body = {"sources": [source], "select": ["c9999", "c1"], "stats": True}
    body |= {"where": "c5000 > 0", "sort": [{"k": "c7000", "dir": "desc"}]}
    answer = server.get(QUERY, body)
    assert answer["cells"] == [[10_000, 9_999], [2, 1]]
    assert [one["max"] for one in answer["stats"]] == [10_000, 2]
    answer = server.get(QUERY, {"sources": [source]})
    assert [one["name"] for one in answer["columns"]] == names
    assert [cells[1] for cells in answer["cells"]] == list(range(1, 10_001))
    some = {"run": "wide", "key": "some"}
    answer = server.get(QUERY, {"sources": [some], "stats": True})
    assert [one["min"] for one in answer["stats"]] == list(range(250))
    for wrong, words in (
        ({"sources": [source], "stats": True}, "at most 1,000 columns"),
        ({"sources": [source, source]}, "too many columns"),
    ):
        status, _, data = server.ask(f"/api/v1{QUERY}", wrong)
        assert status == 413, data
        assert words in json.loads(data)["detail"]


def test_a_table_is_found_by_the_key_as_it_was_logged(server, online):
    with online("dots") as run:
        run.log({"val.pred": steplog.Table(columns=["a"], data=[[1]])})
        run.log({"both.x": steplog.Table(columns=["a"], data=[[2]])})
        run.log({"both": {"x": steplog.Table(columns=["a"], data=[[3]])}})

    def found(key):
        return server.get(QUERY, {"sources": [{"run": "dots", "key": key}]})["cells"]

    assert found("val.pred") == found("val\\.pred") == [[1]]
    # Where a key is there as it is spelled, it is that one.
    assert found("both.x") == [[3]]
    assert found("both\\.x") == [[2]]
    path = "/projects/local/p/runs/dots/tables/val.pred"
    assert [one["nrows"] for one in server.get(path)["versions"]] == [1]


def test_tables_one_after_another_keep_columns_that_are_named_run(server, online):
    columns = ["run", "_run", "step", "x"]
    with online("named") as run:
        run.log({"t": steplog.Table(columns=columns, data=[["mine", "own", 7, 1]])})
    sources = [{"run": "named", "key": "t"}] * 2
    answer = server.get(QUERY, {"sources": sources})
    assert columns_of(answer) == {
        "run": ["mine"] * 2,
        "_run": ["own"] * 2,
        "step": [7] * 2,
        "x": [1] * 2,
        "__run": ["named"] * 2,
        "_step": [0] * 2,
    }
    assert answer["source_columns"] == {"run": "__run", "step": "_step"}
