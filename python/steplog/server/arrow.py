"""Columns of numbers, and of lists of numbers, as Arrow IPC streams."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from arro3.core import Array, Field, RecordBatch, Schema, list_array
from arro3.io import write_ipc_stream
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


__all__ = ["stream"]
