"""Tables that were made ready for queries, in the engine: the longest unused go first."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from steplog.server._decode import TableScan
    from steplog.server.store.engine import Builder, Engine

MAX_BYTES = 8 << 30
"""On disk, of all tables."""
_INSERT_BYTES = 32 << 20
"""Of blocks that are inserted at once."""
_PREFIX = "table_"
_NAME = re.compile(_PREFIX + r"[0-9a-f]{64}")
# `r` is the number of the row. A page's rows lie anywhere, so granules are small, and so is what is
# unpacked for one: a hundred rows of ten columns take 13 ms for 43 ms, the table 7 % more disk.
_CREATE = """CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY r
SETTINGS index_granularity = 256, min_compress_block_size = 4096, old_parts_lifetime = 5"""
_STORED = {
    "int": "Int64",
    "float": "Float64",
    "bool": "UInt8",
    "text": "String",
    "time": "Int64",
    "media": "String",
    "json": "String",
}
"""By kind: the type of the column, which is nullable. `time` counts microseconds."""


@dataclass(frozen=True)
class TableColumn:
    """A column.

    Attributes:
        name: As its file has it.
        kind: One of `int float bool text time media json`.
        said: Its type as its file says it, such as `number`; empty for none.
        has_digits: Whether beside it is a column with the digits of integers that no float holds.
    """

    name: str
    kind: str
    said: str
    has_digits: bool


@dataclass(frozen=True)
class StoredTable:
    """A table that is ready: `name` in the engine, with the columns `r`, `c0`, `d0` and so on."""

    name: str
    rows: int
    columns: Sequence[TableColumn]


class TableCache:
    """Tables in the engine, and a file for each that is whole.

    Args:
        path: The folder of these files; nobody else writes into it.
        max_bytes: What the tables come to at most; the last one may be larger.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """From the longest unused to the last used."""
        self._known: dict[str, StoredTable] = {}

    async def open(self, engine: Engine) -> None:
        """Find what is there; remove what a killed process was making."""
        await engine.on_tables(self._open)

    def _open(self, builder: Builder) -> None:
        self._path.mkdir(exist_ok=True, mode=0o700)
        found = builder.command(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "  # noqa: S608  # ours
            f"AND startsWith(name, '{_PREFIX}')"
        )
        stored = {name.decode() for name in found.texts("name")}
        times = []
        for path in self._path.iterdir():
            name = path.stem
            if path.suffix != ".json" or name not in stored:
                path.unlink()
                continue
            times.append((path.stat().st_mtime_ns, name, orjson.loads(path.read_bytes())))
        for _, name, said in sorted(times, key=lambda one: one[:2]):
            self._remember(name, said)
        for name in sorted(stored - self._known.keys()):
            _drop(builder, name)

    def get(self, table_id: str) -> StoredTable | None:
        """One that was made, by the SHA-256 that stands for its files; None where there is none."""
        name = _name(table_id)
        with self._lock:
            found = self._known.get(name)
            if found is not None:
                self._sizes.move_to_end(name)
        if found is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path / f"{name}.json")
        return found

    def put(
        self,
        builder: Builder,
        table_id: str,
        scan: TableScan,
        *,
        blocks: Iterable[bytes],
    ) -> StoredTable:
        """Make one of what was scanned; when it returns it is there, also for the next process."""
        name = _name(table_id)
        _drop(builder, name)
        columns = scan.columns()
        declared = ["r UInt32"]
        for number, (_, kind, _, has_digits) in enumerate(columns):
            declared.append(f"c{number} Nullable({_STORED[kind]})")
            if has_digits:
                declared.append(f"d{number} String")
        builder.command(_CREATE.format(name=name, columns=", ".join(declared)))
        for some in _gathered(blocks):
            builder.insert(name, some)
        said = {"rows": scan.rows, "columns": columns, "bytes": _bytes(builder, name)}
        new = self._path / f"{name}.new"
        new.write_bytes(orjson.dumps(said))
        new.replace(self._path / f"{name}.json")
        with self._lock:
            found = self._remember(name, said)
        while victim := self._victim(name):
            _drop(builder, victim)
        return found

    def _remember(self, name: str, said: dict[str, Any]) -> StoredTable:
        columns = [TableColumn(*column) for column in said["columns"]]
        found = self._known[name] = StoredTable(name, said["rows"], columns)
        self._sizes[name] = said["bytes"]
        return found

    def _victim(self, spared: str) -> str | None:
        """Forget the longest unused one, if there is too much."""
        with self._lock:
            if sum(self._sizes.values()) <= self._max_bytes:
                return None
            name = next((one for one in self._sizes if one != spared), None)
            if name is not None:
                del self._sizes[name], self._known[name]
                (self._path / f"{name}.json").unlink(missing_ok=True)
            return name


def _name(table_id: str) -> str:
    name = _PREFIX + table_id
    if not _NAME.fullmatch(name):
        msg = f"no SHA-256: {table_id!r}"
        raise ValueError(msg)
    return name


def _drop(builder: Builder, name: str) -> None:
    if not _NAME.fullmatch(name):
        return
    # What is dropped lies about for minutes; truncated, for seconds.
    builder.command(f"TRUNCATE TABLE IF EXISTS {name}")
    builder.command(f"DROP TABLE IF EXISTS {name}")


def _bytes(builder: Builder, name: str) -> int:
    found = builder.command(
        "SELECT sum(bytes_on_disk) AS n FROM system.parts "  # noqa: S608  # a name of ours
        f"WHERE database = currentDatabase() AND table = '{name}' AND active"
    )
    return int(found.uints("n")[0])


def _gathered(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    size = 0
    for block in blocks:
        some.append(block)
        size += len(block)
        if size >= _INSERT_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


__all__ = ["StoredTable", "TableCache", "TableColumn"]
