"""Which rows of a table stand at a place of an order, without putting all of them in order."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steplog.server.store.engine import text_param
from steplog.server.store.table_ahead import OrdersAhead
from steplog.server.store.table_sql import float_bits
from steplog.server.store.table_view import STORED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from numpy.typing import NDArray

    from steplog.server.store.engine import Param
    from steplog.server.store.native import Columns
    from steplog.server.store.table_query import Asked
    from steplog.server.store.table_view import ViewColumn

    Read = Callable[..., Awaitable[Columns]]

_DEEP = 2_000
"""Rows before a page up to which the engine finds it soonest by itself, keeping the first ones."""
_MOST_ORDERED = 20_000_000
_BYTES = 128 << 20
"""Of the orders that are kept, four for a row; the longest unused go first."""
_ONE_OF = 64
"""Of so many rows one is looked at to say where a place lies: 16,000 of a million."""
_DEVIATIONS = 4
"""How far off that may be: one place in 16,000 lies beyond, and costs the time of a whole order."""


@dataclass(frozen=True)
class _Part:
    """Some rows of an order, one after another: from which place on, and whether to its end."""

    begin: int
    rows: NDArray[np.uint32]
    is_last: bool

    @property
    def is_whole(self) -> bool:
        """Whether all of an order is here."""
        return self.begin == 0 and self.is_last

    def page(self, offset: int, limit: int) -> NDArray[np.uint32] | None:
        """The rows of a page; None where not all of them are here."""
        at = offset - self.begin
        if at < 0 or (at + limit > self.rows.size and not self.is_last):
            return None
        return self.rows[at : at + limit]


class TableOrders:
    """Finds the rows of pages; keeps the parts of orders that it has found.

    An order in which pages lie far apart is made whole in the background: further ones are looked
    up. `aclose` leaves what is being made.

    Args:
        read: Runs a query that has the parameters of what is asked.
        read_aside: Likewise, behind all others.
    """

    def __init__(self, read: Read, read_aside: Read) -> None:
        self._read = read
        self._read_aside = read_aside
        self._ahead = OrdersAhead()
        self._parts: OrderedDict[tuple[object, int], _Part] = OrderedDict()
        """By the order and the place where each begins."""

    async def rows(self, asked: Asked, offset: int, limit: int) -> NDArray[np.uint32]:
        """The numbers of a page's rows, in order."""
        view = asked.view
        if asked.where is None and not asked.sort:
            end = min(offset + limit, view.rows or 0)
            return np.arange(offset, max(offset, end), dtype=np.uint32)
        order = (view.tables, asked.key, tuple(asked.sort))
        known = self._known(order, offset, limit)
        if known is not None:
            return known
        if offset <= _DEEP:
            return await self._counted(asked, offset, limit)
        part = await self._around(asked, offset, limit) if asked.sort else None
        page = None if part is None else part.page(offset, limit)
        if part is None or page is None:
            if (view.rows or 0) > _MOST_ORDERED:
                return await self._counted(asked, offset, limit)
            part = await _whole(asked, self._read)
            page = part.rows[offset : offset + limit]
        elif (view.rows or 0) <= _MOST_ORDERED:
            self._ahead.jumped(order, lambda: self._make_whole(order, asked))
        self._keep(order, part)
        return page

    async def _make_whole(self, order: object, asked: Asked) -> None:
        self._keep(order, await _whole(asked, self._read_aside))

    def _keep(self, order: object, part: _Part) -> None:
        if self._known(order, part.begin, part.rows.size) is not None:
            return
        if part.is_whole:
            for key in [key for key in self._parts if key[0] == order]:
                del self._parts[key]
        self._parts[order, part.begin] = part
        while sum(one.rows.nbytes for one in self._parts.values()) > _BYTES:
            self._parts.popitem(last=False)

    async def aclose(self) -> None:
        """Leave what is being made in the background."""
        await self._ahead.aclose()

    async def _counted(self, asked: Asked, offset: int, limit: int) -> NDArray[np.uint32]:
        words = (
            f"{_select(asked)} {asked.order()} "
            "LIMIT {page_limit:UInt64} OFFSET {page_offset:UInt64}"
        )
        found = await self._read(asked, words, page_limit=limit, page_offset=offset)
        return found.uints("r").astype(np.uint32)

    def _known(self, order: object, offset: int, limit: int) -> NDArray[np.uint32] | None:
        for key, part in self._parts.items():
            page = part.page(offset, limit) if key[0] == order else None
            if page is not None:
                self._parts.move_to_end(key)
                return page
        return None

    async def _around(self, asked: Asked, offset: int, limit: int) -> _Part | None:
        """A part of an order that holds a page, most likely; None: nothing tells where it lies.

        A sample of the rows says between which values of the first column the page lies; the rows
        before these are counted, those between them put in order. So the sample decides how long
        it takes, never what comes out.
        """
        between = await self._between(asked, offset, limit)
        if between is None:
            return None
        counted, found = await asyncio.gather(
            self._read(
                asked,
                f"SELECT countIf(({asked.condition}) AND {between.before}) AS n "  # noqa: S608  # ours
                f"FROM {asked.view.source}",
                **between.params,
            ),
            self._read(
                asked,
                f"SELECT r FROM {asked.view.source} WHERE ({asked.condition}) "  # noqa: S608  # ours
                f"AND NOT {between.before} AND {between.upto} {asked.order()}",
                **between.params,
            ),
        )
        begin = int(counted.uints("n")[0])
        return _Part(begin, found.uints("r").astype(np.uint32), between.is_last)

    async def _between(self, asked: Asked, offset: int, limit: int) -> _Between | None:
        key = asked.sort[0]
        column = asked.columns[key.name]
        low, high = offset / _ONE_OF, (offset + limit) / _ONE_OF
        at = max(0, math.floor(low - _DEVIATIONS * (math.sqrt(low) + 1)))
        most = math.ceil(high + _DEVIATIONS * (math.sqrt(high) + 1)) - at
        kind = column.sql.kind
        is_missing = f"(isNull(v){' OR isNaN(v)' if kind == 'float' else ''})"
        sample = await self._read(
            asked,
            f"""SELECT CAST(minIf(v, NOT {is_missing}), '{STORED[kind]}') AS lo,
                CAST(maxIf(v, NOT {is_missing}), '{STORED[kind]}') AS hi,
                count() AS n, countIf({is_missing}) AS missing
            FROM (SELECT {column.sql.text} AS v FROM {asked.view.source}
                WHERE ({asked.condition}) AND cityHash64(r) % {_ONE_OF} = 0
                ORDER BY v {"DESC" if key.is_descending else "ASC"} NULLS LAST
                LIMIT {{page_limit:UInt64}} OFFSET {{page_offset:UInt64}})""",  # noqa: S608  # ours
            page_limit=most,
            page_offset=at,
        )
        n, missing = (int(sample.uints(name)[0]) for name in ("n", "missing"))
        if n == missing:
            return None
        lo, hi = (_param(sample, name, kind) for name in ("lo", "hi"))
        return _Between.of(
            column,
            (hi, lo) if key.is_descending else (lo, hi),
            is_descending=key.is_descending,
            is_last=n < most or missing > 0,
        )


@dataclass(frozen=True)
class _Between:
    """Which rows come before a part of an order, and which ones not behind it; SQL of ours.

    Missing values and NaN, which are the last ones of an order, are only in a part that is last.
    """

    before: str
    upto: str
    params: dict[str, Param]
    is_last: bool

    @classmethod
    def of(
        cls, column: ViewColumn, ends: tuple[Param, Param], *, is_descending: bool, is_last: bool
    ) -> _Between:
        kind = column.sql.kind
        stored = STORED[kind]
        of_type = (
            "UInt64" if kind == "float" else stored.removeprefix("Nullable(").removesuffix(")")
        )
        first, last = (f"{{part_{name}:{of_type}}}" for name in ("first", "last"))
        if kind == "float":
            first, last = (f"reinterpretAsFloat64({one})" for one in (first, last))
        cell = f"CAST({column.sql.text}, '{stored}')"
        sign = ">" if is_descending else "<"
        return cls(
            f"ifNull({cell} {sign} {first}, 0)",
            "1" if is_last else f"ifNull({cell} {sign}= {last}, 0)",
            {"part_first": ends[0], "part_last": ends[1]},
            is_last,
        )


def _param(sample: Columns, name: str, kind: str) -> Param:
    if STORED[kind] == "Nullable(String)":
        return text_param(sample.texts(name)[0].decode("utf-8", "replace"))
    value = sample.numbers(name)[0]
    return float_bits(float(value)) if kind == "float" else int(value)


async def _whole(asked: Asked, read: Read) -> _Part:
    found = await read(asked, f"{_select(asked)} {asked.order()}")
    rows = await asyncio.to_thread(lambda: found.uints("r").astype(np.uint32))
    return _Part(0, rows, is_last=True)


def _select(asked: Asked) -> str:
    return f"SELECT r FROM {asked.view.source} {asked.filter}"  # noqa: S608  # ours


__all__ = ["TableOrders"]
