"""Columns of numbers, and of lists of numbers, as Arrow IPC streams."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from arro3.core import Array, DataType, Field, RecordBatch, Schema, list_array
from arro3.io import write_ipc_stream
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.store.table_query import Values

    Column = NDArray[Any] | Sequence[NDArray[Any]]


def stream(header: object, columns: Mapping[str, Column]) -> bytes:
    """One complete stream: the columns, and the header as metadata `panel`."""
    arrays = [_array(column) for column in columns.values()]
    fields = [
        Field(name, array.type, nullable=False) for name, array in zip(columns, arrays, strict=True)
    ]
    schema = Schema(fields, metadata={b"panel": orjson.dumps(header)})
    batch = RecordBatch.from_arrays(arrays, schema=schema)
    sink = io.BytesIO()
    write_ipc_stream(batch, sink, compression=None)
    return sink.getvalue()


def _array(column: Column) -> Array:
    if isinstance(column, np.ndarray):
        return Array.from_numpy(np.ascontiguousarray(column))
    ends = np.cumsum([0, *(len(values) for values in column)], dtype=np.int32)
    values = np.concatenate([np.empty(0), *column])
    return list_array(Array.from_numpy(ends), Array.from_numpy(values))


def cells_stream(header: object, columns: Sequence[Values]) -> bytes:
    """One complete stream of the cells of tables, with nulls; the header as metadata `panel`."""
    arrays = [_cells(column) for column in columns]
    fields = [Field(column.name, array.type) for column, array in zip(columns, arrays, strict=True)]
    schema = Schema(fields, metadata={b"panel": orjson.dumps(header)})
    sink = io.BytesIO()
    write_ipc_stream(RecordBatch.from_arrays(arrays, schema=schema), sink, compression=None)
    return sink.getvalue()


def _cells(column: Values) -> Array:
    cells = column.cells
    if column.kind == "int":
        return Array(cells, type=DataType.int64())
    if column.kind == "bool":
        return Array(cells, type=DataType.bool())
    if column.kind == "time":
        micros = [None if cell is None else round(cell * 1000) for cell in cells]
        return Array(micros, type=DataType.int64()).cast(DataType.timestamp("us", tz="UTC"))
    if column.kind == "float":
        # An integer that no float holds has its digits in JSON only.
        floats = [None if cell is None else float(cell) for cell in cells]
        return Array(floats, type=DataType.float64())
    if column.kind == "hist":
        cells = [None if cell is None else orjson.dumps(cell).decode() for cell in cells]
    return Array(cells, type=DataType.string())


__all__ = ["cells_stream", "stream"]
