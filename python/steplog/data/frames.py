"""DataFrames of pandas and polars and tables of Arrow, taken over column by column.

None of the libraries is imported for the question.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from steplog.data import table_types as types
from steplog.data.table_cells import FIXED, millis_of, seconds_of, snapshot, whole
from steplog.data.table_columns import names_of
from steplog.data.table_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FrameRows", "columns_of"]

_ARROW_KINDS = {
    "is_boolean": types.BOOLEAN,
    "is_integer": types.NUMBER,
    "is_floating": types.NUMBER,
    "is_duration": types.NUMBER,
    "is_string": types.STRING,
    "is_large_string": types.STRING,
    "is_string_view": types.STRING,
    "is_decimal": types.STRING,
    "is_temporal": types.TIMESTAMP,
}
"""What pyarrow calls its types; the first that says yes counts."""
_POLARS_KINDS = {
    **dict.fromkeys(("Boolean",), types.BOOLEAN),
    **dict.fromkeys(("Decimal", "String", "Categorical", "Enum", "Time"), types.STRING),
    **dict.fromkeys(("Date", "Datetime"), types.TIMESTAMP),
    "Duration": types.NUMBER,
}


class Column(NamedTuple):
    """A column that has been taken over.

    Attributes:
        name: Of the column.
        kind: Its type.
        length: How many cells it has.
        part: Its cells from one to before another, for the file: dates may be milliseconds.
        read: All its cells, as Python has them.
    """

    name: str
    kind: Kind
    length: int
    part: Callable[[int, int], list[Any]]
    read: Callable[[], list[Any]]


class FrameRows:
    """The rows of a DataFrame."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return self._columns[0].length if self._columns else 0

    def part(self, start: int, stop: int) -> list[Any]:
        """The rows from one to before another, as tuples; dates are milliseconds."""
        return list(zip(*(column.part(start, stop) for column in self._columns), strict=True))

    def read(self) -> list[list[Any]]:
        """All rows, with values as Python has them."""
        cells = zip(*(column.read() for column in self._columns), strict=True)
        return [list(row) for row in cells]


def columns_of(frame: Any) -> list[Column]:  # noqa: ANN401  # of any library
    """The columns of a DataFrame as they are now: copied, or referred to where they never change.

    An index is left out.

    Raises:
        UsageError: Two columns have one name, or there are too many.
    """
    take: Callable[[int], _Taken]
    if hasattr(frame, "iloc"):
        names, take = list(frame.columns), lambda at: _take_pandas(frame.iloc[:, at])
    elif hasattr(frame, "to_pylist"):
        names, take = frame.schema.names, lambda at: _take_arrow(frame.column(at))
    else:
        kept = frame.clone()  # refers to the same cells
        names, take = frame.columns, lambda at: _take_polars(kept.to_series(at))
    texts = names_of([str(name) for name in names])
    return [Column(name, *take(at)) for at, name in enumerate(texts)]


_Taken = tuple[Kind, int, "Callable[[int, int], list[Any]]", "Callable[[], list[Any]]"]


def _take_pandas(series: Any) -> _Taken:  # noqa: ANN401  # pandas
    pandas: Any = sys.modules["pandas"]
    dtype = series.dtype
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return _take_numpy(series.to_numpy(dtype=f"M8[{dtype.unit}]", copy=True))
    if not pandas.api.types.is_extension_array_dtype(dtype):
        return _take_numpy(series.to_numpy(copy=True))
    if isinstance(dtype, pandas.CategoricalDtype):
        kind = _take_pandas(dtype.categories.to_series())[0]
    elif isinstance(dtype, pandas.StringDtype):
        kind = types.optional(types.STRING)
    else:
        known = types.of_numpy(getattr(dtype, "kind", "O"))
        kind = types.ANY if known is None else types.optional(known)
    kept = series.array.copy()

    def part(start: int, stop: int) -> list[Any]:
        cells: list[Any] = kept[start:stop].to_numpy(dtype=object, na_value=None).tolist()
        return cells

    return kind, len(kept), part, lambda: part(0, len(kept))


def _take_numpy(array: Any) -> _Taken:  # noqa: ANN401  # NumPy
    kind = array.dtype.kind
    if kind == "O":
        cells = array.tolist()
        if not set(map(type, cells)) <= FIXED:
            cells = [snapshot(cell) for cell in cells]
        kind_of_all = types.optional(types.kind_of_cells(cells))
        return kind_of_all, len(cells), lambda a, b: cells[a:b], lambda: list(cells)
    found = types.optional(types.of_numpy(kind) or types.ANY)
    times = array
    if kind == "M":
        read = lambda: times.astype("M8[us]").tolist()  # noqa: E731  # one of several
        return found, len(times), lambda a, b: millis_of(times[a:b]), read
    if kind == "m":
        return found, len(times), lambda a, b: seconds_of(times[a:b]), lambda: seconds_of(times)
    if kind == "f" and array.dtype.itemsize > 8:  # noqa: PLR2004  # float64
        array = array.astype("f8")
    return found, len(array), lambda a, b: array[a:b].tolist(), array.tolist


def _take_arrow(column: Any) -> _Taken:  # noqa: ANN401  # Arrow
    arrow: Any = sys.modules["pyarrow"]
    given, dtype = column, column.type
    if arrow.types.is_dictionary(dtype):
        return _take_arrow(column.cast(dtype.value_type))
    names = (name for name in _ARROW_KINDS if getattr(arrow.types, name, lambda _: False)(dtype))
    kind = next((_ARROW_KINDS[name] for name in names), types.ANY)
    if arrow.types.is_time(dtype):
        kind = types.STRING
    read: Callable[[Any], list[Any]] = lambda part: part.to_pylist()  # noqa: E731  # one of several
    if kind == types.TIMESTAMP or arrow.types.is_duration(dtype):
        unit = {"date32[day]": "D", "date64[ms]": "ms"}.get(str(dtype)) or dtype.unit
        column = column.cast(arrow.int32() if unit == "D" else arrow.int64())
        times = f"{'M' if kind == types.TIMESTAMP else 'm'}8[{unit}]"
        read = lambda part: _times_of(part, times)  # noqa: E731  # one of several
    elif kind in (types.NUMBER, types.BOOLEAN) and column.null_count == 0:
        read = lambda part: part.to_numpy(zero_copy_only=False).tolist()  # noqa: E731
        if isinstance(column, arrow.ChunkedArray):
            read = lambda part: part.to_numpy().tolist()  # noqa: E731
    if kind == types.ANY:
        kind = types.kind_of_cells(column.slice(0, _LOOKED_AT).to_pylist())
    return (
        *(types.optional(kind), len(column)),
        lambda a, b: read(column.slice(a, b - a)),
        given.to_pylist,
    )


_DAY_MILLIS = 86_400_000
_LOOKED_AT = 100
"""Cells of a nested column that its type is told from."""


def _times_of(part: Any, dtype: str) -> list[Any]:  # noqa: ANN401  # Arrow
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    missing = [at for at, gap in enumerate(part.is_null().to_pylist()) if gap]
    whole = part.fill_null(0).to_numpy() if missing else part.to_numpy()
    times = np.asarray(whole).astype("i8").view(dtype)
    cells: list[Any] = millis_of(times) if dtype[0] == "M" else seconds_of(times)
    for at in missing:
        cells[at] = None
    return cells


def _take_polars(series: Any) -> _Taken:  # noqa: ANN401  # polars
    dtype = series.dtype
    name = str(dtype.base_type())
    kind = types.NUMBER if dtype.is_numeric() else types.ANY
    kind = _POLARS_KINDS.get(name, kind)
    if kind == types.ANY:
        kind = types.kind_of_cells(series.slice(0, _LOOKED_AT).to_list())
    counts, per = series, 0
    if name in {"Date", "Datetime", "Duration"}:
        counts = series.to_physical()
        per = {"ms": 1, "us": 1_000, "ns": 1_000_000}.get(getattr(dtype, "time_unit", ""), 0)
        per = per * 1_000 if name == "Duration" else per

    def part(start: int, stop: int) -> list[Any]:
        cells: list[Any] = counts.slice(start, stop - start).to_list()
        if name == "Date":
            return [None if days is None else days * _DAY_MILLIS for days in cells]
        return [None if one is None else whole(one, per) for one in cells] if per else cells

    return types.optional(kind), len(series), part, series.to_list
