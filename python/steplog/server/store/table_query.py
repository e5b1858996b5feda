"""Rows of tables: filtered, sorted, grouped, page by page; what was found out is remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from steplog.server.store.engine import ints_param
from steplog.server.store.table_order import TableOrders
from steplog.server.store.table_sql import Compiler, Sql
from steplog.server.store.table_view import STORED, ViewColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore
    from steplog.server.store.table_expr import Node
    from steplog.server.store.table_view import View

AGGREGATES = ("count", "mean", "sum", "min", "max", "median", "first", "any", "distinct")
_OF_NUMBERS = frozenset({"mean", "sum", "median"})
_NUMBERS = frozenset({"int", "float", "bool"})
_COUNTS = 1_000


@dataclass(frozen=True)
class SortKey:
    """By what rows are sorted; missing values come last either way, NaN just before them."""

    name: str
    is_descending: bool


@dataclass(frozen=True)
class Values:
    """A column of an answer: of its rows the values, missing ones None."""

    name: str
    kind: str
    said: str
    cells: list[Any]


@dataclass
class Asked:
    """What is asked of a view.

    Attributes:
        view: Of which.
        where: What holds of the rows; None: of all.
        computed: Further columns, which the rest may name.
        sort: In which order.
        key: What tells this question from others of the same tables, but for order and page.
    """

    view: View
    where: Node | None = None
    computed: Sequence[tuple[str, Node]] = ()
    sort: Sequence[SortKey] = ()
    key: str = ""
    compiler: Compiler = field(init=False)
    columns: dict[str, ViewColumn] = field(init=False)
    condition: str = field(init=False, default="1")

    def __post_init__(self) -> None:
        """Makes the SQL.

        Raises:
            ExprError: An expression does not fit the columns.
        """
        self.columns = self.view.by_name
        named = {name: column.sql for name, column in self.columns.items()}
        self.compiler = Compiler(named, dict(self.view.params))
        for name, node in self.computed:
            found = self.compiler.value(node)
            kind = "text" if found.kind == "null" else found.kind
            sql = Sql(f"CAST({found.text}, '{STORED[kind]}')", kind)
            self.columns[name] = ViewColumn(name, sql)
        named.update((name, column.sql) for name, column in self.columns.items())
        if self.where is not None:
            self.condition = self.compiler.condition(self.where)

    @property
    def filter(self) -> str:
        """`WHERE …`, or nothing."""
        return "" if self.where is None else f"WHERE {self.condition}"

    def order(self) -> str:
        """`ORDER BY …` of whole rows."""
        keys = [
            f"{self.columns[one.name].sql.text} {'DESC' if one.is_descending else 'ASC'} NULLS LAST"
            for one in self.sort
        ]
        return f"ORDER BY {', '.join([*keys, self.view.order])}"


class TableQueries:
    """Answers; keeps how many rows filters leave."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._counts: OrderedDict[object, int] = OrderedDict()
        self._orders = TableOrders(self.read)

    async def read(self, asked: Asked, sql: str, **params: int | str) -> Columns:
        """Run a query of ours that has the parameters of what is asked."""
        return await self._store.read(sql, **asked.compiler.params, **params)

    async def matched(self, asked: Asked) -> int:
        """How many rows are left."""
        if asked.where is None and asked.view.rows is not None:
            return asked.view.rows
        key = (asked.view.tables, asked.key)
        if key not in self._counts:
            found = await self.read(
                asked,
                f"SELECT count() AS n FROM {asked.view.source} {asked.filter}",  # noqa: S608  # ours
            )
            self._counts[key] = int(found.uints("n")[0])
            while len(self._counts) > _COUNTS:
                self._counts.popitem(last=False)
        return self._counts[key]

    async def page(
        self, asked: Asked, names: Sequence[str], *, offset: int, limit: int
    ) -> tuple[list[Values], list[int]]:
        """Some of the rows in their order, and the number of each where rows are numbered."""
        columns = [asked.columns[name] for name in names]
        cells = ", ".join(_cells(columns)) or "1 AS nothing"
        view = asked.view
        if not view.numbered:
            found = await self.read(
                asked,
                f"SELECT {cells} FROM {view.source} {asked.filter} {asked.order()} "  # noqa: S608  # ours
                "LIMIT {page_limit:UInt64} OFFSET {page_offset:UInt64}",
                page_limit=limit,
                page_offset=offset,
            )
            return await asyncio.to_thread(_values, columns, found, None), []
        rows = await self._orders.rows(asked, offset, limit)
        if not rows.size:
            return [Values(one.name, one.sql.kind, one.said, []) for one in columns], []
        found = await self.read(
            asked,
            f"SELECT r, {cells} FROM {view.source} "  # noqa: S608  # ours
            "WHERE r IN {page_rows:Array(UInt32)}",
            page_rows=ints_param(rows.tolist()),
        )
        place = np.argsort(found.uints("r"))[np.argsort(np.argsort(rows))]
        return await asyncio.to_thread(_values, columns, found, place), rows.tolist()

    async def groups(
        self,
        asked: Asked,
        by: Sequence[str],
        aggregates: Sequence[tuple[str, str]],
        *,
        offset: int,
        limit: int,
    ) -> tuple[list[Values], int]:
        """Groups with equal values, with `count` and for each column and aggregate one more.

        `sort` names columns of the answer; groups that are equal by it come in the order of their
        values. NaN and missing values are values here; of `mean`, `sum`, `min`, `max` and `median`
        both are left out.
        """
        keys = [asked.columns[name] for name in by]
        texts = [key_of(column) for column in keys]
        shown = [ViewColumn(one.name, Sql(f"g{n}", one.sql.kind)) for n, one in enumerate(keys)]
        cells = [f"{text} AS g{number}" for number, text in enumerate(texts)]
        cells.append("toInt64(count()) AS n")
        shown.append(ViewColumn("count", Sql("n", "int")))
        for number, (name, aggregate) in enumerate(aggregates):
            sql = _aggregate(asked.columns[name], aggregate, asked.view.order)
            cells.append(f"{sql.text} AS a{number}")
            shown.append(ViewColumn(f"{name}.{aggregate}", Sql(f"a{number}", sql.kind)))
        named = {column.name: column.sql.text for column in shown}
        order = [
            f"{named[one.name]} {'DESC' if one.is_descending else 'ASC'} NULLS LAST"
            for one in asked.sort
        ]
        order += [f"g{number} ASC NULLS LAST" for number in range(len(keys))]
        grouped = f"FROM {asked.view.source} {asked.filter} GROUP BY {', '.join(texts)}"
        found, total = await asyncio.gather(
            self.read(
                asked,
                f"SELECT {', '.join(_cells(shown))} "  # noqa: S608  # ours
                f"FROM (SELECT {', '.join(cells)} {grouped}) ORDER BY {', '.join(order)} "
                "LIMIT {page_limit:UInt64} OFFSET {page_offset:UInt64}",
                page_limit=limit,
                page_offset=offset,
            ),
            self.read(asked, f"SELECT count() AS n FROM (SELECT 1 {grouped})"),  # noqa: S608  # ours
        )
        values = await asyncio.to_thread(_values, shown, found, None)
        return values, int(total.uints("n")[0])


def is_for(column: ViewColumn, aggregate: str) -> bool:
    """Whether an aggregate can be of a column."""
    return aggregate not in _OF_NUMBERS or column.sql.kind in _NUMBERS | {"time"}


def key_of(column: ViewColumn) -> str:
    """What tells different values apart."""
    text = column.sql.text
    # 0.0 and -0.0 are one group.
    return f"if({text} = 0, 0, {text})" if column.sql.kind == "float" else text


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


def _cells(columns: Sequence[ViewColumn]) -> list[str]:
    cells = []
    for number, column in enumerate(columns):
        cells.append(f"CAST({column.sql.text}, '{STORED[column.sql.kind]}') AS v{number}")
        if column.digits:
            cells.append(f"{column.digits} AS w{number}")
    return cells


def _values(
    columns: Sequence[ViewColumn], found: Columns, place: NDArray[np.int64] | None
) -> list[Values]:
    answer = []
    for number, column in enumerate(columns):
        cells = cells_of(found, f"v{number}", column.sql.kind)
        if column.digits:
            digits = found.texts(f"w{number}")
            cells = [int(d) if d else cell for cell, d in zip(cells, digits, strict=True)]
        if place is not None:
            cells = [cells[at] for at in place.tolist()]
        answer.append(Values(column.name, column.sql.kind, column.said, cells))
    return answer


def cells_of(found: Columns, name: str, kind: str) -> list[Any]:
    """The values of a column of a result; times in milliseconds since the epoch."""
    cells: list[Any]
    if STORED[kind] == "Nullable(String)":
        cells = [text.decode("utf-8", "replace") for text in found.texts(name)]
    elif kind == "bool":
        cells = (found.numbers(name) != 0).tolist()
    elif kind == "time":
        cells = (found.numbers(name) / 1000).tolist()
    else:
        cells = found.numbers(name).tolist()
    for at in np.flatnonzero(found.is_null(name)).tolist():
        cells[at] = None
    return cells


__all__ = [
    "AGGREGATES",
    "Asked",
    "SortKey",
    "TableQueries",
    "Values",
    "cells_of",
    "is_for",
    "key_of",
]
