"""The series store: points in, by whole blocks; positions, ranges and deletes."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steplog.server.store.engine import Engine, ints_param, text_param

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from steplog.server.store.native import Columns

_GATHER_SECS = 0.02
"""How long a block waits for others: each insert costs some milliseconds and a part."""
_GATHER_BYTES = 32 << 20
_MAX_WAITING_BYTES = 256 << 20
"""Back-pressure: beyond, `insert` waits."""

_POINTS = (
    "run UInt64, writer String, label String, generation UInt32, key String, step Int64, "
    "wall Int64, runtime Int64, kind UInt8, f64 Float64, i64 Int64, text String, position UInt64"
)
_LINES = (
    "run UInt64, writer String, label String, number UInt64, wall Int64, stream UInt8, "
    "rewrites UInt32, text String, plain String, versions String"
)
STRUCTURES = {"points": _POINTS, "patches": _POINTS, "samples": _POINTS, "lines": _LINES}
"""Of each table: the columns of its blocks."""

_COLUMNS = """(
    run UInt64 CODEC(Delta, LZ4), writer LowCardinality(String), label LowCardinality(String),
    generation UInt32 CODEC(Delta, LZ4), key LowCardinality(String), step Int64 CODEC(Delta, LZ4),
    wall Int64 CODEC(Delta, ZSTD(1)), runtime Int64 CODEC(Delta, ZSTD(1)), kind UInt8, f64 Float64,
    i64 Int64, text String CODEC(ZSTD(1)), position UInt64 CODEC(Delta, LZ4)
)"""
# `plain` is the text without colours, where it has some; `versions` what the line was before.
_LINE_COLUMNS = """(
    run UInt64 CODEC(Delta, LZ4), writer LowCardinality(String), label LowCardinality(String),
    number UInt64 CODEC(Delta, LZ4), wall Int64 CODEC(Delta, ZSTD(1)), stream UInt8,
    rewrites UInt32, text String CODEC(ZSTD(1)), plain String CODEC(ZSTD(1)),
    versions String CODEC(ZSTD(1))
)"""
# Where the lines of a time are: they are ordered by their numbers, and time goes on with these.
# What was stored before there was this index is looked through.
_LINE_TIMES = "ALTER TABLE lines ADD INDEX IF NOT EXISTS times wall TYPE minmax GRANULARITY 1"

# A deleted run's space comes back within a minute instead of eight.
_TABLE = """CREATE TABLE IF NOT EXISTS {name} {columns} ENGINE = MergeTree
ORDER BY ({order})
SETTINGS old_parts_lifetime = 5, merge_tree_clear_old_parts_interval_seconds = 1,
    max_suspicious_broken_parts = 1000"""

# With it an acknowledged record survives power loss; it roughly doubles an insert's time.
_FSYNC = "ALTER TABLE {table} MODIFY SETTING fsync_after_insert = {on}, fsync_part_directory = {on}"

_POSITIONS = """SELECT
    ifNull((SELECT max(position) FROM points
        WHERE run = {run:UInt64} AND writer = {writer:String}), 0) AS p,
    ifNull((SELECT max(position) FROM patches
        WHERE run = {run:UInt64} AND writer = {writer:String}), 0) AS q,
    ifNull((SELECT max(position) FROM samples
        WHERE run = {run:UInt64} AND writer = {writer:String}), 0) AS s"""

_LAST_STEPS = """SELECT CAST(key, 'String') AS name, max(step) AS last FROM points
WHERE run = {run:UInt64} AND writer = {writer:String} AND position <= {upto:UInt64}
GROUP BY key"""

_COUNTS = """SELECT CAST(key, 'String') AS name, count() AS n, max(step) AS last,
    max(kind = 1) * 2 + max(kind = 2) * 4 + max(kind = 3) * 8 + max(kind = 4) * 16
    + max(kind = 5) * 32 + max(kind = 6) * 64 + max(kind = 7) * 128 + max(kind = 8) * 256 AS kinds
FROM (SELECT key, step, kind FROM points WHERE run = {run:UInt64}
      UNION ALL SELECT key, step, kind FROM patches WHERE run = {run:UInt64})
WHERE key != '' GROUP BY key"""

_LINE_COUNTS = """SELECT maxIf(number + 1, stream = 1) AS out, maxIf(number + 1, stream = 2) AS err
FROM lines WHERE run = {run:UInt64} AND writer = {writer:String}"""

_SAMPLED = """SELECT CAST(label, 'String') AS tag, CAST(key, 'String') AS name FROM samples
WHERE run = {run:UInt64} GROUP BY label, key ORDER BY tag, name"""

# Each mutation writes what it leaves of a part anew: one for all the runs.
_DELETE = (
    "ALTER TABLE {table} DELETE WHERE run IN {{runs:Array(UInt64)}} SETTINGS mutations_sync = 1"
)


_DELETE_WRITER = """ALTER TABLE {table}
DELETE WHERE run = {{run:UInt64}} AND writer = {{writer:String}} SETTINGS mutations_sync = 1"""


_DELETE_LINES = """ALTER TABLE lines
DELETE WHERE run = {run:UInt64} AND writer = {writer:String}
    AND number >= {first:UInt64} AND number < {behind:UInt64} SETTINGS mutations_sync = 1"""


@dataclass
class _Gathered:
    """Blocks for one table that wait to be inserted together."""

    blocks: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)


class SeriesStore:
    """Points of runs, in tables `points` (appends), `patches` (all else) and `samples`; `lines`.

    Use from one event loop. `start` opens it, `aclose` waits for what was accepted and closes it.
    """

    def __init__(self, path: Path, *, fsync: bool = True) -> None:
        self._path = path
        self._fsync = fsync
        self._engine: Engine | None = None
        self._gathering: dict[str, _Gathered] = {}
        self._flushes: set[asyncio.Task[None]] = set()
        self._waiting_bytes = 0
        self._room = asyncio.Condition()

    async def start(self) -> None:
        """Open the folder and create the tables that are missing.

        Raises:
            StorageError: The folder cannot be opened.
        """
        self._engine = await asyncio.to_thread(Engine, self._path)
        for table in STRUCTURES:
            is_lines = table == "lines"
            order = "run, writer, number" if is_lines else "run, key, label, generation, step"
            columns = _LINE_COLUMNS if is_lines else _COLUMNS
            await self._engine.command(_TABLE.format(name=table, columns=columns, order=order))
            await self._engine.command(_FSYNC.format(table=table, on=int(self._fsync)))
        await self._engine.command(_LINE_TIMES)

    @property
    def engine(self) -> Engine:
        """The engine, for the queries of `panels` and `history`."""
        if self._engine is None:
            msg = "the series store is not started"
            raise RuntimeError(msg)
        return self._engine

    async def read(self, sql: str, **params: int | str) -> Columns:
        """Run a fixed query on a read-only connection."""
        return await self.engine.read(sql, **params)

    async def insert(self, table: str, block: bytes) -> None:
        """Store one writer's block, together with others' that come within `_GATHER_SECS`.

        When it returns, the block survives this process. If it raises, the block may or may not be
        stored: ask `positions`.

        Raises:
            StorageError: The engine failed.
        """
        if not block:
            return
        async with self._room:
            await self._room.wait_for(lambda: self._waiting_bytes < _MAX_WAITING_BYTES)
            self._waiting_bytes += len(block)
        gathered = self._gathering.get(table)
        if gathered is None:
            gathered = self._gathering[table] = _Gathered()
            flush = asyncio.create_task(self._flush(table, gathered))
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        gathered.blocks.append(block)
        gathered.size_bytes += len(block)
        done = asyncio.get_running_loop().create_future()
        gathered.waiters.append(done)
        if gathered.size_bytes >= _GATHER_BYTES:
            gathered.full.set()
        await done

    async def _flush(self, table: str, gathered: _Gathered) -> None:
        with contextlib.suppress(asyncio.TimeoutError):  # the usual end of gathering
            await asyncio.wait_for(gathered.full.wait(), _GATHER_SECS)
        del self._gathering[table]
        failure: BaseException | None = None
        try:
            await self.engine.insert(table, STRUCTURES[table], gathered.blocks)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits
            failure = error
        async with self._room:
            self._waiting_bytes -= gathered.size_bytes
            self._room.notify_all()
        for done in gathered.waiters:
            if done.done():
                continue  # whoever waited was cancelled
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def positions(self, run: int, writer: str) -> tuple[int, int, int]:
        """The greatest position of a writer in each table, 0 for none."""
        found = await self.engine.command(_POSITIONS, run=run, writer=text_param(writer))
        points, patches, samples = (int(found.uints(name)[0]) for name in ("p", "q", "s"))
        return points, patches, samples

    async def line_counts(self, run: int, writer: str) -> tuple[int, int]:
        """Of stdout and stderr of a writer: the number behind its last line in the table."""
        found = await self.engine.command(_LINE_COUNTS, run=run, writer=text_param(writer))
        return int(found.uints("out")[0]), int(found.uints("err")[0])

    async def last_steps(self, run: int, writer: str, upto: int) -> list[tuple[str, int]]:
        """Each key's last appended step among the positions up to `upto`."""
        found = await self.engine.command(
            _LAST_STEPS, run=run, writer=text_param(writer), upto=upto
        )
        names = (name.decode() for name in found.texts("name"))
        return list(zip(names, found.ints("last").tolist(), strict=True))

    async def key_counts(self, run: int) -> list[tuple[str, int, int, int]]:
        """What `Decoded.keys` would say of everything that is stored of a run."""
        found = await self.engine.command(_COUNTS, run=run)
        names = (name.decode() for name in found.texts("name"))
        numbers = (found.ints(name).tolist() for name in ("kinds", "n", "last"))
        return list(zip(names, *numbers, strict=True))

    async def sampled(self, run: int) -> list[tuple[str, str]]:
        """The labels of a run that have samples, each with the names of these, in their order."""
        found = await self.read(_SAMPLED, run=run)
        texts = ([text.decode() for text in found.texts(name)] for name in ("tag", "name"))
        return list(zip(*texts, strict=True))

    async def delete(self, runs: Sequence[int]) -> None:
        """Remove runs' points; their disk space comes back within a minute."""
        for table in STRUCTURES:
            await self.engine.command(_DELETE.format(table=table), runs=ints_param(runs))

    async def delete_writer(self, run: int, writer: str) -> None:
        """Remove one writer's points."""
        for table in STRUCTURES:
            statement = _DELETE_WRITER.format(table=table)
            await self.engine.command(statement, run=run, writer=text_param(writer))

    async def delete_lines(self, run: int, writer: str, *, first: int, behind: int) -> None:
        """Remove a writer's lines of output from one number on, as far as before another."""
        await self.engine.command(
            _DELETE_LINES, run=run, writer=text_param(writer), first=first, behind=behind
        )

    async def aclose(self) -> None:
        """Wait for accepted blocks, then close the engine."""
        for gathered in self._gathering.values():
            gathered.full.set()
        while self._flushes:
            await asyncio.gather(*self._flushes)
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
            self._engine = None
