"""What is kept of a long output: its beginning and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.engine import text_param
from steplog.server.store.tables import LOG_CUTS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_MOST_COUNTED = 4096
"""Writers whose bytes are known without asking."""
_OF_WRITER = "run = {run:UInt64} AND writer = {writer:String}"
# What a line takes besides its texts, in a block.
_SIZE = "length(text) + length(plain) + length(versions) + 64"
_BYTES = f"""SELECT sum({_SIZE}) AS n FROM lines
WHERE {_OF_WRITER} AND (number < {{first:UInt64}} OR number >= {{behind:UInt64}})"""  # noqa: S608  # constants of this file
_HEAD = f"""SELECT min(number) AS n FROM (
    SELECT number, sum({_SIZE}) OVER (ORDER BY number) AS s FROM lines WHERE {_OF_WRITER}
) WHERE s > {{most:UInt64}}"""  # noqa: S608  # constants of this file
_WALL = f"""SELECT max(wall) AS n FROM lines
WHERE {_OF_WRITER} AND number <= {{first:UInt64}}"""  # noqa: S608  # constants of this file
_TAIL = f"""SELECT max(number) + 1 AS n FROM (
    SELECT number, sum({_SIZE}) OVER (ORDER BY number DESC) AS s FROM lines WHERE {_OF_WRITER}
) WHERE s > {{most:UInt64}}"""  # noqa: S608  # constants of this file


@dataclass(frozen=True)
class Cut:
    """Lines of a writer that are left out: from `first` on, as far as the one before `behind`.

    `wall_nanos` is when the first one was begun.
    """

    first: int = 0
    behind: int = 0
    wall_nanos: int = 0


class LogLimit:
    """Cuts the middle out of outputs of over `limit_bytes` a writer; 0 for no limit.

    Half of that is kept of the beginning, and at least a quarter of the end.
    """

    def __init__(self, meta: MetaStore, series: SeriesStore, limit_bytes: int) -> None:
        self._meta = meta
        self._series = series
        self._limit_bytes = limit_bytes
        self._bytes: dict[tuple[int, str], int] = {}

    async def note(self, run_id: int, writer: str, added_bytes: int) -> None:
        """Lines were stored; one call of a writer at a time."""
        if not self._limit_bytes or not added_bytes:
            return
        key = (run_id, writer)
        known = self._bytes.pop(key, None)
        size = await self._count(run_id, writer) if known is None else known + added_bytes
        if size > self._limit_bytes:
            size = await self._cut(run_id, writer)
        self._bytes[key] = size
        if len(self._bytes) > _MOST_COUNTED:
            del self._bytes[next(iter(self._bytes))]

    def forget(self, run_id: int, writer: str) -> None:
        """A writer's lines are gone: its log is taken anew."""
        self._bytes.pop((run_id, writer), None)

    async def _count(self, run_id: int, writer: str, cut: Cut | None = None) -> int:
        cut = cut or Cut()
        found = await self._series.read(
            _BYTES, run=run_id, writer=text_param(writer), first=cut.first, behind=cut.behind
        )
        return int(found.uints("n")[0])

    async def _cut(self, run_id: int, writer: str) -> int:
        """Leave lines out; returns the bytes of those that are left."""
        async with self._meta.read() as connection:
            cut = await cut_of(connection, run_id, writer)
        size = await self._count(run_id, writer, cut)
        if size <= self._limit_bytes:
            return size  # a block takes more than its lines
        first, wall = cut.first, cut.wall_nanos
        if not cut.behind:
            first = await self._place(_HEAD, run_id, writer, most=self._limit_bytes // 2)
            found = await self._series.read(
                _WALL, run=run_id, writer=text_param(writer), first=first
            )
            wall = int(found.ints("n")[0])
        behind = await self._place(_TAIL, run_id, writer, most=self._limit_bytes // 4)
        behind = max(behind, cut.behind)
        # First what is said of them: who is killed in between leaves lines that nobody reads.
        row = {"run_id": run_id, "writer": writer, "first": first, "behind": behind, "wall": wall}
        async with self._meta.write() as connection:
            await self._meta.upsert(connection, LOG_CUTS, [row])
        await self._series.delete_lines(run_id, writer, first=first, behind=behind)
        return await self._count(run_id, writer, Cut(first, behind))

    async def _place(self, sql: str, run_id: int, writer: str, *, most: int) -> int:
        found = await self._series.read(sql, run=run_id, writer=text_param(writer), most=most)
        return int(found.uints("n")[0])


async def cut_of(connection: AsyncConnection, run_id: int, writer: str) -> Cut:
    """What is left out of a writer's output."""
    query = sa.select(LOG_CUTS.c.first, LOG_CUTS.c.behind, LOG_CUTS.c.wall)
    is_its = sa.and_(LOG_CUTS.c.run_id == run_id, LOG_CUTS.c.writer == writer)
    found = (await connection.execute(query.where(is_its))).one_or_none()
    return Cut() if found is None else Cut(found.first, found.behind, found.wall)
