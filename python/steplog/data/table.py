"""Tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog._frames import is_frame
from steplog.data import table_types as types
from steplog.data.frames import FrameRows, columns_of
from steplog.data.media import LateMedia, Media
from steplog.data.table_columns import Columns, names_of, per_column
from steplog.data.table_file import Head, Increments, LoggedIncrement, LoggedTable
from steplog.data.table_reading import ReadTable
from steplog.data.table_rows import ListRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from steplog.data.media import Place
    from steplog.data.table_rows import Rows

__all__ = ["Table"]

_LOG_MODES = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")
_DEFAULT = ("Input", "Output", "Expected")
_POINTER_BYTES = 8


class Table(ReadTable):
    """A table of typed columns, of any number of rows.

    The constructor copies the rows, and those of their cells that can be changed; of a DataFrame it
    copies the columns, or refers to what never changes. `log` returns at once; the file is written
    on another thread, then the row's value (`await run.alog`, `flush` and `finish` wait for it).

    A column's type comes from its first cells: a later one of another type is refused. NaN counts
    as None where a column holds no numbers.

    Args:
        columns: Names, texts or integers; `Input`, `Output` and `Expected` by default.
        data: Rows, each with a cell for each column; an array (rows, columns); a DataFrame.
        rows: An older name of `data`.
        dataframe: A DataFrame of pandas or polars, or a table of Arrow, which has names of its own.
        dtype: Type of the columns, such as `int` or `str`, or a list of one for each.
        optional: Whether cells may be None, or a list of one flag for each column.
        allow_mixed_types: Whether columns without a `dtype` hold anything.
        log_mode: `IMMUTABLE`: as it was when it was first logged. `MUTABLE`: all of it again after
            each change. `INCREMENTAL`: each time the rows that were added since.

    Attributes:
        log_mode: As given.

    Raises:
        ArgumentTypeError: Something is of a type that it cannot have.
        UsageError: A row has not one cell for each column; names are empty or there twice; there
            are over 10,000 columns; there is no such `log_mode`.
    """

    def __init__(  # noqa: PLR0917  # as in the reference
        self,
        columns: Iterable[str | int] | None = None,
        data: Any = None,  # noqa: ANN401  # of any library
        rows: Any = None,  # noqa: ANN401  # as `data`
        dataframe: Any = None,  # noqa: ANN401  # of any library
        dtype: Any = None,  # noqa: ANN401  # a type, or a list of them
        optional: bool | list[bool] = True,
        allow_mixed_types: bool = False,
        log_mode: str = "IMMUTABLE",
    ) -> None:
        if log_mode not in _LOG_MODES:
            raise UsageError(f"log_mode is one of {', '.join(_LOG_MODES)}, got {log_mode!r}")
        self.log_mode = log_mode
        self._allow_mixed = allow_mixed_types
        self._increments = Increments()
        self._logged: LoggedTable | None = None
        self._warn: Callable[[str], object] | None = None
        self._is_changed = False
        self._primary: str | int | None = None
        self._foreign: dict[str | int, tuple[Table, str | int]] = {}
        data = rows if data is None else data
        if dataframe is not None and not is_frame(dataframe):
            raise ArgumentTypeError(
                f"dataframe is one of pandas, polars or Arrow, got {type(dataframe).__name__}"
            )
        frame = data if dataframe is None and is_frame(data) else dataframe
        if frame is not None:
            taken = columns_of(frame)
            self._rows: Rows = FrameRows(taken)
            self._columns = Columns(
                [column.name for column in taken], [column.kind for column in taken]
            )
            if dtype is not None:
                for name, one in zip(
                    self.columns, per_column("dtype", dtype, len(taken)), strict=True
                ):
                    self.cast(name, one, optional=True)
            return
        names = names_of(_DEFAULT if columns is None else columns)
        kinds = [
            self._first_kind(one, is_optional=bool(may_be_none))
            for one, may_be_none in zip(
                per_column("dtype", dtype, len(names)),
                per_column("optional", optional, len(names)),
                strict=True,
            )
        ]
        self._columns = Columns(names, kinds)
        self._rows = self._columns.take_rows(_rows_of(data))

    def _first_kind(self, dtype: object, *, is_optional: bool) -> types.Kind:
        kind = types.ANY if dtype is None and self._allow_mixed else types.kind_of_dtype(dtype)
        return types.optional(kind) if is_optional else kind

    def __getstate__(self) -> dict[str, object]:
        """For another process, where it has been logged to nothing."""
        rows = self._own_rows()
        return {**vars(self), "_rows": rows, "_logged": None, "_warn": None, "_is_changed": False}

    # ---- changes ------------------------------------------------------------------------------

    def add_data(self, *data: Any) -> None:  # noqa: ANN401  # cells of any type
        """Add a row.

        Raises:
            UsageError: It has not one cell for each column.
            ArgumentTypeError: A cell does not go with its column's type: nothing is added.
        """
        row = list(data)
        self._columns.take_row(row)
        self.data.append(row)
        self._note_change()

    def add_row(self, *row: Any) -> None:  # noqa: ANN401  # cells of any type
        """An older name of `add_data`."""
        self.add_data(*row)

    def add_column(self, name: str | int, data: Any, optional: bool = False) -> None:  # noqa: ANN401  # of any library
        """Add a column.

        Args:
            name: Another one than those there are.
            data: A cell for each row, in a list or array; of a table without columns the rows.
            optional: Whether cells may be None.

        Raises:
            UsageError: The name is there already, or `data` has another length.
            ArgumentTypeError: Cells do not go together: nothing is added.
        """
        self._check_changes("add_column")
        cells = list(data.tolist() if _arrays.is_array(data) else data)
        rows = self.data
        if len(cells) != len(rows) and self._columns.names:
            raise UsageError(f"add_column() has {len(cells)} cells for {len(rows)} rows")
        self._columns.take_column(name, cells, is_optional=optional)
        rows = rows if self._columns.names[1:] else [[] for _ in cells]
        # Other lists than before: what has been logged keeps its rows.
        self._rows = ListRows([[*row, cell] for row, cell in zip(rows, cells, strict=True)])
        self._note_change()

    def add_computed_columns(self, fn: Callable[[int, dict[Any, Any]], Mapping[Any, Any]]) -> None:
        """Add the columns that a function computes from the number and the cells of each row.

        Args:
            fn: Gives the new cells of a row by the names of their columns.

        Raises:
            UsageError: It gives a name that is there already, or not the same ones for all rows.
            ArgumentTypeError: Cells of a column do not go together.
        """
        self._check_changes("add_computed_columns")
        names = self._columns.names
        found = [
            dict(fn(number, dict(zip(names, row, strict=True))))
            for number, row in enumerate(self.data)
        ]
        new = list(found[0]) if found else []
        if any(list(row) != new for row in found):
            raise UsageError("add_computed_columns(): the function gives not the same for all rows")
        names_of([*names, *new])
        for name in new:
            self.add_column(name, [row[name] for row in found], optional=True)

    def cast(self, col_name: str | int, dtype: Any, optional: bool = False) -> None:  # noqa: ANN401  # a type
        """Give a column another type, with which its cells have to go.

        Raises:
            UsageError: There is no such column.
            ArgumentTypeError: They do not, or `dtype` is no type.
        """
        self._check_changes("cast")
        at = self._columns.index_of(col_name)
        kind = self._first_kind(dtype, is_optional=optional)
        self._columns.set_kind(at, kind, [row[at] for row in self.data])
        self._note_change()

    def set_pk(self, col_name: str | int) -> None:
        """Say that a column names the rows: checked, and kept with the object for joins.

        Raises:
            UsageError: There is no such column, or it holds neither numbers nor texts.
        """
        at = self._columns.index_of(col_name)
        if not any(types.holds(self._columns.kinds[at], name) for name in ("number", "string")):
            kind = types.spelled(self._columns.kinds[at])
            raise UsageError(f"a key is numbers or texts; column {col_name!r} holds {kind}")
        self._primary = col_name

    def set_fk(self, col_name: str | int, table: Table, table_col: str | int) -> None:
        """Say that a column's cells are keys of another table: checked, and kept for joins.

        Raises:
            ArgumentTypeError: `table` is none.
            UsageError: One of the columns is not there.
        """
        if not isinstance(table, Table):
            raise ArgumentTypeError(f"set_fk() takes a Table, got {type(table).__name__}")
        self._columns.index_of(col_name)
        table._columns.index_of(table_col)  # of the same class
        self._foreign[col_name] = (table, table_col)

    def _check_changes(self, call: str) -> None:
        if self.log_mode == "INCREMENTAL":
            raise UsageError(f"{call}(): to an incremental table rows can be added, nothing else")

    def _note_change(self) -> None:
        """The next log of a mutable table writes it again; of an immutable one nothing is kept."""
        if self._logged is None:
            return
        if self.log_mode == "MUTABLE":
            self._logged = None
        elif not self._is_changed:
            self._is_changed = True
            self._tell_change()

    def _met(self, place: Place) -> None:
        if self._warn is None:
            self._warn = place.warn
            self._tell_change()

    def _tell_change(self) -> None:
        if self._is_changed and self._warn is not None:
            self._warn(
                f"a table ({', '.join(map(str, self.columns))}) changes after it was logged, and "
                'that is not recorded: Table(…, log_mode="MUTABLE") writes it again when it is '
                'logged, "INCREMENTAL" what was added'
            )

    # ---- logging ------------------------------------------------------------------------------

    def written(self, place: Place, key: str) -> bytes:
        """Its file with all rows that it has now; files in its cells are kept at the place."""
        rows = self._rows
        head = Head(self._columns, self.log_mode)
        return head.write(rows, range(len(rows)), place=place, key=key)

    def taken(self) -> LateMedia:
        """As of `Value`: the table as it is now."""
        head = Head(self._columns, self.log_mode)
        logged: Media
        if self.log_mode == "INCREMENTAL":
            logged = LoggedIncrement(self.data, head, self._increments)
        else:
            if self._logged is None:
                rows = self._rows
                if isinstance(rows, ListRows):  # rows may still be added to it
                    rows = ListRows(rows.rows[:])
                size_bytes = len(rows) * _POINTER_BYTES + self._columns.media_bytes
                self._logged = LoggedTable(rows, head, size_bytes, met=self._met)
            logged = self._logged
        return LateMedia([logged], is_list=False)


def _rows_of(data: Any) -> list[Any]:  # noqa: ANN401  # of any library
    if data is None:
        return []
    if _arrays.is_array(data):
        array = _arrays.as_numpy(_arrays.on_host(data))
        if array.ndim != 2:  # noqa: PLR2004  # rows and columns
            raise ArgumentTypeError(f"data must be (rows, columns), got {tuple(array.shape)}")
        return [list(row) for row in array] if array.dtype.kind in "OMm" else array.tolist()
    if isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        raise ArgumentTypeError(f"data is a list of rows, got {type(data).__name__}")
    rows = list(data)
    if set(map(type, rows)) <= {list, tuple}:
        return rows
    for number, row in enumerate(rows):
        if isinstance(row, (str, bytes, dict)) or not hasattr(row, "__iter__"):
            raise ArgumentTypeError(f"a row is a list of cells, got {type(row).__name__}")
        rows[number] = list(row)
    return rows
