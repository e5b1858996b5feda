"""Embedded ClickHouse behind guards: how it is opened, asked, fed and closed."""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.thread import BrokenThreadPool
from typing import TYPE_CHECKING, Any

from steplog._errors import StorageError
from steplog.server.store.native import Columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")
    Param = int | str

READERS = 4
"""Readers: twice the cores of the machine we measure on; a query uses at most `_READ_THREADS`."""

_READ_THREADS = 2
_MAX_EXECUTION_SECS = 30
"""Also what `close` may have to wait for."""

_LIMITS = {
    "max_server_memory_usage": 2 << 30,
    "mark_cache_size": 64 << 20,
    "uncompressed_cache_size": 0,
    "max_thread_pool_size": 200,
}
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "'": "\\'"}
)

# A table comes in by several parts, and is whole when the file says so that stands for it.
_TABLE_LIMITS = (
    "SET max_insert_threads=1, max_threads=1, input_format_parallel_parsing=0, "
    "max_memory_usage=1000000000, max_query_size=16777216"
)
_TABLE_SETTINGS = (_TABLE_LIMITS,)
# With subcolumns `isNull(c) AND isNull(c)` fails where nothing else reads `c` (26.5).
_READS = (
    f"SET max_execution_time={_MAX_EXECUTION_SECS}, max_query_size=16777216, use_query_cache=0, "
    "optimize_functions_to_subcolumns=0"
)
_READ_LIMITS = f"{_READS}, max_threads={_READ_THREADS}, max_memory_usage=1500000000"
_READ_SETTINGS = (_READ_LIMITS, "SET readonly=1")
# Where the process may not be nice, it is one core of them.
_ASIDE_LIMITS = (
    f"{_READS}, max_threads=1, max_memory_usage=400000000, os_threads_nice_value_query=19"
)
_ASIDE_SETTINGS = (_ASIDE_LIMITS, "SET readonly=1")
# One insert is one part: a block is never cut, so it is stored whole or not at all.
_WHOLE_BLOCKS = (
    "SET max_insert_threads=1, max_threads=1, max_insert_block_size=1000000000, "
    "min_insert_block_size_rows=1000000000, min_insert_block_size_bytes=0, "
    "max_block_size=1000000000, input_format_parallel_parsing=0, "
    "max_partitions_per_insert_block=0, max_memory_usage=1800000000"
)
_WRITE_SETTINGS = (_WHOLE_BLOCKS,)


def text_param(value: str) -> str:
    """A String parameter: escaped as TSV, so nothing of it can be read as anything else."""
    return value.translate(_ESCAPES)


def texts_param(values: Sequence[str]) -> str:
    """An Array(String) parameter."""
    return "[" + ",".join("'" + value.translate(_ESCAPES) + "'" for value in values) + "]"


def ints_param(values: Sequence[int]) -> str:
    """An Array of integers as a parameter."""
    return "[" + ",".join(str(int(value)) for value in values) + "]"


class Builder:
    """What the work of `Engine.on_tables` may do."""

    def __init__(
        self,
        query: Callable[[str, Mapping[str, Param]], Columns],
        insert: Callable[[str, str | None, Sequence[bytes]], None],
    ) -> None:
        self._query = query
        self._insert = insert

    def command(self, sql: str) -> Columns:
        """Run a statement of fixed words and names of ours."""
        return self._query(sql, {})

    def insert(self, table: str, blocks: Sequence[bytes]) -> None:
        """Store Native blocks, which say their columns themselves."""
        self._insert(table, None, blocks)


class Engine:
    """The embedded engine on a folder that this process holds.

    One connection belongs to one worker thread. Reads run on `READERS` threads with `readonly=1`,
    and those that nobody waits for on one more; writes on one. Every method that
    takes SQL takes fixed text; values travel as parameters.

    Raises:
        StorageError: The engine cannot open the folder.
    """

    def __init__(self, path: Path) -> None:
        from chdb import _chdb  # noqa: PLC0415 - it loads 300 MB: only a server needs it

        # The engine would otherwise take SIGSEGV, SIGTERM and others for itself …
        _chdb.set_signal_handlers_enabled(False)  # type: ignore[attr-defined]  # no stubs
        # … and it blocks SIGPIPE in the importing thread, which children would inherit.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPIPE])
        if "?" in str(path):
            raise StorageError(
                errno.EINVAL,
                "the series store cannot lie in a folder with '?' in its path",
                str(path),
            )
        self._path = path
        limits = "&".join(f"{name}={value}" for name, value in _LIMITS.items())
        self._target = f"{path}?{limits}"
        self._connect: Callable[[str], Any] = _chdb.connect  # type: ignore[attr-defined]  # no stubs
        self._local = threading.local()
        self._opened: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(
            READERS, "steplog-series-read", initializer=self._open, initargs=(_READ_SETTINGS,)
        )
        self._writer = ThreadPoolExecutor(
            1, "steplog-series-write", initializer=self._open, initargs=(_WRITE_SETTINGS,)
        )
        self._aside = ThreadPoolExecutor(
            1, "steplog-series-aside", initializer=self._open, initargs=(_ASIDE_SETTINGS,)
        )
        # Apart, so that a large table keeps no points waiting.
        self._tables = ThreadPoolExecutor(
            1, "steplog-tables", initializer=self._open, initargs=(_TABLE_SETTINGS,)
        )
        self._closed = False

    def _open(self, settings: Sequence[str]) -> None:
        connection = self._connect(self._target)
        for setting in settings:
            connection.query(setting)
        self._opened.put(connection)
        self._local.connection = connection

    async def read(self, sql: str, **params: Param) -> Columns:
        """Run a query on a reader's connection.

        Raises:
            StorageError: The engine refused, or took longer than `_MAX_EXECUTION_SECS`.
        """
        return await self._submit(self._readers, lambda: self._query(sql, params))

    async def read_aside(self, sql: str, **params: Param) -> Columns:
        """Run a query that nobody waits for: one at a time, on one core when no other needs it.

        Raises:
            StorageError: As `read` does; also where it takes more than a quarter of its memory.
        """
        return await self._submit(self._aside, lambda: self._query(sql, params))

    async def command(self, sql: str, **params: Param) -> Columns:
        """Run a statement on the writer's connection, after what was submitted before."""
        return await self._submit(self._writer, lambda: self._query(sql, params))

    async def insert(self, table: str, structure: str, blocks: Sequence[bytes]) -> None:
        """Store Native blocks as one part of `table`; when it returns, they survive this process.

        `table` and `structure` are ours, never a user's.
        """
        await self._submit(self._writer, lambda: self._insert(table, structure, blocks))

    async def on_tables(self, work: Callable[[Builder], T]) -> T:
        """Do something on the thread of the tables, after what was submitted before."""
        return await self._submit(self._tables, lambda: work(Builder(self._query, self._insert)))

    async def _submit(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except BrokenThreadPool as error:
            raise StorageError(
                errno.EIO, "the series store cannot be opened", str(self._path)
            ) from error

    def _query(self, sql: str, params: Mapping[str, Param]) -> Columns:
        try:
            return Columns(self._local.connection.query(sql, "Native", params=params).bytes())
        except RuntimeError as error:
            raise StorageError(errno.EIO, f"the series store failed: {error}") from error

    def _insert(self, table: str, structure: str | None, blocks: Sequence[bytes]) -> None:
        memory = os.memfd_create("steplog-insert", os.MFD_CLOEXEC)
        try:
            for block in blocks:
                view = memoryview(block)
                while view:
                    view = view[os.write(memory, view) :]
            os.lseek(memory, 0, os.SEEK_SET)
            # The inserted words are a table of ours, a number and a structure of ours.
            columns = "" if structure is None else f", '{structure}'"
            self._query(
                f"INSERT INTO {table} SELECT * FROM "  # noqa: S608
                f"file('/proc/self/fd/{memory}', 'Native'{columns})",
                {},
            )
        finally:
            os.close(memory)

    def close(self) -> None:
        """Wait for what runs, then close every connection; harmless when called again."""
        if self._closed:
            return
        self._closed = True
        for pool in (self._aside, self._readers):
            pool.shutdown(wait=True, cancel_futures=True)
        self._tables.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)
        while not self._opened.empty():
            self._opened.get().close()
