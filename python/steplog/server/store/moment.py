"""What a run's summary had come to before a step, out of its points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from steplog.server.store.exact import pack
from steplog.server.store.history import value_of
from steplog.server.store.lineage import shown
from steplog.server.store.of_label import OF_LABEL, label_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

_VERSION = 2
"""Of the state, as `rust/core/src/summary.rs` reads it."""
_LAST = ("last_step", "last_wall", "last_runtime")
_MAX_INT, _MIN_INT = (1 << 63) - 1, -(1 << 63)

_WHERE = f"run = {{run:UInt64}} AND step < {{before:Int64}} AND {OF_LABEL}"
_INT, _FLOAT = "v.2 = 3", "v.2 = 4 AND NOT isNaN(v.3)"


def _queries(points: str, patches: str) -> tuple[str, str]:
    """The last row, and what each key has come to, out of these two tables."""
    both = f"""(SELECT * FROM {points} WHERE {_WHERE}
    UNION ALL SELECT * FROM {patches} WHERE {_WHERE})"""  # noqa: S608  # constants of this file
    row = f"""SELECT max(step) AS last_step, count() AS n,
    argMax(wall, (step, generation, position)) AS last_wall,
    argMax(runtime, (step, generation, position)) AS last_runtime
FROM {both}"""  # noqa: S608  # constants of this file
    # Of a key that is written again in its row the latest value counts; nil is none.
    leaves = f"""SELECT CAST(key, 'String') AS name,
    max(step) AS last_step, min(step) AS first_step,
    argMax(v, (step, v.1)) AS last, argMin(v, (step, v.1)) AS first,
    last.1 AS wall, last.2 AS kind, last.3 AS f64, last.4 AS i64, last.5 AS text,
    first.2 AS first_kind, first.3 AS first_f64, first.4 AS first_i64, first.5 AS first_text,
    sumIf(v.3, {_FLOAT}) + sumIf(toFloat64(v.4), {_INT}) AS total,
    toInt64(countIf({_FLOAT})) AS floats, toInt64(countIf({_INT})) AS ints,
    toInt64(countIf(v.2 = 4 AND isNaN(v.3))) AS nans,
    minIf(v.3, {_FLOAT}) AS f_min, maxIf(v.3, {_FLOAT}) AS f_max,
    minIf(v.4, {_INT}) AS i_min, maxIf(v.4, {_INT}) AS i_max
FROM (SELECT key, label, step, argMax((wall, kind, f64, i64, text), (generation, position)) AS v
      FROM {both} WHERE kind > 1 GROUP BY key, label, step)
GROUP BY key ORDER BY key"""  # noqa: S608  # constants of this file
    columns = (
        "name, last_step, first_step, wall, kind, f64, i64, text, first_kind, first_f64, first_i64,"
        " first_text, total, floats, ints, nans, f_min, f_max, i_min, i_max"
    )
    return row, f"SELECT {columns} FROM ({leaves})"  # noqa: S608  # constants of this file


_STORED = _queries("points", "patches")
_SHOWN = _queries(f"({shown('points')})", f"({shown('patches')})")


async def summary_before(
    store: SeriesStore,
    run: int,
    before: int,
    *,
    label: str | None,
    metrics: Sequence[object],
    lineage: Mapping[str, str] | None,
) -> bytes:
    """A state of the summary with the rows below a step, of one label or of all.

    What was written into the summary has no step, and is left out. `metrics` are the run's
    definitions, `lineage` is `Lineage.params`.
    """
    row_query, leaves_query = _STORED if lineage is None else _SHOWN
    params: dict[str, int | str] = {
        **(lineage or {}),
        "run": run,
        "before": before,
        **label_params(label),
    }
    row = await store.read(row_query, **params)
    last: list[int] = []
    if row.uints("n")[0] > 0:
        last = [int(row.ints(name)[0]) for name in _LAST]
        last.insert(1, 0)
    found = await store.read(leaves_query, **params)
    return pack(
        [_VERSION, last, [_leaf(found, number) for number in range(found.rows)], list(metrics)]
    )


def _leaf(found: Columns, number: int) -> list[object]:
    def integer(name: str) -> int:
        return int(found.ints(name)[number])

    def real(name: str) -> float:
        return float(found.floats(name)[number])

    def value(prefix: str) -> object:
        return value_of(
            int(found.uints(f"{prefix}kind")[number]),
            number=real(f"{prefix}f64"),
            integer=integer(f"{prefix}i64"),
            text=found.texts(f"{prefix}text")[number],
        )

    floats, ints = integer("floats"), integer("ints")
    numbers: list[object] = []
    if floats + ints + integer("nans"):
        numbers = [
            *(real("total"), floats + ints, integer("nans")),
            *((real("f_min"), real("f_max")) if floats else (math.inf, -math.inf)),
            *((integer("i_min"), integer("i_max")) if ints else (_MAX_INT, _MIN_INT)),
        ]
    return [
        *(found.texts("name")[number].decode(), integer("last_step"), 0, integer("wall"), 0),
        *(value(""), numbers, integer("first_step"), value("first_")),
    ]
