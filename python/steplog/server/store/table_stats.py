"""What the columns of a table hold, over the rows that a filter leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from steplog.server.store.table_bins import BINNED, Bins, counts_of, ends_cells
from steplog.server.store.table_query import cells_of, key_of
from steplog.server.store.table_view import STORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.table_query import Asked, TableQueries
    from steplog.server.store.table_view import ViewColumn

TOP = 10
_EXACT_ROWS = 100_000
"""Up to so many rows different values are counted; beyond, their number is estimated."""
_COLUMNS_AT_ONCE = 200
"""Of one query: the engine takes some 1,000 of them."""
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
            _shape(queries, asked, column, bins=_bins(found, number, column))
            for number, column in enumerate(columns)
        )
    )
    return [{**answer, **shape} for answer, shape in zip(answers, more, strict=True)]


def _bins(found: Columns, number: int, column: ViewColumn) -> Bins | None:
    return Bins.of(column, found, f"ends{number}") if column.sql.kind in BINNED else None


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
    if kind in BINNED:
        cells += ends_cells(column, f"ends{number}")
    return cells


async def _shape(
    queries: TableQueries, asked: Asked, column: ViewColumn, *, bins: Bins | None
) -> dict[str, Any]:
    kind = column.sql.kind
    if kind in BINNED:
        return {"histogram": None if bins is None else await _histogram(queries, asked, bins)}
    if kind in _COUNTED:
        return {"top": await _top(queries, asked, column)}
    return {}


async def _histogram(queries: TableQueries, asked: Asked, bins: Bins) -> dict[str, Any]:
    found = await queries.read(
        asked,
        f"SELECT {bins.counts} AS counts FROM {asked.view.source} {asked.filter}",  # noqa: S608  # ours
        **bins.params,
    )
    return bins.histogram(counts_of(found.texts("counts")[0].decode()))


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


__all__ = ["TOP", "stats"]
