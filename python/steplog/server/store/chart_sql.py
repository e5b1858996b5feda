"""The SQL of charts: which points a panel is drawn from, and the queries over them.

Words in braces are filled in by `panels.draw`, those with a type are parameters of the engine.
"""

from __future__ import annotations

from steplog.server.schema import PLOTTED_KINDS
from steplog.server.store.lineage import shown

_KINDS = ", ".join(map(str, PLOTTED_KINDS))
_BOTH = "run IN {runs:Array(UInt64)} AND key IN {keys:Array(String)}"

PATCHED = f"SELECT count() AS n FROM patches WHERE {_BOTH}"  # noqa: S608  # constants of this file

# Where nothing was ever written twice the points are read as they lie.
_AS_THEY_LIE = f"""SELECT run, key, label, step, wall, kind, f64 FROM {{table}}
WHERE {_BOTH} AND kind IN ({_KINDS})"""  # noqa: S608  # constants of this file
POINTS = _AS_THEY_LIE.replace("{table}", "points")
# Samples never are; later attempts go on beside those of earlier ones.
SAMPLES = _AS_THEY_LIE.replace("{table}", "samples")

# Else the latest value of each step counts, whatever its kind.
MERGED = f"""SELECT run, key, label, step, latest.1 AS wall, latest.2 AS kind, latest.3 AS f64
FROM (SELECT run, key, label, step, argMax((wall, kind, f64), (generation, position)) AS latest
      FROM (SELECT * FROM points WHERE {_BOTH}
            UNION ALL SELECT * FROM patches WHERE {_BOTH})
      GROUP BY run, key, label, step)
WHERE kind IN ({_KINDS})"""  # noqa: S608  # constants of this file

# The same of what runs show, where that is not simply all they have.
SHOWN = f"""SELECT run, key, label, step, latest.1 AS wall, latest.2 AS kind, latest.3 AS f64
FROM (SELECT run, key, label, step, argMax((wall, kind, f64), (generation, position)) AS latest
      FROM ({shown("points")} AND p.key IN {{keys:Array(String)}}
            UNION ALL {shown("patches")} AND p.key IN {{keys:Array(String)}})
      GROUP BY run, key, label, step)
WHERE kind IN ({_KINDS})"""  # noqa: S608  # constants of this file

# A series as one number to group by: the engine hashes a dictionary's entry once, not each row.
SERIES = "bitXor(bitXor(cityHash64(key), cityHash64(label) * 31), run)"
# All labels of a run as one series.
GROUP = "bitXor(cityHash64(key), run)"
# Where there is but one series no row needs a hash: a quarter of the time of `BUCKETS`.
ONE_SERIES = "{only:UInt64}"

_RELATIVE = "transform(run, {runs:Array(UInt64)}, {created:Array(Int64)}, toInt64(0))"
X = {"step": "step", "wall": "wall / 1e6", "relative": f"(wall - {_RELATIVE}) / 1e6"}

_TIME_RANGE = "x >= reinterpretAsFloat64({lo:UInt64}) AND x <= reinterpretAsFloat64({hi:UInt64})"
# Steps are compared as they are stored, so that the engine can skip what lies outside.
IN_RANGE = {
    "step": "step >= {lo:Int64} AND step <= {hi:Int64}",
    "wall": _TIME_RANGE,
    "relative": _TIME_RANGE,
}
_TIME_OUTSIDE = {
    "before": "x < reinterpretAsFloat64({lo:UInt64})",
    "behind": "x > reinterpretAsFloat64({hi:UInt64})",
}
OUTSIDE = {
    "step": {"before": "step < {lo:Int64}", "behind": "step > {hi:Int64}"},
    "wall": _TIME_OUTSIDE,
    "relative": _TIME_OUTSIDE,
}
# Steps are never negative, so the quotient is the floor.
BUCKET = {
    "step": "intDiv(step, {width:Int64})",
    "wall": "toInt64(floor(x / {width:Int64}))",
    "relative": "toInt64(floor(x / {width:Int64}))",
}
# The order of points in a bucket; times may be equal, then the step decides.
ORDER = {"step": "step", "wall": "(x, step)", "relative": "(x, step)"}

STATS = """SELECT {series} AS h, any(run) AS number, CAST(any(key), 'String') AS name,
    CAST(any(label), 'String') AS tag, {labels} AS labels, count() AS n,
    countIf(isNaN(f64)) AS nan, minIf(x, isNaN(f64)) AS first_nan, min(x) AS x_min, max(x) AS x_max,
    minIf(f64, isFinite(f64)) AS y_min, maxIf(f64, isFinite(f64)) AS y_max,
    countIf(isFinite(f64)) AS finite, countIf({in_range}) AS inside
FROM (SELECT *, {x} AS x FROM ({points}))
GROUP BY h ORDER BY number, name, tag"""

RAW = """SELECT {series} AS h, toFloat64(x) AS at, f64 AS y
FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range}
ORDER BY h, at, step"""

BUCKETS = """SELECT {series} AS h, {bucket} - {{b0:Int64}} AS b,
    argMin{finite}(f64, {order}{when}) AS first, min{finite}(f64{when}) AS low,
    max{finite}(f64{when}) AS high, argMax{finite}(f64, {order}{when}) AS last,
    avg{finite}({scaled}{when}) AS mean, toUInt32({n}) AS n, toUInt8({flags}) AS fl,
    toUInt8(high > low AND argMax{finite}({order}, f64{when})
        < argMin{finite}({order}, f64{when})) AS ff
FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range}
GROUP BY h, b ORDER BY h, b"""

# The nearest points outside of the range: lines come from there, and go there.
BESIDE = """SELECT {series} AS h,
    countIf({before}) AS is_before, argMaxIf(toFloat64(x), {order}, {before}) AS before_x,
    argMaxIf(f64, {order}, {before}) AS before_y,
    countIf({behind}) AS is_behind, argMinIf(toFloat64(x), {order}, {behind}) AS behind_x,
    argMinIf(f64, {order}, {behind}) AS behind_y
FROM (SELECT *, {x} AS x FROM ({points})) GROUP BY h ORDER BY h"""

# Each label counts once in the mean of a bucket, however many of its points are there; the range is
# that of the points, so that grouping hides no spike. Where all have one x, that is the bucket's.
GROUPS = """SELECT h, b,
    if(min(x_low) = max(x_high), toFloat64(min(x_low)), sum(x_sum) / sum(points)) AS at,
    avgIf(mean, n > 0) AS center, minIf(low, n > 0) AS low, maxIf(high, n > 0) AS high,
    toUInt32(countIf(n > 0)) AS writers,
    toUInt8(max(bitAnd(flags, 1)) + max(bitAnd(flags, 2)) + max(bitAnd(flags, 4))) AS fl
FROM (SELECT {series} AS h, label, {bucket} - {{b0:Int64}} AS b, min(x) AS x_low,
        max(x) AS x_high, sum(toFloat64(x)) AS x_sum, count() AS points,
        countIf(isFinite(f64)) AS n, avgIf({scaled}, isFinite(f64)) AS mean,
        minIf(f64, isFinite(f64)) AS low, maxIf(f64, isFinite(f64)) AS high,
        toUInt8({flags}) AS flags
    FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range} GROUP BY h, label, b)
GROUP BY h, b ORDER BY h, b"""

# The sum of great values is no float: then their mean is that of smaller ones, times `SCALE`.
SCALE = 2.0**64
AS_IS = {"scaled": "f64"}
# The engine would take a bare division out of the sum.
SCALED = {"scaled": f"if(isFinite(f64), f64 / {SCALE!r}, 0)"}

# The same by buckets: of each series, the last one before the range, and the first behind it.
NEAR = """SELECT {series} AS h,
    countIf({before}) AS is_before, maxIf({bucket}, {before}) AS before_b,
    countIf({behind}) AS is_behind, minIf({bucket}, {behind}) AS behind_b
FROM (SELECT *, {x} AS x FROM ({points})) GROUP BY h ORDER BY h"""
IN_NEAR = "{bucket} IN {{near:Array(Int64)}}"

# The same for pictures that have no line: all devices at once.
CELLS = """SELECT {series} AS h, {bucket} - {{b0:Int64}} AS b,
    min{finite}(f64{when}) AS low, max{finite}(f64{when}) AS high,
    avg{finite}({scaled}{when}) AS mean, toUInt32({n}) AS n, toUInt8({flags}) AS fl
FROM (SELECT *, {x} AS x FROM ({points})) WHERE {in_range}
GROUP BY h, b ORDER BY h, b"""

# Where every value is finite, nothing needs to be asked of each of them.
ALL_FINITE = {"finite": "", "when": "", "n": "count()", "flags": "0"}
SOME_FINITE = {
    "finite": "If",
    "when": ", isFinite(f64)",
    "n": "countIf(isFinite(f64))",
    "flags": "max(isNaN(f64)) + 2 * max(f64 = inf) + 4 * max(f64 = -inf)",
}
