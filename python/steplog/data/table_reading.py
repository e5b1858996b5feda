"""What a table gives of its rows and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import UsageError
from steplog.data.image import Image
from steplog.data.media import Value
from steplog.data.table_rows import ListRows
from steplog.data.table_types import is_nan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from steplog.data.table_columns import Columns
    from steplog.data.table_rows import Rows

__all__ = ["ReadTable", "TableIndex", "cells_equal"]


class TableIndex(int):
    """The number of a row."""

    _row: Callable[[], dict[Any, Any]]

    @classmethod
    def of(cls, number: int, row: Callable[[], dict[Any, Any]]) -> Self:
        """A number that knows its row."""
        index = cls(number)
        index._row = row  # of the same class
        return index

    def get_row(self) -> dict[Any, Any]:
        """The cells of the row by the names of their columns."""
        return self._row()


class ReadTable(Value):
    """What can be asked of a table."""

    __hash__ = None  # type: ignore[assignment]  # equal by content, and it changes
    _columns: Columns
    _rows: Rows

    @property
    def columns(self) -> list[Any]:
        """Names of the columns."""
        return list(self._columns.names)

    @property
    def data(self) -> list[list[Any]]:
        """The rows, to be read: change them by `add_data` and `add_column`."""
        return self._own_rows().rows

    def _own_rows(self) -> ListRows:
        rows = self._rows
        if not isinstance(rows, ListRows):
            rows = self._rows = ListRows(rows.read())
        return rows

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows: {', '.join(map(str, self._columns.names))}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ReadTable)
            and self._columns.names == other._columns.names
            and len(self) == len(other)
            and all(
                cells_equal(one, another)
                for ours, theirs in zip(self.data, other.data, strict=True)
                for one, another in zip(ours, theirs, strict=True)
            )
        )

    def get_column(self, name: str | int, convert_to: str | None = None) -> Any:  # noqa: ANN401  # a list or an array
        """The cells of a column.

        Args:
            name: Of the column.
            convert_to: `numpy` for an array; images become their pixels.

        Raises:
            UsageError: There is no such column, or `convert_to` is something else.
        """
        if convert_to not in {None, "numpy"}:
            raise UsageError(f'convert_to is None or "numpy", got {convert_to!r}')
        at = self._columns.index_of(name)
        cells = [row[at] for row in self.data]
        if convert_to is None:
            return cells
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        return np.array([_pixels_of(cell) for cell in cells])

    def get_dataframe(self) -> Any:  # noqa: ANN401  # pandas is optional
        """The table as a DataFrame of pandas.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd  # noqa: PLC0415  # optional

        columns = {name: self.get_column(name) for name in self._columns.names}
        return pd.DataFrame(columns, columns=self._columns.names)

    def get_index(self) -> list[TableIndex]:
        """The numbers of the rows, which know their rows."""
        return [self.index_ref(number) for number in range(len(self))]

    def index_ref(self, index: int) -> TableIndex:
        """The number of a row, which knows that row.

        Raises:
            UsageError: There is no such row.
        """
        if not 0 <= index < len(self):
            raise UsageError(f"the table has {len(self)} rows, and no row {index}")
        return TableIndex.of(index, lambda: dict(zip(self.columns, self.data[index], strict=True)))

    def iterrows(self) -> Iterator[tuple[TableIndex, list[Any]]]:
        """The number and the cells of each row."""
        for number, row in enumerate(self.data):
            yield self.index_ref(number), row


def _pixels_of(cell: Any) -> Any:  # noqa: ANN401  # of any type
    """The pixels of an image; another cell as it is."""
    if not isinstance(cell, Image):
        return cell
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    return np.asarray(cell.image)


def cells_equal(one: Any, other: Any) -> bool:  # noqa: ANN401  # of any type
    """Whether two cells have the same content; NaN is equal to itself."""
    if _arrays.is_array(one) or _arrays.is_array(other):
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        both = np.asarray(one), np.asarray(other)
        is_float = all(array.dtype.kind == "f" for array in both)
        return np.array_equal(*both, equal_nan=is_float)
    if isinstance(one, Image) and isinstance(other, Image):
        return cells_equal(_pixels_of(one), _pixels_of(other))
    if is_nan(one) or is_nan(other):
        return is_nan(one) and is_nan(other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(cells_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(cells_equal(one[key], other[key]) for key in one)
    return bool(one == other)
