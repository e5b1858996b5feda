"""The chart query: exact points, or M4 (first, min, max, last) on a power-of-two grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steplog.server.schema import PLOTTED_KINDS
from steplog.server.store.engine import ints_param, texts_param
from steplog.server.store.lineage import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

_MAX_INT = 2**63 - 1
_KINDS = ", ".join(map(str, PLOTTED_KINDS))
_BOTH = "run IN {runs:Array(UInt64)} AND key IN {keys:Array(String)}"

_PATCHED = f"SELECT count() AS n FROM patches WHERE {_BOTH}"  # noqa: S608  # constants of this file

# Where nothing was ever written twice the points are read as they lie.
_POINTS = f"""SELECT run, key, label, step, wall, kind, f64 FROM points
WHERE {_BOTH} AND kind IN ({_KINDS})"""  # noqa: S608  # constants of this file

# Else the latest value of each step counts, whatever its kind.
_MERGED = f"""SELECT run, key, label, step, latest.1 AS wall, latest.2 AS kind, latest.3 AS f64
FROM (SELECT run, key, label, step, argMax((wall, kind, f64), (generation, position)) AS latest
      FROM (SELECT * FROM points WHERE {_BOTH}
            UNION ALL SELECT * FROM patches WHERE {_BOTH})
      GROUP BY run, key, label, step)
WHERE kind IN ({_KINDS})"""  # noqa: S608  # constants of this file

# The same of what runs show, where that is not simply all they have.
_SHOWN = f"""SELECT run, key, label, step, latest.1 AS wall, latest.2 AS kind, latest.3 AS f64
FROM (SELECT run, key, label, step, argMax((wall, kind, f64), (generation, position)) AS latest
      FROM ({shown("points")} AND p.key IN {{keys:Array(String)}}
            UNION ALL {shown("patches")} AND p.key IN {{keys:Array(String)}})
      GROUP BY run, key, label, step)
WHERE kind IN ({_KINDS})"""  # noqa: S608  # constants of this file

# A series as one number to group by: the engine hashes a dictionary's entry once, not each row.
_SERIES = "bitXor(bitXor(cityHash64(key), cityHash64(label) * 31), run)"
# Where there is but one series no row needs a hash: a quarter of the time of `_BUCKETS`.
_ONE_SERIES = "{only:UInt64}"

_RELATIVE = "transform(run, {runs:Array(UInt64)}, {created:Array(Int64)}, toInt64(0))"
_X = {"step": "step", "wall": "wall / 1e6", "relative": f"(wall - {_RELATIVE}) / 1e6"}

_TIME_RANGE = "x >= reinterpretAsFloat64({lo:UInt64}) AND x <= reinterpretAsFloat64({hi:UInt64})"
# Steps are compared as they are stored, so that the engine can skip what lies outside.
_IN_RANGE = {
    "step": "step >= {lo:Int64} AND step <= {hi:Int64}",
    "wall": _TIME_RANGE,
    "relative": _TIME_RANGE,
}
# Steps are never negative, so the quotient is the floor.
_BUCKET = {
    "step": "intDiv(step, {width:Int64})",
    "wall": "toInt64(floor(x / {width:Int64}))",
    "relative": "toInt64(floor(x / {width:Int64}))",
}
# The order of points in a bucket; times may be equal, then the step decides.
_ORDER = {"step": "step", "wall": "(x, step)", "relative": "(x, step)"}

_STATS = f"""SELECT {_SERIES} AS h, any(run) AS number, CAST(any(key), 'String') AS name,
    CAST(any(label), 'String') AS tag, count() AS n,
    countIf(isNaN(f64)) AS nan, minIf(x, isNaN(f64)) AS first_nan, min(x) AS x_min, max(x) AS x_max,
    minIf(f64, isFinite(f64)) AS y_min, maxIf(f64, isFinite(f64)) AS y_max,
    countIf(isFinite(f64)) AS finite, countIf({{in_range}}) AS inside
FROM (SELECT *, {{x}} AS x FROM ({{points}}))
GROUP BY h ORDER BY number, name, tag"""  # noqa: S608  # constants of this file

_RAW = """SELECT {series} AS h, toFloat64(x) AS at, f64 AS y
FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range}
ORDER BY h, at, step"""

_BUCKETS = """SELECT {series} AS h, toInt32({bucket} - {{b0:Int64}}) AS b,
    argMin{finite}(f64, {order}{when}) AS first, min{finite}(f64{when}) AS low,
    max{finite}(f64{when}) AS high, argMax{finite}(f64, {order}{when}) AS last,
    avg{finite}(f64{when}) AS mean, toUInt32({n}) AS n, toUInt8({flags}) AS fl,
    toUInt8(high > low AND argMax{finite}({order}, f64{when})
        < argMin{finite}({order}, f64{when})) AS ff
FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range}
GROUP BY h, b ORDER BY h, b"""

# Where every value is finite, nothing needs to be asked of each of them.
_ALL_FINITE = {"finite": "", "when": "", "n": "count()", "flags": "0"}
_SOME_FINITE = {
    "finite": "If",
    "when": ", isFinite(f64)",
    "n": "countIf(isFinite(f64))",
    "flags": "max(isNaN(f64)) + 2 * max(f64 = inf) + 4 * max(f64 = -inf)",
}


@dataclass(frozen=True)
class Panel:
    """What a chart asks for.

    Attributes:
        id: Echoed.
        keys: The keys to draw.
        runs: Run ids to their numbers.
        created: Each run's start, nanoseconds, for `relative`.
        is_rewritten: A step may have been written again by a later writer of the same label.
        shown: What the runs show (`Lineage.params`); None for simply all they have.
        x: `step`, `wall` (milliseconds since the epoch) or `relative` (since the run's start).
        span: The range on screen, inclusive; None for everything.
        px: Device pixels of the plot's width.
        max_series: More series than this are cut, and said so.
    """

    id: str
    keys: Sequence[str]
    runs: Mapping[str, int]
    created: Mapping[int, int]
    is_rewritten: bool
    shown: Mapping[str, str] | None
    x: str
    span: tuple[float, float] | None
    px: int
    max_series: int


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
    """The points from `lo` to `hi`, both inside, as `_IN_RANGE` takes them."""
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
    if panel.shown is not None:
        both |= panel.shown
        points = _SHOWN
    elif panel.is_rewritten or (await store.read(_PATCHED, **both)).ints("n")[0] > 0:
        points = _MERGED
    else:
        points = _POINTS
    if panel.x == "relative":
        both["created"] = ints_param([panel.created[number] for number in numbers])
    lo, hi = panel.span or (-math.inf, math.inf)
    words = {"x": _X[panel.x], "points": points, "in_range": _IN_RANGE[panel.x]}
    stats = await store.read(_STATS.format(**words), **both, **_range_params(panel, lo, hi))
    if stats.rows == 0:
        return _empty(panel)
    if panel.span is None:
        ends = (stats.numbers("x_min").min(), stats.numbers("x_max").max())
        lo, hi = (end.item() for end in ends)
    width, first, count = grid(lo, hi, panel.px)
    shown = min(stats.rows, panel.max_series)
    header = _header(panel, stats, shown)
    header |= {"x0": first * width, "dx": width, "nb": count}
    is_raw = int(stats.uints("inside")[:shown].max()) <= 2 * count
    hashes = stats.uints("h")[:shown].tolist()
    words["series"] = _ONE_SERIES if stats.rows == 1 else _SERIES
    both["only"] = hashes[0]
    if is_raw:
        found = await store.read(_RAW.format(**words), **both, **_range_params(panel, lo, hi))
        columns: dict[str, NDArray[np.generic]] = {"x": found.floats("at"), "y": found.floats("y")}
    else:
        # Whole buckets, so that an edge bucket does not change with the range.
        after = (first + count) * width
        edge = after - 1 if panel.x == "step" else float(np.nextafter(after, -math.inf))
        is_finite = bool(np.array_equal(stats.uints("n"), stats.uints("finite")))
        words |= {"bucket": _BUCKET[panel.x], "order": _ORDER[panel.x]}
        found = await store.read(
            _BUCKETS.format(**words, **(_ALL_FINITE if is_finite else _SOME_FINITE)),
            **both,
            **_range_params(panel, first * width, edge),
            width=width,
            b0=first,
        )
        columns = _bucket_columns(found)
    header["mode"] = "raw" if is_raw else "bucket"
    return Drawn(header, _numbered(found.uints("h"), hashes, columns))


def _bucket_columns(found: Columns) -> dict[str, NDArray[np.generic]]:
    n = found.uints("n").astype(np.uint32)
    columns: dict[str, NDArray[np.generic]] = {"b": found.ints("b").astype(np.int32)}
    for name, source in (("first", "first"), ("min", "low"), ("max", "high"), ("last", "last")):
        columns[name] = np.where(n > 0, found.floats(source), np.nan)
    columns["mean"] = found.floats("mean")
    columns["n"] = n
    columns["fl"] = found.uints("fl").astype(np.uint8)
    columns["ff"] = found.uints("ff").astype(np.uint8)
    return columns


def _numbered(
    found: NDArray[np.uint64], hashes: Sequence[int], columns: dict[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """Replace the hashes of series by their numbers, in the order of the header."""
    series = np.full(len(found), -1, np.int64)
    for number, value in enumerate(hashes):
        series[found == np.uint64(value)] = number
    order = np.argsort(series, kind="stable")
    order = order[series[order] >= 0]
    return {
        "s": series[order].astype(np.uint16),
        **{name: column[order] for name, column in columns.items()},
    }


def _header(panel: Panel, stats: Columns, shown: int) -> dict[str, object]:
    ids = {number: run for run, number in panel.runs.items()}
    is_step = panel.x == "step"
    series = []
    for row in range(shown):
        nan, finite = int(stats.uints("nan")[row]), int(stats.uints("finite")[row])
        first_nan, last_x = float(stats.floats("first_nan")[row]), float(stats.floats("x_max")[row])
        y = [float(stats.floats(name)[row]) for name in ("y_min", "y_max")]
        series.append(
            {
                "i": row,
                "run": ids[int(stats.uints("number")[row])],
                "metric": stats.texts("name")[row].decode(),
                "label": stats.texts("tag")[row].decode(),
                "n": int(stats.uints("n")[row]),
                "nan": nan,
                "first_nan": (int(first_nan) if is_step else first_nan) if nan else None,
                "last_x": int(last_x) if is_step else last_x,
                "y": y if finite else None,
            }
        )
    cut = stats.rows > shown
    return {
        "id": panel.id,
        "warmup": 0,
        "unit": "step" if is_step else "ms",
        "series": series,
        "exact": True,
        "truncated": {"shown": shown, "total": stats.rows, "reason": "series"} if cut else None,
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
