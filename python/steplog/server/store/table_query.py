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
    """Answers; keeps how many rows filters leave. `aclose` before the store is closed."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._counts: OrderedDict[object, int] = OrderedDict()
        self._orders = TableOrders(self.read, self._read_aside)

    async def read(self, asked: Asked, sql: str, **params: int | str) -> Columns:
        """Run a query of ours that has the parameters of what is asked."""
        return await self._store.read(sql, **asked.compiler.params, **params)

    async def _read_aside(self, asked: Asked, sql: str, **params: int | str) -> Columns:
        return await self._store.engine.read_aside(sql, **asked.compiler.params, **params)

    async def aclose(self) -> None:
        """Leave what is being found out in the background."""
        await self._orders.aclose()

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
        cells = ", ".join(selected(columns)) or "1 AS nothing"
        view = asked.view
        if not view.numbered:
            found = await self.read(
                asked,
                f"SELECT {cells} FROM {view.source} {asked.filter} {asked.order()} "  # noqa: S608  # ours
                "LIMIT {page_limit:UInt64} OFFSET {page_offset:UInt64}",
                page_limit=limit,
                page_offset=offset,
            )
            return await asyncio.to_thread(values_of, columns, found, None), []
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
        return await asyncio.to_thread(values_of, columns, found, place), rows.tolist()


def key_of(column: ViewColumn) -> str:
    """What tells different values apart."""
    text = column.sql.text
    # 0.0 and -0.0 are one group.
    return f"if({text} = 0, 0, {text})" if column.sql.kind == "float" else text


def selected(columns: Sequence[ViewColumn]) -> list[str]:
    """What a query selects for `values_of`."""
    cells = []
    for number, column in enumerate(columns):
        cells.append(f"CAST({column.sql.text}, '{STORED[column.sql.kind]}') AS v{number}")
        if column.digits:
            cells.append(f"{column.digits} AS w{number}")
    return cells


def values_of(
    columns: Sequence[ViewColumn], found: Columns, place: NDArray[np.int64] | None
) -> list[Values]:
    """The columns of an answer; in the order of `place` where that is given."""
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
    "Asked",
    "SortKey",
    "TableQueries",
    "Values",
    "cells_of",
    "key_of",
    "selected",
    "values_of",
]
