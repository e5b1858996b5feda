"""The chart query: exact points, or M4 (first, min, max, last) on a power-of-two grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steplog.server.store import chart_sql as sql
from steplog.server.store.chart_rows import ChartRows, Rows
from steplog.server.store.engine import ints_param, texts_param

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

_MAX_INT = 2**63 - 1
_MAX_BUCKET = 2**31 - 1  # a column's; only one beside the range may be farther away


@dataclass(frozen=True)
class Panel:
    """What a chart asks for.

    Attributes:
        id: Echoed.
        keys: The keys to draw.
        runs: Run ids to their numbers.
        created: Each run's start, nanoseconds, for `relative`.
        is_rewritten: A step may have been written again by a later writer of the same label.
        is_sampled: The keys are names of the system's samples.
        shown: What the runs show (`Lineage.params`); None for simply all they have.
        x: `step`, `wall` (milliseconds since the epoch) or `relative` (since the run's start).
        span: The range on screen, inclusive; None for everything.
        px: Device pixels of the plot's width.
        devices: Of each key the number of its device, where all of a kind are one picture: always
            in buckets, in the order of the numbers.
        is_grouped: All labels of a run are one series: their mean, and the range of their points.
        is_beside: Points sent as they are have the nearest one on each side of the range, too.
        max_series: More series than this are cut, and said so.
    """

    id: str
    keys: Sequence[str]
    runs: Mapping[str, int]
    created: Mapping[int, int]
    is_rewritten: bool
    is_sampled: bool
    shown: Mapping[str, str] | None
    x: str
    span: tuple[float, float] | None
    px: int
    devices: Mapping[str, int] | None
    is_grouped: bool
    is_beside: bool
    max_series: int

    @property
    def mode(self) -> str:
        """What its buckets are."""
        if self.is_grouped:
            return "group"
        return "bucket" if self.devices is None else "devices"


@dataclass(frozen=True)
class Drawn:
    """A panel's answer: the header of the API, and columns sorted by series and x."""

    header: dict[str, object]
    columns: dict[str, NDArray[np.generic]]


def grid(lo: float, hi: float, px: int) -> tuple[int, int, int]:
    """The bucket width, first bucket and number of buckets for a range; exact for integers.

    The width is the smallest power of two, at least 1, with which the range has at most 2 * px
    buckets; edges are multiples of it, so that they depend on nothing else.
    """
    width = 1
    extent = max(hi - lo, 1)
    while -(-extent // width) > 2 * px:
        width *= 2
    first = int(lo // width)
    return width, first, int(hi // width) - first + 1


def _range_params(panel: Panel, lo: float, hi: float) -> dict[str, int | str]:
    """The points from `lo` to `hi`, both inside, as `sql.IN_RANGE` takes them."""
    if panel.x != "step":
        return {
            name: int(np.float64(end).view(np.uint64)) for name, end in (("lo", lo), ("hi", hi))
        }
    return {
        "lo": -_MAX_INT if lo == -math.inf else math.ceil(lo),
        "hi": _MAX_INT if hi == math.inf else math.floor(hi),
    }


async def draw(store: SeriesStore, panel: Panel) -> Drawn:
    """Answer a panel, exactly: no point inside the range is left out of its bucket."""
    numbers = list(panel.runs.values())
    if not numbers or not panel.keys:
        return _empty(panel)
    both: dict[str, int | str] = {"runs": ints_param(numbers), "keys": texts_param(panel.keys)}
    if panel.is_sampled:
        points = sql.SAMPLES
    elif panel.shown is not None:
        both |= panel.shown
        points = sql.SHOWN
    elif panel.is_rewritten or (await store.read(sql.PATCHED, **both)).ints("n")[0] > 0:
        points = sql.MERGED
    else:
        points = sql.POINTS
    if panel.x == "relative":
        both["created"] = ints_param([panel.created[number] for number in numbers])
    lo, hi = panel.span or (-math.inf, math.inf)
    words = {"x": sql.X[panel.x], "points": points, "in_range": sql.IN_RANGE[panel.x]}
    words |= (
        {"series": sql.GROUP, "labels": "uniqExact(label)"}
        if panel.is_grouped
        else {"series": sql.SERIES, "labels": "1"}
    )
    inside = _range_params(panel, lo, hi)
    stats = await store.read(sql.STATS.format(**words), **both, **inside)
    if stats.rows == 0:
        return _empty(panel)
    if panel.span is None:
        ends = (stats.numbers("x_min").min(), stats.numbers("x_max").max())
        lo, hi = (end.item() for end in ends)
        inside = _range_params(panel, lo, hi)
    width, first, count = grid(lo, hi, panel.px)
    shown = _order(panel, stats)[: panel.max_series]
    header = _header(panel, stats, shown)
    header |= {"x0": first * width, "dx": width, "nb": count}
    hashes = stats.uints("h")[shown].tolist()
    if stats.rows == 1:
        words["series"] = sql.ONE_SERIES
        both["only"] = hashes[0]
    words |= {"order": sql.ORDER[panel.x], **sql.OUTSIDE[panel.x]}
    is_beside = panel.is_beside and panel.span is not None
    mode = panel.mode
    if mode == "bucket" and int(stats.uints("inside")[shown].max()) <= 2 * count:
        header["mode"] = "raw"
        rows = await ChartRows(store, words, {**both, **inside}).points(is_beside=is_beside)
    else:
        header["mode"] = mode
        is_finite = bool(np.array_equal(stats.uints("n"), stats.uints("finite")))
        words |= sql.ALL_FINITE if is_finite else sql.SOME_FINITE
        words["bucket"] = sql.BUCKET[panel.x]
        # Whole buckets, so that an edge bucket does not change with the range.
        after = (first + count) * width
        edge = after - 1 if panel.x == "step" else float(np.nextafter(after, -math.inf))
        both |= {"width": width, "b0": first, **_range_params(panel, first * width, edge)}
        reader = ChartRows(store, words, both)
        rows = await reader.buckets(mode, is_beside=is_beside)
    return Drawn(header, _numbered(rows, hashes))


def _numbered(rows: Rows, hashes: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Columns with the number of the series, in the order of the header, in place of its hash."""
    series = np.full(len(rows.series), -1, np.int64)
    for number, value in enumerate(hashes):
        series[rows.series == np.uint64(value)] = number
    order = np.argsort(series, kind="stable")
    order = order[series[order] >= 0]
    return {
        "s": series[order].astype(np.uint16),
        **{name: column[order] for name, column in rows.columns.items()},
    }


def _order(panel: Panel, stats: Columns) -> list[int]:
    """The rows of the series in their order."""
    rows = list(range(stats.rows))
    if panel.devices is not None:
        numbers = [panel.devices[name.decode()] for name in stats.texts("name")]
        runs, tags = stats.uints("number"), stats.texts("tag")
        rows.sort(key=lambda row: (int(runs[row]), tags[row], numbers[row]))
    return rows


def _header(panel: Panel, stats: Columns, shown: Sequence[int]) -> dict[str, object]:
    ids = {number: run for run, number in panel.runs.items()}
    is_step = panel.x == "step"
    series = []
    for i, row in enumerate(shown):
        name = stats.texts("name")[row].decode()
        nan, finite = int(stats.uints("nan")[row]), int(stats.uints("finite")[row])
        first_nan, last_x = float(stats.floats("first_nan")[row]), float(stats.floats("x_max")[row])
        y = [float(stats.floats(name)[row]) for name in ("y_min", "y_max")]
        series.append(
            {
                "i": i,
                "run": ids[int(stats.uints("number")[row])],
                "metric": name,
                "label": "" if panel.is_grouped else stats.texts("tag")[row].decode(),
                **({} if panel.devices is None else {"device": panel.devices[name]}),
                **({"labels": int(stats.uints("labels")[row])} if panel.is_grouped else {}),
                "n": int(stats.uints("n")[row]),
                "nan": nan,
                "first_nan": (int(first_nan) if is_step else first_nan) if nan else None,
                "last_x": int(last_x) if is_step else last_x,
                "y": y if finite else None,
            }
        )
    cut = stats.rows > len(shown)
    return {
        "id": panel.id,
        "warmup": 0,
        "unit": "step" if is_step else "ms",
        "series": series,
        "exact": True,
        "truncated": {"shown": len(shown), "total": stats.rows, "reason": "series"}
        if cut
        else None,
    }


def _empty(panel: Panel) -> Drawn:
    header: dict[str, object] = {
        "id": panel.id,
        "mode": "raw",
        "x0": 0,
        "dx": 1,
        "nb": 0,
        "warmup": 0,
        "unit": "step" if panel.x == "step" else "ms",
        "series": [],
        "exact": True,
        "truncated": None,
    }
    none = np.empty(0)
    return Drawn(header, {"s": np.empty(0, np.uint16), "x": none, "y": none})
