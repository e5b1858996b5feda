"""Groups of the rows of tables: rows with equal values, and what each group comes to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from steplog.server.store.table_bins import BINNED, Bins, counts_of, ends_cells
from steplog.server.store.table_query import key_of, selected, values_of
from steplog.server.store.table_sql import Sql
from steplog.server.store.table_view import ViewColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.table_query import Asked, TableQueries, Values

HISTOGRAM = "hist"
AGGREGATES = ("count", "mean", "sum", "min", "max", "median", "first", "any", "distinct", HISTOGRAM)
_OF_NUMBERS = frozenset({"mean", "sum", "median"})
_NUMBERS = frozenset({"int", "float", "bool"})


async def groups(
    queries: TableQueries,
    asked: Asked,
    by: Sequence[str],
    *,
    aggregates: Sequence[tuple[str, str]],
    offset: int,
    limit: int,
) -> tuple[list[Values], int]:
    """Groups with equal values, with `count` and for each column and aggregate one more.

    `sort` names columns of the answer; groups that are equal by it come in the order of their
    values. NaN and missing values are values here; of `mean`, `sum`, `min`, `max`, `median` and
    `hist` both are left out. The bins of `hist` are of all rows, so that groups can be compared.

    Returns:
        A page of them, and how many there are.
    """
    keys = [asked.columns[name] for name in by]
    texts = [key_of(column) for column in keys]
    shown = [ViewColumn(one.name, Sql(f"g{n}", one.sql.kind)) for n, one in enumerate(keys)]
    cells = [f"{text} AS g{number}" for number, text in enumerate(texts)]
    cells.append("toInt64(count()) AS n")
    shown.append(ViewColumn("count", Sql("n", "int")))
    bins = await _bins(queries, asked, aggregates)
    params: dict[str, int | str] = {"page_limit": limit, "page_offset": offset}
    for number, (name, aggregate) in enumerate(aggregates):
        if aggregate != HISTOGRAM:
            sql = _aggregate(asked.columns[name], aggregate, asked.view.order)
        elif found_bins := bins.get(number):
            sql = Sql(found_bins.counts, "text")
            params |= found_bins.params
        else:
            sql = Sql("NULL", "text")
        cells.append(f"{sql.text} AS a{number}")
        shown.append(ViewColumn(f"{name}.{aggregate}", Sql(f"a{number}", sql.kind)))
    grouped = f"FROM {asked.view.source} {asked.filter} GROUP BY {', '.join(texts)}"
    found, total = await asyncio.gather(
        queries.read(
            asked,
            f"SELECT {', '.join(selected(shown))} "  # noqa: S608  # ours
            f"FROM (SELECT {', '.join(cells)} {grouped}) {_order(asked, shown, len(keys))} "
            "LIMIT {page_limit:UInt64} OFFSET {page_offset:UInt64}",
            **params,
        ),
        queries.read(asked, f"SELECT count() AS n FROM (SELECT 1 {grouped})"),  # noqa: S608  # ours
    )
    values = await asyncio.to_thread(values_of, shown, found, None)
    first = len(keys) + 1
    for number, (_, aggregate) in enumerate(aggregates):
        if aggregate == HISTOGRAM:
            values[first + number] = _histograms(values[first + number], bins.get(number))
    return values, int(total.uints("n")[0])


def _order(asked: Asked, shown: Sequence[ViewColumn], keys: int) -> str:
    named = {column.name: column.sql.text for column in shown}
    order = [
        f"{named[one.name]} {'DESC' if one.is_descending else 'ASC'} NULLS LAST"
        for one in asked.sort
    ]
    order += [f"g{number} ASC NULLS LAST" for number in range(keys)]
    return f"ORDER BY {', '.join(order)}"


async def _bins(
    queries: TableQueries, asked: Asked, aggregates: Sequence[tuple[str, str]]
) -> dict[int, Bins]:
    """By the place of an aggregate: of those that are histograms, if there are finite values."""
    columns = {
        number: asked.columns[name]
        for number, (name, aggregate) in enumerate(aggregates)
        if aggregate == HISTOGRAM
    }
    if not columns:
        return {}
    cells = [cell for n, column in columns.items() for cell in ends_cells(column, f"ends{n}")]
    found = await queries.read(
        asked,
        f"SELECT {', '.join(cells)} FROM {asked.view.source} {asked.filter}",  # noqa: S608  # ours
    )
    bins = {n: Bins.of(column, found, f"ends{n}") for n, column in columns.items()}
    return {n: one for n, one in bins.items() if one is not None}


def _histograms(values: Values, bins: Bins | None) -> Values:
    """Of texts of counts; a group without finite values has none."""
    counts = [None if text is None else counts_of(text) for text in values.cells]
    cells = [bins.histogram(one) if bins and one and any(one) else None for one in counts]
    return replace(values, kind=HISTOGRAM, cells=cells)


def is_for(column: ViewColumn, aggregate: str) -> bool:
    """Whether an aggregate can be of a column."""
    if aggregate == HISTOGRAM:
        return column.sql.kind in BINNED
    return aggregate not in _OF_NUMBERS or column.sql.kind in _NUMBERS | {"time"}


def _aggregate(column: ViewColumn, aggregate: str, order: str) -> Sql:
    text, kind = column.sql.text, column.sql.kind
    if aggregate == "count":
        return Sql(f"toInt64(count({text}))", "int")
    if aggregate == "distinct":
        return Sql(f"toInt64(uniqExact({key_of(column)}))", "int")
    if aggregate in {"first", "any"}:
        # Of the rows that have a value: the first one of a table, or whichever is found first.
        is_first = aggregate == "first" and order == "r"
        return Sql(f"argMinOrNull({text}, r)" if is_first else f"anyOrNull({text})", kind)
    is_counted = f", NOT isNaN({text})" if kind == "float" else ""
    end = "OrNullIf" if is_counted else "OrNull"
    if aggregate in {"min", "max"}:
        return Sql(f"{aggregate}{end}({text}{is_counted})", kind)
    of_kind = kind if kind == "time" and aggregate != "sum" else "float"
    if aggregate == "median":
        # Of an even number it is the upper one of the two in the middle, and from below the lower.
        upper, lower = (
            f"quantileExact{end}(0.5)({sign}toFloat64({text}){is_counted})" for sign in ("", "-")
        )
        return Sql(f"{upper} / 2 - {lower} / 2", of_kind)
    words = {"mean": "avg", "sum": "sum"}[aggregate]
    return Sql(f"{words}{end}(toFloat64({text}){is_counted})", of_kind)
