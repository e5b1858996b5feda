"""An order of a table that is jumped about in is made whole, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from steplog.server.store.series import SeriesStore
from steplog.server.store.table_query import Asked, SortKey, TableQueries
from steplog.server.store.table_sql import Sql
from steplog.server.store.table_view import View, ViewColumn

ROWS = 400_000
CREATE = "CREATE TABLE t (r UInt32, c0 Nullable(Int64)) ENGINE = MergeTree ORDER BY r"
INSERT = f"INSERT INTO t SELECT number, number * 7919 % {ROWS} FROM numbers({ROWS})"  # noqa: S608
VIEW = View(
    source="t",
    columns=[ViewColumn("a", Sql("c0", "int"))],
    order="r",
    tables=("t",),
    rows=ROWS,
    numbered=True,
)
FAR = [ROWS * part // 10 for part in range(1, 10)]


def make(builder):
    builder.command(CREATE)
    builder.command(INSERT)


def drop(builder):
    builder.command("TRUNCATE TABLE t")
    builder.command("DROP TABLE t")


class Opened:
    """A store with a table; `aside` are the queries that nobody waits for, held until `go`."""

    def __init__(self, store):
        self.store = store
        self.queries = TableQueries(store)
        self.aside = []
        self.reads = 0
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self._of_engine = (store.engine.read, store.engine.read_aside)
        store.engine.read, store.engine.read_aside = self._read, self._read_aside

    async def _read(self, sql, **params):
        self.reads += 1
        return await self._of_engine[0](sql, **params)

    async def _read_aside(self, sql, **params):
        self.aside.append(sql)
        self.begun.set()
        await self.go.wait()
        return await self._of_engine[1](sql, **params)

    async def made(self):
        """Returns when nothing is made any more."""
        self.go.set()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    async def jump(self, offset, *, is_descending=False):
        """The number of queries that a page takes, which is the right one."""
        before = self.reads
        asked = Asked(VIEW, sort=[SortKey("a", is_descending)])
        [values], rows = await self.queries.page(asked, ["a"], offset=offset, limit=50)
        expected = list(range(offset, offset + 50))
        assert values.cells == [ROWS - 1 - one if is_descending else one for one in expected]
        assert [row * 7919 % ROWS for row in rows] == values.cells
        return self.reads - before


@asynccontextmanager
async def opened(folder):
    store = SeriesStore(folder)
    await store.start()
    try:
        await store.engine.on_tables(make)
        one = Opened(store)
        yield one
        await one.queries.aclose()
    finally:
        await store.aclose()


def test_further_jumps_are_looked_up_once_the_order_is_whole(tmp_path):
    async def check():
        async with opened(tmp_path) as one:
            assert await one.jump(FAR[0]) > 1
            assert one.aside == []
            assert await one.jump(FAR[1]) > 1
            await one.begun.wait()
            # It keeps nobody waiting, and another order is not made beside it.
            for offset in FAR[2:4]:
                assert await one.jump(offset) > 1
                assert await one.jump(offset, is_descending=True) > 1
            await one.made()
            for offset in FAR[4:]:
                assert await one.jump(offset) == 1
            assert len(one.aside) == 1
            # Now it is the other one's turn.
            await one.jump(FAR[5], is_descending=True)
            await one.made()
            assert await one.jump(FAR[7], is_descending=True) == 1
            assert len(one.aside) == 2

    asyncio.run(check())


def test_the_order_of_a_table_that_goes_is_given_up(tmp_path):
    async def check():
        async with opened(tmp_path) as one:
            await one.jump(FAR[0])
            await one.jump(FAR[1])
            await one.begun.wait()
            await one.store.engine.on_tables(drop)
            await one.made()
            await one.store.engine.on_tables(make)
            for offset in FAR[2:]:
                assert await one.jump(offset) > 1
            assert len(one.aside) == 1

    asyncio.run(check())


def test_nothing_is_left_when_the_queries_are_closed(tmp_path):
    async def check():
        async with opened(tmp_path) as one:
            await one.jump(FAR[0])
            await one.jump(FAR[1])
            await one.begun.wait()
            await one.queries.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(check())
