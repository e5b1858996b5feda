"""Rows of custom charts on the server, and what is kept of charts."""

from __future__ import annotations

import json
import math

import pytest
from tests.e2e.raw_tables import raw

import steplog
from steplog import plot
from steplog.server.chart_data import hue_of, shares

DATA = "/projects/local/p/chartdata:query"
PRESETS = "/api/v1/projects/local/p/chart-presets"
PANELS = "/api/v1/projects/local/p/chart-panels"


def read(server, source, *runs, **more):
    return server.get(DATA, {"source": source, "runs": {"ids": list(runs)}, **more})


def refused(server, body):
    status, _, data = server.ask(f"/api/v1{DATA}", body)
    return status, json.loads(data)


def column(answer, name):
    return [row[name] for row in answer["rows"]]


@pytest.fixture(scope="module")
def project(running_server, tmp_path_factory):
    """Runs `a` and `b`, each with a table at three steps, a chart and numbers; `c` with nothing."""
    folder = tmp_path_factory.mktemp("charts")
    with running_server(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        settings = {"base_url": server.url, "quiet": True}
        for number, name in enumerate("abc"):
            with steplog.init(
                project="p",
                dir=str(folder),
                id=name,
                name=f"run {name}",
                config={"lr": number / 10, "deep": {"x.y": name}},
                settings=settings,
            ) as run:
                if name == "c":
                    continue
                for step in range(3):
                    rows = [[n, n * step, f"{name}{n}"] for n in range(step + 1)]
                    run.log({"t": raw(["x", "y", "_name"], rows), "loss": 1 / (1 + step)})
                run.log({"odd": math.nan, "loss": math.inf, "n": 2**62})
                run.log({"nest": {"roc": plot.roc_curve([0, 1, 1], [0.1, 0.9, 0.4])}})
                run.log({"old": plot.visualize("wandb/x/v1", steplog.Table(["k"], [[1]]))})
        yield server


def test_rows_of_the_last_tables_know_their_run(project):
    found = read(project, "summaryTable", "b", "a", key="t")
    assert column(found, "_run") == ["b"] * 3 + ["a"] * 3
    assert found["rows"][2] == {
        "x": 2,
        "y": 4,
        "data._name": "b2",
        "_run": "b",
        "_name": "run b",
        "_color": hue_of("b"),
        "_step": 2,
    }
    assert found["truncated"] is None
    assert found["missing"] == []
    assert {one["name"]: one["kind"] for one in found["columns"]} == {
        "x": "int",
        "y": "int",
        "data._name": "text",
        "_step": "int",
        "_run": "text",
        "_name": "text",
        "_color": "int",
    }


def test_tables_of_steps(project):
    assert column(read(project, "historyTable", "a", key="t"), "_step") == [0, 1, 1, 2, 2, 2]
    ranged = read(project, "historyTable", "a", key="t", range=[1, 1])
    assert column(ranged, "y") == [0, 1]
    assert column(read(project, "historyTable", "a", key="t", step=1), "_step") == [1, 1]
    # The last one before.
    assert column(read(project, "historyTable", "a", key="t", step=100), "_step") == [2, 2, 2]


def test_columns_and_conditions(project):
    found = read(project, "summaryTable", "a", key="t", columns=["y"], where="x > 0")
    assert column(found, "y") == [2, 4]
    assert "x" not in found["rows"][0]
    assert found["columns"][0] == {"name": "y", "kind": "int"}


def test_a_run_without_the_table_is_named_and_does_not_take_the_others_their_chart(project):
    found = read(project, "summaryTable", "c", "a", "none", key="t")
    assert column(found, "_run") == ["a"] * 3
    assert [one["run"] for one in found["missing"]] == ["c", "none"]
    assert "no table 't'" in found["missing"][0]["reason"]


def test_what_is_cut_is_said_and_shared_fairly(project):
    found = read(project, "historyTable", "a", "b", key="t", limit=8)
    assert found["truncated"] == {"shown": 8, "total": 12, "reason": "rows"}
    assert column(found, "_run").count("a") == 4
    history = read(project, "history", "a", "b", keys=["loss"], limit=3)
    assert history["truncated"] == {"shown": 3, "total": 8, "reason": "rows"}
    heads = read(project, "config", "a", "b", "c", limit=2)
    assert heads["truncated"] == {"shown": 2, "total": 3, "reason": "rows"}


def test_shares_leave_nothing_over():
    assert shares([10, 2, 7], 100) == [10, 2, 7]
    assert shares([10, 2, 7], 9) == [4, 2, 3]
    assert shares([0, 5], 5) == [0, 5]
    assert shares([], 5) == []


def test_history_has_rows_with_all_keys(project):
    found = read(project, "history", "a", "b", keys=["loss"])
    assert column(found, "loss") == [1, 0.5, 1 / 3, "Infinity"] * 2
    assert column(found, "_step") == [0, 1, 2, 3] * 2
    both = read(project, "history", "a", keys=["odd", "n", "_step"])
    assert [(row["odd"], row["n"], row["_step"]) for row in both["rows"]] == [("NaN", 2**62, 3)]
    ranged = read(project, "history", "a", keys=["loss"], range=[1, 2])
    assert column(ranged, "_step") == [1, 2]
    none = read(project, "history", "c", "a", keys=["loss"])
    assert [one["run"] for one in none["missing"]] == ["c"]


def test_runs_configs_and_summaries_are_a_row_each(project):
    runs = read(project, "runs", "c", "a", columns=["name", "state", "config.lr", "summary.n"])
    assert runs["rows"][1] == {
        "name": "run a",
        "state": "finished",
        "config.lr": 0.0,
        "summary.n": 2**62,
        "_run": "a",
        "_name": "run a",
        "_color": hue_of("a"),
    }
    assert runs["rows"][0]["summary.n"] is None
    config = read(project, "config", "a")["rows"][0]
    assert (config["lr"], config["deep.x\\.y"]) == (0.0, "a")
    assert not [name for name in config if name.startswith("_wandb")]
    assert read(project, "summary", "a", keys=["n"])["rows"][0]["n"] == 2**62


def test_charts_of_runs_are_found_in_their_configs(project):
    body = {"runs": {"ids": ["a", "b", "c"]}}
    charts = project.get("/projects/local/p/charts:index", body)["charts"]
    assert [(one["key"], one["form"], one["runs"]) for one in charts] == [
        ("nest.roc", "visualize", ["a", "b"]),
        ("old", "viz", ["a", "b"]),
    ]
    panel = charts[0]["panel"]["panel_config"]
    assert panel["panelDefId"] == "wandb/area-under-curve/v0"
    # Its table is found as the chart names it.
    assert read(project, "summaryTable", "a", key="nest.roc_table")["rows"][0]["class"] == 1


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "source"),
        ({"source": ["runs"]}, "source"),
        ({"source": "runs"}, "runs"),
        ({"source": "runs", "columns": ["nothing"]}, "columns"),
        ({"source": "runs", "key": "t"}, "key"),
        ({"source": "summary", "keys": "n"}, "keys"),
        ({"source": "history"}, "keys"),
        ({"source": "history", "keys": [""]}, "keys"),
        ({"source": "history", "keys": ["a"], "range": [3, 1]}, "range"),
        ({"source": "summaryTable"}, "key"),
        ({"source": "summaryTable", "key": "t", "step": 1}, "step"),
        ({"source": "summaryTable", "key": "t", "columns": ["nothing"]}, "columns"),
        ({"source": "summaryTable", "key": "t", "where": 5}, "where"),
        ({"source": "summaryTable", "key": "t", "where": "x >"}, "where"),
        ({"source": "summaryTable", "key": "t", "where": "nothing > 1"}, "where"),
        ({"source": "historyTable", "key": "t", "step": -1}, "step"),
        ({"source": "historyTable", "key": "t", "limit": 100_001}, "limit"),
        ({"source": "config", "limit": 0}, "limit"),
    ],
)
def test_what_is_no_query_is_refused_by_its_field(project, body, wrong):
    ids = {} if wrong == "runs" else {"runs": {"ids": ["a"]}}
    status, problem = refused(project, {**ids, **body})
    assert (status, problem["field"]) == (400, wrong)


def test_hues_are_those_of_the_page():
    # As web/src/state/colors.test.ts has them.
    assert [hue_of(run) for run in ("a", "3f9k2m", "größe 😀")] == [0, 3, 9]


def put(server, path, body):
    status, _, data = server.ask(path, body, method="PUT")
    return status, json.loads(data)


def test_presets_are_kept_by_name(server, online):
    assert server.ask(PRESETS)[0] == 404
    with online("r") as run:
        run.log({"loss": 1})
    spec = {"mark": "bar", "encoding": {"x": {"field": "${field:x}"}}}
    status, kept = put(server, f"{PRESETS}/team/bars%20%C3%A9", {"spec": spec})
    assert (status, kept["name"], kept["spec"]) == (200, "team/bars é", spec)
    put(server, f"{PRESETS}/other", {"spec": {}})
    put(server, f"{PRESETS}/other", {"spec": {"mark": "line"}})
    server.kill()
    server.start()
    listed = server.get(PRESETS.removeprefix("/api/v1"))["presets"]
    assert [(one["name"], one["size"]) for one in listed] == [("other", 15), ("team/bars é", 54)]
    status, _, data = server.ask(f"{PRESETS}/other")
    assert json.loads(data)["spec"] == {"mark": "line"}
    assert server.ask(f"{PRESETS}/other", method="DELETE")[0] == 204
    assert server.ask(f"{PRESETS}/other", method="DELETE")[0] == 404
    assert server.ask(f"{PRESETS}/other")[0] == 404
    # Panels are others, also of the same name.
    assert put(server, f"{PANELS}/other", {"panel": {"preset": "x"}})[0] == 200
    assert server.get(PANELS.removeprefix("/api/v1"))["panels"][0]["panel"] == {"preset": "x"}
    assert server.ask(f"{PRESETS}/other")[0] == 404


def deep(levels):
    value: dict[str, object] = {}
    for _ in range(levels):
        value = {"layer": value}
    return value


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("x", {}, (400, "spec")),
        ("x", {"spec": [1]}, (400, "spec")),
        ("x", {"spec": deep(100)}, (400, "spec")),
        ("x", {"spec": {"x": "y" * (1 << 20)}}, (413, "spec")),
        ("wandb/line/v0", {"spec": {}}, (400, "name")),
        ("%20x", {"spec": {}}, (400, "name")),
        ("a%00b", {"spec": {}}, (400, "name")),
        ("y" * 513, {"spec": {}}, (400, "name")),
    ],
)
def test_what_is_no_preset_is_refused(project, name, *, body, expected):
    status, problem = put(project, f"{PRESETS}/{name}", body)
    assert (status, problem["field"]) == expected
