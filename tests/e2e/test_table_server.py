"""Tables of runs on the server: which there are, what their files may be, and how they are kept."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import numpy as np
import pytest
from tests.e2e.raw_tables import RawTable, raw, table_text

import steplog

QUERY = "/projects/local/p/tables:query"


def source(key, step="latest", **more):
    return {"run": "r", "key": key, "step": step, **more}


def read(server, *sources, **body):
    return server.get(QUERY, {"sources": list(sources), **body})


def refused(server, **body):
    status, _, data = server.ask(f"/api/v1{QUERY}", body)
    return status, json.loads(data)


def test_tables_are_listed_with_their_versions(server, online):
    with online("r") as run:
        run.log({"eval": {"preds": raw(["a"], [[1]])}, "loss": 1})
        run.log({"eval": {"preds": raw(["a", "b"], [[1, 2], [3, 4]])}})
        run.log({"other": raw([], [])})
    listed = server.get("/projects/local/p/runs/r/tables")["tables"]
    assert [(one["key"], one["steps"], one["ncols"], one["nrows"]) for one in listed] == [
        ("eval.preds", [0, 1], 2, 2),
        ("other", [2], 0, 0),
    ]
    versions = server.get("/projects/local/p/runs/r/tables/eval.preds")["versions"]
    assert [(one["step"], one["ncols"], one["nrows"]) for one in versions] == [(0, 1, 1), (1, 2, 2)]
    assert read(server, source("eval.preds", 0))["cells"] == [[1]]
    assert read(server, source("eval.preds"))["cells"] == [[1, 3], [2, 4]]
    assert read(server, source("other")) == {
        "sources": [{"run": "r", "step": 2}],
        "columns": [],
        "cells": [],
        "matched": 0,
        "total": 0,
        "rows": [],
    }
    assert server.ask("/api/v1/projects/local/p/runs/r/tables/loss")[0] == 404
    assert server.ask("/api/v1/projects/local/p/runs/none/tables")[0] == 404


@pytest.mark.parametrize(("key", "step"), [("none", "latest"), ("tab", 1), ("loss", "latest")])
def test_what_is_no_table_is_not_found(shared, key, step):
    status, problem = refused(shared, sources=[source("tab"), source(key, step)])
    assert (status, problem["field"]) == (404, "sources.1")


CELLS: list[tuple[str, list[Any]]] = [
    ("int", [1, -(2**63), 2**63 - 1, None]),
    ("float", [0.5, -0.0, 1e300, math.nan, math.inf, -math.inf, None, 3]),
    ("float", [2**53 + 1, 0.5, 10**30, -(2**63) - 1, 7]),
    ("text", ["", "a\nb", "\u0000", "😀", "'; DROP TABLE points; --", None]),
    ("bool", [True, False, None]),
    ("json", [1, "1", None, [1, {"a": "é"}], {"a": None}, True]),
    ("media", [{"_type": "image-file", "path": "media/x.png", "sha256": "0" * 64}, None]),
    ("json", [None, None]),
]


def test_every_cell_comes_back(server, online):
    with online("r") as run:
        for number, (_, cells) in enumerate(CELLS):
            run.log({f"k{number}": raw(["a b"], [[cell] for cell in cells])})
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    for number, (kind, cells) in enumerate(CELLS):
        answer = read(server, source(f"k{number}"))
        assert answer["columns"] == [{"name": "a b", "kind": kind, "type": ""}]
        (found,) = answer["cells"]
        if kind == "float":
            found = [special.get(cell, cell) for cell in found]
            found = [int(cell) if isinstance(cell, str) else cell for cell in found]
        if kind in {"json", "media"}:
            found = [None if cell is None else json.loads(cell) for cell in found]
        assert (
            repr([float(c) if c == 3 else c for c in found])
            == repr([float(c) if c == 3 else c for c in cells])
            or found == cells
        ), kind


def test_times_are_compared_with_texts_that_say_one(server, online):
    rows = [[1_700_000_000_000], [1_700_000_000_000.5], [None]]
    with online("r") as run:
        run.log({"tab": raw(["t"], rows, {"t": "timestamp"})})
    answer = read(server, source("tab"), where="t > '2023-11-14T22:13:20Z'")
    assert answer["columns"] == [{"name": "t", "kind": "time", "type": "timestamp"}]
    assert (answer["rows"], answer["cells"]) == ([1], [[1_700_000_000_000.5]])
    assert read(server, source("tab"), where="t = 1700000000000")["rows"] == [0]


def test_a_table_of_the_sdk_has_the_kinds_of_its_columns(server, online):
    moment = dt.datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=dt.timezone.utc)
    pixels = np.full((5, 4, 3), 7, np.uint8)
    rows = [
        [1, 0.5, "a", True, moment, steplog.Image(pixels), [1, 2], 2**70],
        [None, math.nan, None, None, None, None, None, 1],
    ]
    columns = ["int", "float", "text", "bool", "time", "image", "list", "big"]
    with online("r") as run:
        run.log({"tab": steplog.Table(columns, rows)})
    answer = read(server, source("tab"))
    kinds = {one["name"]: (one["kind"], one["type"]) for one in answer["columns"]}
    assert kinds == {
        "int": ("int", "number"),
        "float": ("float", "number"),
        "big": ("float", "number"),
        "text": ("text", "string"),
        "bool": ("bool", "boolean"),
        "time": ("time", "timestamp"),
        "image": ("media", "image-file"),
        "list": ("json", "list"),
    }
    cells = dict(zip(columns, answer["cells"], strict=True))
    image = json.loads(cells.pop("image")[0])
    assert cells == {
        "int": [1, None],
        "float": [0.5, "NaN"],
        "text": ["a", None],
        "bool": [True, None],
        "time": [moment.timestamp() * 1000, None],
        "list": ["[1,2]", None],
        "big": [str(2**70), 1.0],
    }
    status, headers, _ = server.ask(f"/api/v1/blobs/{image['sha256']}?w=64")
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert read(server, source("tab"), where="time = '2024-05-06T07:08:09.25Z'")["rows"] == [0]


def test_files_of_wandb_are_read_in_any_order_of_members(server, online):
    text = '{"data": [[1, "a"], [2.5, null]], "_type": "table", "columns": [0, "b"]}'
    with online("r") as run:
        run.log({"tab": RawTable(text)})
    answer = read(server, source("tab"), where="`0` > 1")
    assert [one["name"] for one in answer["columns"]] == ["0", "b"]
    assert answer["cells"] == [[2.5], [None]]


WRONG = [
    ("", "the file ends early"),
    ("[]", "it is no JSON object"),
    ('{"columns": ["a"], "data": [[1], [1, 2]]}', "row 1 has 2 cells, there are 1 columns"),
    ('{"columns": ["a"], "data": [[1]', "the file ends early"),
    ('{"columns": ["a"], "data": [[' + "[" * 200, "nested too deep"),
    ('{"columns": ["a"], "data": [[01]]}', "this is no JSON value"),
    ("\u0000PNG", "it is no JSON object"),
]


def test_a_file_that_is_no_table_is_refused(server, online):
    with online("r") as run:
        run.log({"good": raw(["a"], [[1]])})
        for number, (text, _) in enumerate(WRONG):
            run.log({f"bad{number}": RawTable(text)})
    for number, (_, why) in enumerate(WRONG):
        for _ in range(2):
            status, problem = refused(server, sources=[source(f"bad{number}")])
            assert (status, problem["code"]) == (422, "no_table")
            assert why in problem["detail"]
    assert read(server, source("good"))["cells"] == [[1]]


def test_an_incremental_table_is_all_of_its_files(server, online):
    with online("r") as run:
        paths: list[str] = []
        increments: list[list[list[object]]] = [[[1]], [[2.5], [None]], []]
        for number, rows in enumerate(increments):
            table = RawTable(
                table_text(["a"], rows),
                _type="incremental-table-file",
                increment_num=number,
                previous_increments_paths=list(paths),
                nrows=len(rows),
            )
            run.log({"tab": table})
            run.flush()
            assert table._kept is not None
            paths.append(str(table._kept[1]["path"]))
    assert read(server, source("tab", 0))["cells"] == [[1]]
    assert read(server, source("tab"))["cells"] == [[1.0, 2.5, None]]
    assert read(server, source("tab"), sort=[{"k": "a", "dir": "desc"}])["rows"] == [1, 0, 2]


def test_tables_that_were_made_ready_are_there_after_a_restart(server, online):
    with online("r") as run:
        run.log({"tab": raw(["a"], [[1], [2]])})
    before = read(server, source("tab"))
    folder = server.folder / "data" / "tables"
    (kept,) = folder.iterdir()
    made = kept.stat().st_ino
    server.stop()
    (folder / "left.new").write_bytes(b"x")
    server.start()
    assert read(server, source("tab")) == before
    assert [one.stat().st_ino for one in folder.iterdir()] == [made]
    server.kill()
    kept.unlink()  # as if it had been killed before this was written
    server.start()
    assert read(server, source("tab")) == before


@pytest.mark.parametrize(
    ("where", "position", "why"),
    [
        ("a <", 3, "ends too early"),
        ("a = 1)", 5, "not expected"),
        ("nope = 1", 0, "no column 'nope'"),
        ("a = 'x'", 4, "compared with a text"),
        ("a + b > 1", 4, "a text, not a number"),
        ("b matches '('", 10, "regex"),
        ("b like a", 7, "a text in quotes"),
        ("'open", 0, "quote is not closed"),
        ("sleep(3)", 0, "no function 'sleep'"),
        ("length(b, b)", 0, "takes 1"),
        ("a", 0, "not a condition"),
        ("(" * 40 + "1" + ")" * 40, 30, "nested"),
        (" + ".join(["a"] * 200) + " > 1", 402, "levels"),
        ("a; drop table points", 1, "not expected"),
    ],
)
def test_an_error_says_where_it_is(shared, where, position, *, why):
    status, problem = refused(shared, sources=[source("tab")], where=where)
    assert (status, problem["field"], problem["position"]) == (400, "where", position)
    assert why in problem["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sources": []}, "sources"),
        ({"sources": [{"run": "r"}]}, "sources"),
        ({"sources": [source("tab", "first")]}, "sources"),
        ({"limit": 10_001}, "limit"),
        ({"offset": -1}, "offset"),
        ({"select": ["none"]}, "select"),
        ({"select": [{"as": "x"}]}, "select"),
        ({"select": [{"as": "a", "expr": "1"}]}, "select"),
        ({"select": [{"as": "x", "expr": "1"}, {"as": "x", "expr": "2"}]}, "select"),
        ({"select": [{"as": "x", "expr": "1 +"}]}, "select"),
        ({"sort": [{"k": "none"}]}, "sort"),
        ({"sort": [{"k": "a", "dir": "up"}]}, "sort"),
        ({"group": ["none"]}, "group"),
        ({"group": ["a"], "aggs": {"a": ["mode"]}}, "aggs"),
        ({"group": ["a"], "aggs": {"b": ["mean"]}}, "aggs"),
        ({"group": ["a"], "sort": [{"k": "b"}]}, "sort"),
        ({"combine": {"join": ["a"]}}, "sources"),
        ({"combine": "zip"}, "combine"),
        ({"sources": [source("tab")] * 2, "combine": {"join": ["none"]}}, "combine"),
        ({"sources": [source("tab")] * 2, "combine": {"join": ["a"], "how": "cross"}}, "combine"),
        ({"stats": 1}, "stats"),
        ({"where": 1}, "where"),
    ],
)
def test_a_body_that_asks_for_what_there_is_not_is_refused(shared, body, field):
    status, problem = refused(shared, **{"sources": [source("tab")], **body})
    assert (status, problem["field"]) == (400, field)


@pytest.fixture(scope="module")
def shared(running_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    with running_server(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        told = {"base_url": server.url, "quiet": True}
        with steplog.init(project="p", dir=str(folder), id="r", settings=told) as run:
            run.log({"tab": raw(["a", "b"], [[1, "x"]]), "loss": 1.0})
        yield server
