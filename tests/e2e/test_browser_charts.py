"""Custom charts in a real browser: logged by `steplog.plot`, drawn by Vega."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.e2e.test_browser import need_browser, run_page

import steplog
from steplog import plot

RANDOM = np.random.default_rng(3)
CLASSES = ["cat", "dog", "bird"]


def curves(step):
    """Scores of three classes that tell them apart the better the later it is."""
    truth = np.arange(120) % 3
    scores = RANDOM.random((120, 3))
    scores[np.arange(120), truth] += step / 3
    return truth, scores / scores.sum(axis=1, keepdims=True)


def log_charts(run, bird):
    """Steps 0 to 2: one of each chart; a name with dots, and a column with dots."""
    losses = [[n, math.exp(-n / 9), kind] for kind in ("train", "val") for n in range(20)]
    points = RANDOM.normal(size=(30, 2)).tolist()
    for step in range(3):
        truth, scores = curves(step)
        counts = [["cat", 12 + step], ["dog", 30], ["bird", bird]]
        numbers = [[float(n % 10)] for n in range(100)]
        run.log(
            {
                "line": plot.line(
                    steplog.Table(["step", "loss.all", "kind"], losses),
                    "step",
                    "loss.all",
                    stroke="kind",
                    title="Loss by kind",
                ),
                "scatter": plot.scatter(
                    steplog.Table(["acc", "latency ms"], points), "acc", "latency ms"
                ),
                "bar": plot.bar(
                    steplog.Table(["class", "n"], counts), "class", "n", title="Counts"
                ),
                "histogram": plot.histogram(steplog.Table(["score"], numbers), "score"),
                "series": plot.line_series(
                    range(5), [[0, 1, 4, 9, 16], [4, 3, 2, 1, 0]], ["up", "down"], xname="round"
                ),
                "eval": {
                    "roc": plot.roc_curve(truth, scores, labels=CLASSES),
                    "pr": plot.pr_curve(truth, scores, labels=CLASSES),
                },
                "confusion": plot.confusion_matrix(probs=scores, y_true=truth, class_names=CLASSES),
                "mine": plot.plot_table(
                    "team/boxes",
                    steplog.Table(["g", "v"], [["ab"[n % 2], float(n % 7)] for n in range(40)]),
                    {"group": "g", "value": "v"},
                    {"title": "Boxes"},
                ),
                "loss": 1 / (1 + step),
            }
        )


def log_odd_charts(run):
    """Columns whose names Vega-Lite takes apart, and charts of which something is not there."""
    matrix = [["a", "a", 100], ["a", "b", 40], ["b", "a", 30], ["b", "b", 60]]
    fields = {"Actual": 'Act"ual', "Predicted": "Pred'd", "nPredictions": "n\\"}
    holes = [[1.0, 2.0], [2.0, math.nan], [3.0, None], [math.inf, 1.0], [4.0, 4.0]]
    drawn = {
        "bar": plot.bar(steplog.Table(["l", "it's"], [["a", 1], ["b", 2]]), "l", "it's"),
        "line": plot.line(
            steplog.Table(["back\\slash", '5" disk'], [[0, 1], [1, 5], [2, 3]]),
            "back\\slash",
            '5" disk',
        ),
        "histogram": plot.histogram(steplog.Table(["a\nb"], [[1.0], [1.0], [2.0]]), "a\nb"),
        "matrix": plot.plot_table(
            "wandb/confusion_matrix/v1", steplog.Table(list(fields.values()), matrix), fields
        ),
        "lost": plot.plot_table(
            "wandb/line/v0", steplog.Table(["a"], [[1]]), {"x": "nope", "y": "a"}
        ),
        "holes": plot.scatter(steplog.Table(["x", "y"], holes), "x", "y"),
        "strange": plot.plot_table("wandb/none/v9", steplog.Table(["a"], [[1]]), {"x": "a"}),
    }
    run.log({"odd": drawn})


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_custom_charts_in_the_browser(server, monkeypatch, tmp_path):
    need_browser()
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    settings = {"base_url": server.url, "quiet": True, "finish_timeout_secs": 60.0}
    for number, name in enumerate(("first", "second")):
        with steplog.init(
            project="p", dir=str(tmp_path), id=name, name=name, settings=settings
        ) as run:
            log_charts(run, bird=7 + number)
            if number == 0:
                log_odd_charts(run)
    run_page(server, "e2e/charts.mjs", "p")
