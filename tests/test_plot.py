"""Charts over tables: what they draw, and what stands in row and config for them."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

import steplog
from steplog import plot
from steplog._core import RunLog

TABLE = steplog.Table(["a", "b", "c"], [[1, 2.5, "x"], [3, 4.5, "y"]])


@pytest.fixture
def logged(start, media_of):
    """Logs values; gives the row, the config, and the tables by their keys."""

    def log(values, **arguments):
        with start(**({"settings": {"strict": True}} | arguments)) as run:
            run.log(values)
            assert dict(run.config) == {}
        (row,) = RunLog(run.sync_dir).rows()
        row = {key: value for key, value in row.items() if not key.startswith("_")}
        files = media_of(run.sync_dir)
        tables = {
            key: json.loads(files[value["path"]])
            for key, value in row.items()
            if isinstance(value, dict) and value.get("_type") == "table-file"
        }
        return row, RunLog(run.sync_dir).config().get("_wandb"), tables

    return log


def panel(spec, table_key, *, fields, strings):
    """What the reference has in the config."""
    names: list[Any] = [
        {"name": name, "fields": []} for name in ("id", "name", "_defaultColorIndex")
    ]
    table = {
        "name": "summaryTable",
        "args": [{"name": "tableKey", "value": table_key}],
        "fields": [],
    }
    return {
        "panel_type": "Vega2",
        "panel_config": {
            "panelDefId": spec,
            "fieldSettings": fields,
            "stringSettings": strings,
            "transform": {"name": "tableWithLeafColNames"},
            "userQuery": {
                "queryFields": [
                    {
                        "name": "runSets",
                        "args": [{"name": "runSets", "value": "${runSets}"}],
                        "fields": [*names, table],
                    }
                ]
            },
        },
    }


TITLE = {"title": "t"}
CHARTS: list[Any] = [
    (plot.line(TABLE, "a", "b", title="t"), "wandb/line/v0", {"x": "a", "y": "b"}),
    (
        plot.line(TABLE, x="a", y="b", stroke="c", title="t"),
        "wandb/line/v0",
        {"x": "a", "y": "b", "stroke": "c"},
    ),
    (plot.scatter(TABLE, "a", "b", "t"), "wandb/scatter/v0", {"x": "a", "y": "b"}),
    (plot.bar(TABLE, "c", "a", "t"), "wandb/bar/v0", {"label": "c", "value": "a"}),
    (plot.histogram(TABLE, "a", "t"), "wandb/histogram/v0", {"value": "a"}),
    (steplog.plot_table("me/spec", TABLE, {"p": "a"}, TITLE), "me/spec", {"p": "a"}),
]


@pytest.mark.parametrize(("chart", "spec", "fields"), CHARTS)
def test_a_chart_is_a_table_and_a_panel(logged, *, chart, spec, fields):
    row, config, tables = logged({"k": chart, "loss": 1})
    assert row.keys() == {"loss", "k_table"}
    assert tables["k_table"]["columns"] == ["a", "b", "c"]
    assert tables["k_table"]["data"] == TABLE.data
    expected = panel(spec, "k_table", fields=fields, strings=TITLE)
    assert config == {"visualize": {"k": expected}}
    assert isinstance(chart, plot.CustomChart)


def test_a_chart_in_nested_dicts_stands_at_the_top(logged):
    chart = plot.bar(TABLE, "c", "a")
    row, config, _ = logged({"nest": {"a": {"chart": chart}, "n": 1}})
    assert row.keys() == {"nest", "nest.a.chart_table"}
    assert row["nest"] == {"n": 1}
    assert config["visualize"].keys() == {"nest.a.chart"}
    query = json.dumps(config["visualize"]["nest.a.chart"]["panel_config"]["userQuery"])
    assert '"nest.a.chart_table"' in query


def test_a_table_may_stand_apart_from_its_chart(logged):
    chart = plot.scatter(TABLE, "a", "b", split_table=True)
    row, config, _ = logged({"k": chart})
    assert row.keys() == {"Custom Chart Tables/k_table"}
    assert config["visualize"]["k"] == panel(
        "wandb/scatter/v0",
        "Custom Chart Tables/k_table",
        fields={"x": "a", "y": "b"},
        strings={"title": ""},
    )


def test_a_table_is_drawn_in_the_older_way(logged):
    row, config, _ = logged({"k": plot.visualize("wandb/x/v1", TABLE)})
    assert row["k"]["_type"] == "table-file"
    assert config == {
        "viz": {"k": {"id": "wandb/x/v1", "historyFieldSettings": {"x-axis": "_step", "key": "k"}}}
    }


def test_each_panel_is_in_the_config_once_whoever_records_it(start, records_of):
    with start(settings={"strict": True}) as run:
        for _ in range(3):
            run.log({f"k{at}": plot.line(TABLE, "a", "b") for at in range(20)})
            for at in range(20):
                run.log({f"l{at}": plot.line(TABLE, "a", "b")})
    panels: Any = RunLog(run.sync_dir).config()["_wandb"]
    assert panels["visualize"].keys() == {f"{of}{at}" for of in "kl" for at in range(20)}
    configs = [record for record in records_of(run.sync_dir) if record[0] == 1]
    assert len(configs) <= 80


def test_a_run_that_goes_on_keeps_its_panels(start):
    with start(id="r", settings={"strict": True}, config={"lr": 1}) as run:
        run.log({"k": plot.line(TABLE, "a", "b")})
    with start(id="r", resume="allow", settings={"strict": True}) as run:
        assert dict(run.config) == {"lr": 1}
        run.log({"l": plot.line(TABLE, "a", "b")})
    config: Any = RunLog(run.sync_dir).config()
    assert config["_wandb"]["visualize"].keys() == {"k", "l"}
    assert config["lr"] == 1


def test_a_chart_in_a_list_or_a_config_costs_only_itself(start, capsys):
    chart = plot.line(TABLE, "a", "b")
    with start() as run:
        run.log({"l": [chart], "n": 1})
        run.config.update({"c": chart, "lr": 2})
    (row,) = RunLog(run.sync_dir).rows()
    assert "l" not in row
    assert row["n"] == 1
    assert RunLog(run.sync_dir).config() == {"lr": 2}
    said = capsys.readouterr().err
    assert "'l' is not recorded" in said
    assert "it stands in no list" in said
    assert "a config has no charts" in said


def test_a_chart_in_the_summary_has_its_table_there(start):
    with start(settings={"strict": True}) as run:
        run.summary["k"] = plot.line(TABLE, "a", "b")
    log = RunLog(run.sync_dir)
    summary, config = dict[str, Any](log.summary()), dict[str, Any](log.config())
    assert summary["k_table"]["_type"] == "table-file"
    assert "k" not in summary
    assert config["_wandb"]["visualize"].keys() == {"k"}


def test_a_disabled_run_takes_charts():
    with steplog.init(mode="disabled") as run:
        run.log({"k": plot.line(TABLE, "a", "b")})


def test_the_names_are_there_without_an_import():
    assert steplog.plot is plot
    assert steplog.plot_table is plot.plot_table
    assert steplog.visualize is plot.visualize


unchecked: Any = plot


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: unchecked.line(TABLE, "z", "b"),
            ValueError,
            "x='z': the table has no such column",
        ),
        (
            lambda: unchecked.histogram([1], "a"),
            TypeError,
            "table is a Table or a DataFrame, got list",
        ),
        (lambda: unchecked.plot_table("s", [], {}), TypeError, "data_table is a Table"),
        (lambda: unchecked.plot_table(5, TABLE, {}), TypeError, "vega_spec_name is a text"),
        (lambda: unchecked.plot_table("s", TABLE, ["a"]), TypeError, "fields is a dict"),
        (lambda: unchecked.visualize(5, TABLE), TypeError, "id is a text"),
        (lambda: unchecked.line_series(5, [[1]]), TypeError, "xs is a sequence, got int"),
        (lambda: unchecked.line_series([1], 5), TypeError, "ys is a sequence"),
        (lambda: unchecked.line_series([1, 2], [[1]]), ValueError, "'line_0' has 2 xs and 1 ys"),
        (lambda: unchecked.line_series([[1]], [[1], [2]]), ValueError, "1 xs for 2 ys"),
        (lambda: unchecked.line_series([1], [[1]], keys=["a", "b"]), ValueError, "2 keys for 1 ys"),
        (lambda: unchecked.pr_curve(None, [1]), TypeError, "y_true is missing"),
        (lambda: unchecked.roc_curve([0, 1], [[1, 2]]), ValueError, "scores for each of 2 samples"),
        (lambda: unchecked.roc_curve([0, 1, 2], [1, 2, 3]), ValueError, "one score a sample"),
        (lambda: unchecked.roc_curve([0, 1], [float("nan"), 1]), ValueError, "NaN"),
        (lambda: unchecked.roc_curve([0, 1], ["a", "b"]), TypeError, "y_probas has numbers"),
        (lambda: unchecked.roc_curve(["a", "b"], np.eye(3)[:2]), ValueError, "scores of 3 classes"),
        (
            lambda: unchecked.roc_curve([0, 5], np.eye(2), labels=["a", "b"]),
            ValueError,
            "the class 5",
        ),
        (lambda: unchecked.pr_curve([0, 1], [0, 1], interp_size=1), ValueError, "at least 2"),
        (
            lambda: unchecked.confusion_matrix(y_true=[1]),
            TypeError,
            "takes y_true, and probs or preds",
        ),
        (lambda: unchecked.confusion_matrix([[1]], [0], [0]), ValueError, "not both"),
        (lambda: unchecked.confusion_matrix(y_true=[1], preds=[1, 2]), ValueError, "1 true and 2"),
        (
            lambda: unchecked.confusion_matrix(y_true=[0, 2], preds=[0, 1], class_names=["a", "b"]),
            ValueError,
            "class 2 is none of 0 to 1",
        ),
        (lambda: unchecked.confusion_matrix([1, 2], [0, 1]), ValueError, r"probs is \(samples"),
    ],
)
def test_a_mistake_is_told_at_once(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, steplog.UsageError)


def test_frames_are_drawn_as_tables_are():
    chart = plot.scatter(pd.DataFrame({"x": [1], "y": [2]}), "x", "y")
    assert chart.table.data == [[1, 2]]


def test_series_share_their_places_or_have_their_own():
    rows = [[0, "line_0", 5], [1, "line_0", 6], [0, "line_1", 7], [1, "line_1", 8]]
    for xs in ([0, 1], np.arange(2), [[0, 1], [0, 1]], range(2)):
        chart = plot.line_series(xs, [[5, 6], np.array([7, 8])], title="t", xname="epoch")
        assert chart.table.columns == ["step", "lineKey", "lineVal"]
        assert chart.table.data == rows
        assert chart.spec_name == "wandb/lineseries/v0"
        assert chart.fields == {name: name for name in chart.table.columns}
        assert chart.string_fields == {"title": "t", "xname": "epoch"}
    chart = plot.line_series([[0], [5, 6]], [[1], [2, 3]], keys=["a", "b"])
    assert chart.table.data == [[0, "a", 1], [5, "b", 2], [6, "b", 3]]


# ---- classifiers --------------------------------------------------------------------------------

_SCORES = st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), _SCORES), min_size=1, max_size=40))
def test_a_roc_curve_is_that_of_scikit_learn(samples):
    truth = [one for one, _ in samples]
    scores = [score for _, score in samples]
    chart = plot.roc_curve(truth, scores)
    if len(set(truth)) == 1:
        assert chart.table.data == []
        return
    fpr, tpr, _ = metrics.roc_curve(truth, scores)
    points = dict.fromkeys(zip(fpr.round(3).tolist(), tpr.round(3).tolist(), strict=True))
    assert chart.table.data == [[1, *point] for point in points]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), _SCORES), min_size=1, max_size=40), st.integers(2, 30))
def test_a_pr_curve_is_the_best_of_scikit_learns_points(samples, interp_size):
    truth = [one for one, _ in samples]
    scores = [score for _, score in samples]
    if not any(truth):
        truth[0] = 1
    chart = plot.pr_curve(truth, scores, interp_size=interp_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    expected = [
        [1, precision[recall >= at].max().round(3), at.round(3)]
        for at in np.linspace(1, 0, interp_size)
    ]
    assert chart.table.data == expected


def test_each_class_has_its_curve():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 200)
    scores = random.random((200, 3)).round(1)
    chart = plot.roc_curve(truth, scores, labels=["cat", "dog", "eel"], classes_to_plot=[0, 2])
    assert chart.spec_name == "wandb/area-under-curve/v0"
    assert chart.fields == {"x": "fpr", "y": "tpr", "class": "class"}
    assert chart.table.columns == ["class", "fpr", "tpr"]
    for at, name in ((0, "cat"), (2, "eel")):
        fpr, tpr, _ = metrics.roc_curve(truth == at, scores[:, at])
        points = dict.fromkeys(zip(fpr.round(3).tolist(), tpr.round(3).tolist(), strict=True))
        assert [row[1:] for row in chart.table.data if row[0] == name] == [*map(list, points)]
    assert {row[0] for row in chart.table.data} == {"cat", "eel"}
    chart = plot.pr_curve(truth, scores, ["cat", "dog", "eel"])
    assert chart.table.columns == ["class", "precision", "recall"]
    assert chart.fields == {"x": "recall", "y": "precision", "class": "class"}
    assert chart.string_fields["x-axis-title"] == "Recall"
    assert len(chart.table.data) == 3 * 21


def test_a_class_without_a_sample_shifts_no_other():
    truth = [0, 2, 2, 0]
    scores = np.array([[0.9, 0, 0.1], [0, 0.9, 0.1], [0.1, 0, 0.9], [0.5, 0.5, 0.0]])
    chart = plot.roc_curve(truth, scores)
    fpr, tpr, _ = metrics.roc_curve(np.array(truth) == 2, scores[:, 2])
    points = dict.fromkeys(zip(fpr.round(3).tolist(), tpr.round(3).tolist(), strict=True))
    assert [row[1:] for row in chart.table.data if row[0] == 2] == [*map(list, points)]


def test_a_million_samples_make_a_small_curve():
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 2, 1_000_000), random.random(1_000_000)
    assert len(plot.roc_curve(truth, scores).table) <= 2001


def test_labels_may_be_texts():
    chart = plot.roc_curve(["no", "yes", "yes"], [0.1, 0.9, 0.4])
    assert {row[0] for row in chart.table.data} == {"yes"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_a_confusion_matrix_is_that_of_scikit_learn(samples):
    truth, preds = ([one[at] for one in samples] for at in (0, 1))
    names = ["a", "b", "c", "d"]
    chart = plot.confusion_matrix(y_true=truth, preds=preds, class_names=names)
    counts = metrics.confusion_matrix(truth, preds, labels=range(4))
    assert chart.table.data == [
        [names[of], names[at], float(counts[of, at])] for of in range(4) for at in range(4)
    ]
    assert chart.spec_name == "wandb/confusion_matrix/v1"
    assert chart.fields == {name: name for name in ("Actual", "Predicted", "nPredictions")}


def test_the_greatest_of_the_scores_is_the_prediction():
    chart = plot.confusion_matrix(probs=np.array([[0.1, 0.9], [0.8, 0.2]]), y_true=[1, 1])
    assert chart.table.data == [
        *(["Class_1", "Class_1", 0.0], ["Class_1", "Class_2", 0.0]),
        *(["Class_2", "Class_1", 1.0], ["Class_2", "Class_2", 1.0]),
    ]
    assert chart.string_fields == {"title": "Confusion Matrix Curve"}
