"""The files of tables, made ready for queries when one is first asked for."""

from __future__ import annotations

import hashlib
import io
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from steplog.server._decode import TableScan
from steplog.server.hub import Locks, to_its_end
from steplog.server.schema import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.engine import Builder
    from steplog.server.store.run_files import Content
    from steplog.server.store.series import SeriesStore
    from steplog.server.store.table_cache import StoredTable, TableCache

MAX_FILE_BYTES = 16 << 30
"""Of the files of one table."""
_PIECE_BYTES = 1 << 20


class _StoppedError(Exception):
    """The server stops: the table is made when it is asked for again."""


class TableFiles:
    """Makes tables ready, one at a time."""

    def __init__(self, store: BlobStore, series: SeriesStore, cache: TableCache) -> None:
        self._store = store
        self._series = series
        self._cache = cache
        self._locks = Locks()
        self._stops = threading.Event()

    async def of(self, contents: Sequence[Content]) -> StoredTable:
        """The table of some files, one after another; made where it is not there yet.

        Raises:
            Problem: They hold no table.
            StorageError: A store failed.
        """
        name = hashlib.sha256("".join(one.sha256 for one in contents).encode()).hexdigest()
        # Whoever asks for the same waits for who makes it.
        async with self._locks.of(name):
            found = self._cache.get(name)
            if found is None:
                found = await to_its_end(self._make(name, contents))
            return found

    async def _make(self, name: str, contents: Sequence[Content]) -> StoredTable:
        if sum(one.size_bytes for one in contents) > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES >> 30} GiB"
            raise Problem(Code.TOO_LARGE, f"the files of the table are larger than {limit}")

        def make(builder: Builder) -> StoredTable:
            scan = self._scanned(contents)
            blocks = self._blocks(scan, contents)
            return self._cache.put(builder, name, scan, blocks=blocks)

        try:
            return await self._series.engine.on_tables(make)
        except ValueError as error:
            raise Problem(Code.NO_TABLE, f"the file holds no table: {error}") from error
        except _StoppedError as error:
            raise Problem(Code.BUSY, "the server stops", headers={"Retry-After": "2"}) from error

    def _scanned(self, contents: Sequence[Content]) -> TableScan:
        scan = TableScan()
        for content in contents:
            for piece in self._pieces(content):
                scan.feed(piece)
            scan.end_file()
        return scan

    def _blocks(self, scan: TableScan, contents: Sequence[Content]) -> Iterator[bytes]:
        reading = scan.blocks()
        for content in contents:
            for piece in self._pieces(content):
                yield from reading.feed(piece)
            reading.end_file()
        if last := reading.finish():
            yield last

    def _pieces(self, content: Content) -> Iterator[bytes]:
        with ExitStack() as stack:
            whole = content.whole
            file: BinaryIO = io.BytesIO(whole or b"")
            if whole is None:
                file = stack.enter_context(self._store.open(content))
            while piece := file.read(_PIECE_BYTES):
                if self._stops.is_set():
                    raise _StoppedError
                yield piece

    def stop(self) -> None:
        """What is being made is left."""
        self._stops.set()


__all__ = ["TableFiles"]
