"""ClickHouse's `Native` format, read into arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NUMBERS: dict[str, np.dtype[Any]] = {
    "UInt8": np.dtype("u1"),
    "UInt16": np.dtype("<u2"),
    "UInt32": np.dtype("<u4"),
    "UInt64": np.dtype("<u8"),
    "Int8": np.dtype("i1"),
    "Int32": np.dtype("<i4"),
    "Int64": np.dtype("<i8"),
    "Float64": np.dtype("<f8"),
}


_NULLABLE = "Nullable("


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit of LEB128
            return number, at
        shift += 7


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _varint(data, at)
    return data[at : at + length], at + length


class Columns:
    """The columns of a result, by name; blocks are joined."""

    def __init__(self, data: bytes) -> None:
        self._numbers: dict[str, NDArray[np.generic]] = {}
        self._texts: dict[str, list[bytes]] = {}
        self._nulls: dict[str, list[NDArray[np.bool_]]] = {}
        self.rows = 0
        arrays: dict[str, list[NDArray[np.generic]]] = {}
        at = 0
        while at < len(data):
            count, at = _varint(data, at)
            rows, at = _varint(data, at)
            self.rows += rows
            for _ in range(count):
                column, at = _text(data, at)
                of_type, at = _text(data, at)
                read = (data, at, rows)
                at = self._column(column.decode(), of_type.decode(), read, arrays=arrays)
        for name, parts in arrays.items():
            self._numbers[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _column(
        self,
        name: str,
        of_type: str,
        where: tuple[bytes, int, int],
        *,
        arrays: dict[str, list[NDArray[np.generic]]],
    ) -> int:
        data, at, rows = where
        if of_type.startswith(_NULLABLE):
            nulls = np.frombuffer(data, np.bool_, rows, at)
            self._nulls.setdefault(name, []).append(nulls)
            of_type, at = of_type[len(_NULLABLE) : -1], at + rows
        if of_type == "String":
            texts = self._texts.setdefault(name, [])
            for _ in range(rows):
                text, at = _text(data, at)
                texts.append(text)
            return at
        dtype: np.dtype[np.generic] = _NUMBERS[of_type]
        arrays.setdefault(name, []).append(np.frombuffer(data, dtype, rows, at))
        return at + rows * int(dtype.itemsize)

    def is_null(self, name: str) -> NDArray[np.bool_]:
        """Where a column has no value; whatever stands there is none."""
        found = self._nulls.get(name)
        return np.zeros(self.rows, np.bool_) if found is None else np.concatenate(found)

    def numbers(self, name: str) -> NDArray[Any]:
        """A column of numbers as the engine gave them."""
        return self._numbers.get(name, np.empty(0))

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column of numbers as float64."""
        found = self._numbers.get(name)
        return np.empty(0) if found is None else found.astype(np.float64, copy=False)

    def ints(self, name: str) -> NDArray[np.int64]:
        """A column of integers as int64 (UInt64 wraps: positions and runs stay below 2^63)."""
        found = self._numbers.get(name)
        return np.empty(0, np.int64) if found is None else found.astype(np.int64, copy=False)

    def uints(self, name: str) -> NDArray[np.uint64]:
        """A column of integers as uint64."""
        found = self._numbers.get(name)
        return np.empty(0, np.uint64) if found is None else found.astype(np.uint64, copy=False)

    def texts(self, name: str) -> list[bytes]:
        """A column of strings."""
        return self._texts.get(name, [])
