"""Tables of a run, read back with their types."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from steplog._errors import NotFoundError, ServerError, UsageError
from steplog.client.frames import frame_of_columns
from steplog.client.reader import Selection, check_step

if TYPE_CHECKING:
    from steplog.client.reader import Facts, Reader

_TYPES = ("table-file", "incremental-table-file")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_NOT_FOUND = 404

_Read = Callable[[Any], Any]


@dataclass(frozen=True)
class StoredTable:
    """A table as it was logged; of an incremental one all rows up to the one that was asked for.

    Cells are as they were put in, moments as `datetime` in UTC; a cell that is an image or the like
    is a dict that names its file: `run.file(cell["path"])`.

    Attributes:
        columns: Names of the columns.
        types: Their types by their names, as trees of dicts; see docs/tables.md.
        rows: Rows, each with a cell for each column.
    """

    columns: list[str]
    types: dict[str, Any]
    rows: list[list[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """The cells of a column.

        Raises:
            UsageError: There is none of that name.
        """
        if name not in self.columns:
            raise UsageError(f"the table has no column {name!r}: {self.columns}")
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def to_pandas(self) -> Any:  # noqa: ANN401  # pandas is optional
        """The table as a DataFrame; integers that a float could not hold stay integers.

        Raises:
            ImportError: pandas is not installed.
        """
        return frame_of_columns({name: self.column(name) for name in self.columns})


async def read_table(reader: Reader, run: Facts, *, key: str, step: int | None) -> StoredTable:
    """The table under a key.

    Raises:
        NotFoundError: There is none, or not yet its file.
        UsageError: What stands there is no table.
        ArgumentTypeError: An argument is of a wrong type.
        ServerError: The server refused or cannot be reached.
    """
    value = await _value(reader, run, key=key, step=step)
    if not isinstance(value, Mapping) or value.get("_type") not in _TYPES:
        raise UsageError(f"{key!r} is no table")
    names = [*value.get("previous_increments_paths", ()), value["path"]]
    parts = []
    for name in names:
        content = await reader.file(run, await reader.named(run, name))
        try:
            parts.append(await anyio.to_thread.run_sync(_parse, content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerError(f"the file is no table: {name}") from error
    rows = [row for part in parts for row in part.rows]
    return StoredTable(parts[-1].columns, parts[-1].types, rows)


async def _value(reader: Reader, run: Facts, *, key: str, step: int | None) -> Any:  # noqa: ANN401
    first = 0 if step is None else check_step(step)
    stop = None if step is None else first + 1
    selection = Selection.of([key], 10_000, min_step=first, max_step=stop)
    if step is None and key in run.summary:
        return run.summary[key]
    found, cursor = None, None
    while True:
        rows, cursor = await reader.rows_page(run, selection, cursor)
        for row in rows:
            (name,) = row.keys() - {"_step", "_timestamp", "_runtime", "_label"}
            found = row[name]
        if cursor is None:
            break
    if found is None:
        where = f"{run.entity}/{run.project}/{run.id}"
        at = "" if step is None else f" at step {step}"
        raise NotFoundError(f"the run {where} has no table {key!r}{at}", status=_NOT_FOUND)
    return found


def _parse(content: bytes) -> StoredTable:
    return understand(json.loads(content))


def understand(table: Mapping[str, Any]) -> StoredTable:
    """The table that the JSON of a file is; its rows become the table's.

    Raises:
        ValueError: It is none; or KeyError, TypeError, AttributeError.
    """
    columns, types = table["columns"], table["column_types"]["params"]["type_map"]
    rows = table["data"]
    for at, name in enumerate(columns):
        read = _reading(types[name])
        if read is not None:
            for row in rows:
                row[at] = read(row[at])
    return StoredTable(columns, types, rows)


def _reading(kind: Mapping[str, Any]) -> _Read | None:
    """What makes a cell of a type what it was; None where it is that already."""
    name, params = kind["wb_type"], kind.get("params") or {}
    if name == "timestamp":
        return _moment
    if name == "union":
        several = [read for read in map(_reading, params["allowed_types"]) if read is not None]
        # Numbers beside moments cannot be told from them.
        names = {one["wb_type"] for one in params["allowed_types"]}
        return several[0] if len(several) == 1 and "number" not in names else None
    if name == "list":
        inner = _reading(params["element_type"])
        return None if inner is None else lambda cell: _each(cell, inner)
    if name == "typedDict":
        fields = {key: _reading(one) for key, one in params["type_map"].items()}
        return (lambda cell: _fields(cell, fields)) if any(fields.values()) else None
    return None


def _moment(cell: Any) -> Any:  # noqa: ANN401  # a number, or None
    if not isinstance(cell, (int, float)):
        return cell
    return _EPOCH + dt.timedelta(microseconds=round(cell * 1000))


def _each(cell: Any, read: _Read) -> Any:  # noqa: ANN401  # a list, or what stands in its place
    if not isinstance(cell, Sequence) or isinstance(cell, str):
        return cell
    return [read(item) for item in cell]


def _fields(cell: Any, fields: Mapping[str, _Read | None]) -> Any:  # noqa: ANN401  # as above
    if not isinstance(cell, Mapping):
        return cell
    read = {key: fields.get(key) for key in cell}
    return {key: item if (one := read[key]) is None else one(item) for key, item in cell.items()}
