"""What the columns of a table hold, over the rows that a filter leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from steplog.server.store.table_query import cells_of, key_of
from steplog.server.store.table_sql import float_bits
from steplog.server.store.table_view import STORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.table_query import Asked, TableQueries
    from steplog.server.store.table_view import ViewColumn

BINS = 30
TOP = 10
_EXACT_ROWS = 100_000
"""Up to so many rows different values are counted; beyond, their number is estimated."""
_COLUMNS_AT_ONCE = 200
"""Of one query: the engine takes some 1,000 of them."""
_BINNED = frozenset({"int", "float", "time"})
_COUNTED = frozenset({"text", "bool", "json"})


async def stats(
    queries: TableQueries, asked: Asked, names: Sequence[str], *, matched: int
) -> list[dict[str, Any]]:
    """Of each column what its values are: how many are missing, NaN and different; the ends.

    Of numbers and times a histogram of the finite ones as well, of others the most frequent ones.
    """
    columns = [asked.columns[name] for name in names]
    return [
        answer
        for start in range(0, len(columns), _COLUMNS_AT_ONCE)
        for answer in await _stats(
            queries, asked, columns[start : start + _COLUMNS_AT_ONCE], matched=matched
        )
    ]


async def _stats(
    queries: TableQueries, asked: Asked, columns: Sequence[ViewColumn], *, matched: int
) -> list[dict[str, Any]]:
    is_exact = matched <= _EXACT_ROWS
    cells = [cell for n, column in enumerate(columns) for cell in _cells(n, column, is_exact)]
    found = await queries.read(
        asked,
        f"SELECT {', '.join(cells)} FROM {asked.view.source} {asked.filter}",  # noqa: S608  # ours
    )
    answers = []
    for number, column in enumerate(columns):
        kind = column.sql.kind
        ends = [None, None]
        if kind != "media":
            ends = [cells_of(found, f"{name}{number}", kind)[0] for name in ("lo", "hi")]
        answers.append(
            {
                "name": column.name,
                "kind": kind,
                "nulls": int(found.uints(f"nulls{number}")[0]),
                "nans": int(found.uints(f"nans{number}")[0]),
                "distinct": min(int(found.uints(f"distinct{number}")[0]), matched),
                "is_estimate": not is_exact,
                "min": ends[0],
                "max": ends[1],
            }
        )
    more = await asyncio.gather(
        *(
            _shape(queries, asked, column, ends=(float(lo[0]), float(hi[0])))
            for number, column in enumerate(columns)
            for lo, hi in [_finite(found, number, column)]
        )
    )
    return [{**answer, **shape} for answer, shape in zip(answers, more, strict=True)]


def _finite(found: Any, number: int, column: ViewColumn) -> tuple[Any, Any]:  # noqa: ANN401
    if column.sql.kind not in _BINNED:
        return [0.0], [0.0]
    return found.floats(f"flo{number}"), found.floats(f"fhi{number}")


def _cells(number: int, column: ViewColumn, is_exact: bool) -> list[str]:
    text, kind = column.sql.text, column.sql.kind
    is_nan = f"isNaN({text})" if kind == "float" else "0"
    cells = [
        f"countIf(isNull({text})) AS nulls{number}",
        f"countIf({is_nan}) AS nans{number}",
        f"{'uniqExact' if is_exact else 'uniqCombined(17)'}({key_of(column)}) AS distinct{number}",
    ]
    if kind != "media":
        counted = f"({text}, NOT {is_nan})" if kind == "float" else f"({text}, 1)"
        cells += [
            f"CAST({words}OrNullIf{counted}, '{STORED[kind]}') AS {name}{number}"
            for name, words in (("lo", "min"), ("hi", "max"))
        ]
    if kind in _BINNED:
        is_finite = f"isFinite(ifNull(toFloat64({text}), nan))"
        cells += [
            f"toFloat64({words}If(assumeNotNull({text}), {is_finite})) AS {name}{number}"
            for name, words in (("flo", "min"), ("fhi", "max"))
        ]
    return cells


async def _shape(
    queries: TableQueries, asked: Asked, column: ViewColumn, *, ends: tuple[float, float]
) -> dict[str, Any]:
    kind = column.sql.kind
    if kind in _BINNED:
        return {"histogram": await _histogram(queries, asked, column, ends=ends)}
    if kind in _COUNTED:
        return {"top": await _top(queries, asked, column)}
    return {}


async def _histogram(
    queries: TableQueries, asked: Asked, column: ViewColumn, *, ends: tuple[float, float]
) -> dict[str, Any] | None:
    lo, hi = ends
    text = column.sql.text
    width = (hi / BINS - lo / BINS) or 1.0
    params = {"bin_lo": float_bits(lo), "bin_width": float_bits(width)}
    found = await queries.read(
        asked,
        f"""SELECT toUInt8(greatest(0, least({BINS - 1}, floor((x - reinterpretAsFloat64(
            {{bin_lo:UInt64}})) / reinterpretAsFloat64({{bin_width:UInt64}}))))) AS b,
            count() AS n
        FROM (SELECT ifNull(toFloat64({text}), nan) AS x FROM {asked.view.source} {asked.filter})
        WHERE isFinite(x) GROUP BY b""",  # noqa: S608  # ours
        **params,
    )
    if not found.rows:
        return None
    counts = [0] * BINS
    for b, n in zip(found.uints("b").tolist(), found.uints("n").tolist(), strict=True):
        counts[b] = n
    scale = 1000.0 if column.sql.kind == "time" else 1.0
    high = hi if hi > lo else lo + width * BINS
    return {"lo": lo / scale, "hi": high / scale, "counts": counts}


async def _top(queries: TableQueries, asked: Asked, column: ViewColumn) -> list[Any]:
    text, kind = column.sql.text, column.sql.kind
    found = await queries.read(
        asked,
        f"SELECT CAST({text}, '{STORED[kind]}') AS v, count() AS n "  # noqa: S608  # ours
        f"FROM {asked.view.source} {asked.filter} "
        f"GROUP BY v HAVING isNotNull(v) ORDER BY n DESC, v LIMIT {TOP}",
    )
    return [
        list(one) for one in zip(cells_of(found, "v", kind), found.uints("n").tolist(), strict=True)
    ]


__all__ = ["BINS", "TOP", "stats"]
