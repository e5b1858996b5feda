"""Figures of matplotlib, Plotly and Bokeh in a run's log."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import re
import sys
import threading
import traceback
from decimal import Decimal
from typing import Any

import bokeh.document
import bokeh.models
import bokeh.plotting
import matplotlib as mpl
import numpy as np
import orjson
import PIL.Image
import plotly.graph_objects as go
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import steplog
from steplog._core import RunLog
from steplog.data import figure
from steplog.data.chart import Chart

mpl.use("Agg")
# Plotly's converter reads what matplotlib is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore::matplotlib.MatplotlibDeprecationWarning")
RANDOM = np.random.default_rng(6)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value):
        with start() as run:
            run.log({"fig": value})
        rows: list[Any] = list(RunLog(run.sync_dir).rows())
        return rows[0].get("fig"), media_of(run.sync_dir)

    return log


def content_of(value, logged):
    """What is in the file of a figure of Plotly."""
    said, files = logged(value)
    assert said["_type"] == "plotly-file"
    return json.loads(files[said["path"]])


def drawn(content):
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGBA"))


def as_saved(fig):
    """What matplotlib itself makes of a figure."""
    file = io.BytesIO()
    fig.savefig(file, format="png")
    return drawn(file.getvalue())


def lines():
    """A figure that Plotly can show."""
    fig, axes = plt.subplots()
    axes.plot([1, 2, 3], [4, 6, 5], label="a")
    axes.set_title("title")
    axes.set_xlabel("x")
    return fig


def with_image():
    """A figure that it cannot."""
    fig, axes = plt.subplots()
    axes.imshow(np.eye(4))
    axes.set_title(r"$\alpha^2$")
    return fig


# ---- Plotly ------------------------------------------------------------------------------------


def test_a_figure_of_plotly_is_what_the_reference_makes_of_it(logged):
    shown = go.Figure(go.Scatter(x=[1, 2], y=np.array([3.5, np.nan])), layout={"title": "t"})
    for value in (shown, steplog.Plotly(shown), steplog.Plotly(shown.to_dict())):
        said, files = logged(value)
        (content,) = files.values()
        sha256 = hashlib.sha256(content).hexdigest()
        assert said == {
            "_type": "plotly-file",
            "path": f"media/plotly/fig_0_{sha256[:20]}.plotly.json",
            "sha256": sha256,
            "size": len(content),
        }
        found = json.loads(content)
        assert found["data"] == [{"type": "scatter", "x": [1, 2], "y": [3.5, None]}]
        assert found["layout"]["title"] == {"text": "t"}


def test_arrays_are_lists_as_plotly_reads_them(logged):
    days = np.array(["2026-01-02", "2026-01-03"], "datetime64[D]")
    arrays = {
        "f4": np.array([0.5, -1], "f4"),
        "i1": np.array([1, -1], "i1"),
        "u4": np.array([2**32 - 1], "u4"),
        "i8": np.array([2**62]),
        "2d": RANDOM.normal(size=(3, 4)),
        "text": np.array(["a", "b"]),
        "empty": np.array([]),
    }
    value = go.Figure([go.Scatter(y=array, name=name) for name, array in arrays.items()])
    value.add_trace(go.Scatter(x=days, y=[dt.date(2026, 1, 2), None], name="days"))
    traces = {trace["name"]: trace for trace in content_of(value, logged)["data"]}
    for name, array in arrays.items():
        assert traces[name]["y"] == array.tolist()
    assert [str(day)[:10] for day in traces["days"]["x"]] == ["2026-01-02", "2026-01-03"]
    assert traces["days"]["y"] == ["2026-01-02", None]


def test_what_plotly_has_packed_is_unpacked(logged):
    packed = {"bdata": "AAAAAAAA+D8AAAAAAAAAQA==", "dtype": "f8"}
    square = {"bdata": "AQIDBAUG", "dtype": "i1", "shape": "2, 3"}
    value = {"data": [{"y": packed, "z": square, "w": Decimal("0.5")}], "layout": {}}
    (trace,) = content_of(steplog.Plotly(value), logged)["data"]
    assert trace == {"y": [1.5, 2], "z": [[1, 2, 3], [4, 5, 6]], "w": 0.5}


def test_frames_and_long_lists_come_along(logged):
    many = RANDOM.normal(size=5000).tolist()
    value = go.Figure(go.Scatter(y=many), frames=[go.Frame(data=[go.Scatter(y=[1, 2])], name="f")])
    found = content_of(value, logged)
    assert found["data"][0]["y"] == many
    assert found["frames"][0]["data"] == [{"type": "scatter", "y": [1, 2]}]


def test_what_the_program_does_to_a_figure_afterwards_changes_nothing(logged):
    y = np.array([1.0, 2])
    value = go.Figure(go.Scatter(y=y, text=["a"], customdata=[[1], [2]]))
    logging = steplog.Plotly(value)
    value.data[0].y = [9]
    value._data[0]["text"][0] = "b"
    y[:] = 0
    (trace,) = content_of(logging, logged)["data"]
    assert trace["y"] == [1, 2]
    assert trace["text"] == ["a"]


def test_what_json_does_not_know_costs_only_itself(start, capfd):
    with start(settings={"quiet": False}) as run:
        run.log({"fig": steplog.Plotly({"data": [{"x": object()}]}), "a": 1})
    (row,) = RunLog(run.sync_dir).rows()
    assert row["a"] == 1
    assert "fig" not in row
    assert "JSON does not know" in capfd.readouterr().err


@pytest.mark.parametrize("value", [3, None, "figure", {"layout": {}}, []])
def test_what_is_no_figure_is_refused(value):
    with pytest.raises(TypeError, match="takes a figure"):
        steplog.Plotly(value)


# ---- Bokeh -------------------------------------------------------------------------------------


def test_a_figure_of_bokeh_is_its_json_and_a_page(logged, tmp_path):
    shown = bokeh.plotting.figure(width=300, height=200)
    line = shown.line(np.array([1.0, 2, 3]), [4, 6, 5])
    value = steplog.Bokeh(shown)
    source: Any = line.data_source
    source.data = {"x": [], "y": []}
    said, files = logged(value)
    page = said.pop("html")
    content = files[said["path"]]
    sha256 = hashlib.sha256(content).hexdigest()
    assert said == {
        "_type": "bokeh-file",
        "path": f"media/bokeh/fig_0_{sha256[:20]}.bokeh.json",
        "sha256": sha256,
        "size": len(content),
    }
    document = bokeh.document.Document.from_json(json.loads(content))
    found: list[Any] = list(document.select({"type": bokeh.models.ColumnDataSource}))
    (source,) = found
    assert [list(source.data[name]) for name in "xy"] == [[1, 2, 3], [4, 6, 5]]
    assert page["path"].endswith(".html")
    text = files[page["path"]].decode()
    assert text.startswith("<!DOCTYPE html>")
    assert not re.search(r"<script[^>]* src=|<link", text)
    path = tmp_path / "f.bokeh.json"
    path.write_bytes(content)
    for again in (path, str(path)):
        said, files = logged([steplog.Bokeh(again)])
        assert files[said[0]["path"]] == content
    said, files = logged(steplog.Bokeh(document))
    assert json.loads(files[said["path"]])["roots"][0]["name"] == "Figure"


def test_without_bokeh_a_file_of_it_is_kept(logged, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    path = tmp_path / "f.json"
    path.write_text('{"roots": []}')
    said, files = logged(steplog.Bokeh(path))
    assert "html" not in said
    assert files == {said["path"]: b'{"roots": []}'}
    path.write_text('{"roots": [NaN, -Infinity, 1]}')
    said, files = logged(steplog.Bokeh(path))
    assert orjson.loads(files[said["path"]]) == {"roots": [None, None, 1]}


def test_what_is_no_figure_of_bokeh_is_refused(tmp_path):
    for text in ("[]", "{", "[" * 100_000):
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(steplog.UsageError, match=r"f\.json"):
            steplog.Bokeh(tmp_path / "f.json")
    with pytest.raises(TypeError, match="takes a model"):
        steplog.Bokeh(3)


# ---- matplotlib --------------------------------------------------------------------------------


def test_a_figure_of_matplotlib_becomes_one_of_plotly(logged):
    fig = lines()
    for value in (fig, fig.axes[0], plt, steplog.Plotly(fig)):
        (trace,) = content_of(value, logged)["data"]
        assert (trace["x"], trace["y"], trace["name"]) == ([1, 2, 3], [4, 6, 5], "a")
    assert content_of(fig, logged)["layout"]["title"]["text"] == "title"
    assert plt.get_fignums() == [fig.number]  # ours are none of pyplot's


def test_bars_and_points_become_plotlys(logged):
    fig, (left, right) = plt.subplots(1, 2)
    left.bar([1, 2], [3, 4])
    right.scatter([1, 2], [3, 4])
    bars, points = content_of(fig, logged)["data"]
    assert (bars["type"], bars["y"]) == ("bar", [3, 4])
    assert (points["mode"], points["y"]) == ("markers", [3, 4])


def test_decimal_axes_become_plotlys(logged):
    fig, axes = plt.subplots()
    axes.semilogy([1, 2], [10, 1000])
    found = content_of(fig, logged)
    assert found["data"][0]["y"] == [10, 1000]
    assert found["layout"]["yaxis"]["type"] == "log"


def empty():
    return plt.figure()


def no_data():
    return plt.subplots()[0]


def in_3d():
    fig = plt.figure()
    fig.add_subplot(projection="3d").plot([1, 2], [1, 2], [1, 2])
    return fig


def polar():
    fig = plt.figure()
    fig.add_subplot(projection="polar").plot([1, 2], [1, 2])
    return fig


def drawing(call):
    def make():
        fig = lines()
        call(fig, fig.axes[0])
        return fig

    return make


DRAWN = [
    *(with_image, empty, no_data, in_3d, polar),
    drawing(lambda _, axes: axes.fill_between([1, 2], [3, 4])),
    drawing(lambda _, axes: axes.axhline(5)),
    drawing(lambda _, axes: axes.axvspan(1, 2)),
    drawing(lambda _, axes: axes.errorbar([1, 2], [3, 4], yerr=1)),
    drawing(lambda _, axes: axes.annotate("a", (1, 4), (2, 5), arrowprops={})),
    drawing(lambda _, axes: axes.scatter([1, 2], [4, 5], c=[1, 2])),
    drawing(lambda _, axes: axes.scatter([1, 2], [4, 5], s=[1, 90])),
    drawing(lambda _, axes: (axes.scatter([1, 2], [4, 5]), axes.set_xscale("log"))),
    drawing(lambda _, axes: axes.twinx()),
    drawing(lambda _, axes: axes.bar(["a", "b"], [1, 2])),
    drawing(lambda _, axes: axes.set_xscale("symlog")),
    drawing(lambda _, axes: axes.set_xscale("log", base=2)),
    drawing(lambda _, axes: axes.pie([1, 2])),
    drawing(lambda fig, _: fig.suptitle("all")),
    drawing(lambda fig, _: fig.legend()),
]


@pytest.mark.parametrize("make", DRAWN)
def test_what_plotly_would_lose_or_change_is_drawn(logged, make):
    fig = make()
    said, files = logged(fig)
    assert said["_type"] == "image-file"
    found = drawn(*files.values())
    assert np.array_equal(found, as_saved(fig))
    assert (said["width"], said["height"]) == (found.shape[1], found.shape[0])


def test_without_plotly_a_figure_is_drawn(logged, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    fig = lines()
    said, files = logged(fig)
    assert said["_type"] == "image-file"
    assert np.array_equal(drawn(*files.values()), as_saved(fig))


@pytest.mark.parametrize("of", [lambda fig: fig, steplog.Image])
def test_what_is_drawn_after_log_changes_nothing(logged, of, monkeypatch):
    ready = threading.Event()
    rgba = figure.Snapshot.rgba

    def late(self):
        assert ready.wait(20)
        return rgba(self)

    monkeypatch.setattr(figure.Snapshot, "rgba", late)
    fig = with_image()
    expected = as_saved(fig)

    class Value:
        def __init__(self):
            self.figure = of(fig)

    value = Value().figure
    taken = value if isinstance(value, steplog.Image) else Chart(value)
    fig.axes[0].clear()
    plt.close(fig)
    ready.set()
    _, files = logged(taken)
    assert np.array_equal(drawn(*files.values()), expected)


def test_a_figure_that_cannot_be_pickled_is_drawn_at_once(logged):
    fig = lines()
    fig.axes[0].xaxis.set_major_formatter(lambda value, _: f"<{value}>")
    expected = as_saved(fig)
    chart = Chart(fig)
    fig.axes[0].clear()
    said, files = logged([chart, steplog.Image(fig)])
    assert [one["_type"] for one in said] == ["image-file"] * 2
    assert np.array_equal(drawn(files[said[0]["path"]]), expected)


def test_settings_of_savefig_hold(logged):
    fig = lines()
    fig.legend()
    changes: list[dict[Any, Any]] = [
        {"savefig.dpi": 50},
        {"savefig.bbox": "tight"},
        {"savefig.facecolor": "red"},
        {"savefig.transparent": True},
    ]
    for settings in changes:
        with mpl.rc_context(settings):
            expected = as_saved(fig)
            _, files = logged(fig)
        assert np.array_equal(drawn(*files.values()), expected), settings


def test_a_figure_without_pyplot_and_lists_of_figures(logged):
    fig = Figure(figsize=(2, 1))
    fig.add_subplot().imshow(np.eye(3))
    said, _ = logged([fig, {"deep": [fig]}, go.Figure(), 3])
    assert [said[0]["width"], said[0]["height"]] == [200, 100]
    assert said[1]["deep"][0]["sha256"] == said[0]["sha256"]
    assert (said[2]["_type"], said[3]) == ("plotly-file", 3)


def test_an_image_of_a_figure_may_have_another_type(logged):
    said, files = logged(steplog.Image(with_image(), file_type="jpg"))
    assert said["format"] == "jpg"
    assert PIL.Image.open(io.BytesIO(*files.values())).format == "JPEG"


def test_a_fork_waits_for_a_drawing():
    lock, main = figure._TURNS.lock, threading.get_ident()
    is_drawing = threading.Event()

    def is_held_up():
        frames = traceback.walk_stack(sys._current_frames()[main])
        return any(frame.f_code.co_name == "_hold" for frame, _ in frames)

    def draw():
        with lock:
            is_drawing.set()
            while not is_held_up():
                pass

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    assert is_drawing.wait(20)
    child = os.fork()
    if child == 0:
        os._exit(not lock.acquire(timeout=5))
    drawing.join(20)
    assert os.waitpid(child, 0)[1] == 0
    assert lock.acquire(timeout=5)
    lock.release()


@pytest.mark.slow
def test_the_program_lays_formulas_out_while_ours_are_drawn(start):
    # matplotlib has one parser for all threads: both sides failed when both used it.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    laid_out = 0
    try:
        with start(settings={"strict": True}) as run:
            mine = plt.figure()
            for number in range(8):
                fig = with_image()
                for place in range(9):
                    fig.text(
                        0.1, place / 9, rf"$\beta_{number}^{{{place}}} \frac{{1}}{{{number}}}$"
                    )
                run.log({"fig": fig})
                plt.close(fig)
            while run.status()["deferred"]:
                mine.suptitle(rf"$\gamma_{{{laid_out}}} \frac{{1}}{{2}}$")
                mine.get_tightbbox()
                laid_out += 1
    finally:
        sys.setswitchinterval(interval)
    assert laid_out > 0
    assert len(list(RunLog(run.sync_dir).rows())) == 8
