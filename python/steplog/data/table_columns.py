"""The columns of a table: their names, and their types as cells come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._names import whole_text
from steplog.data import table_types as types
from steplog.data.table_cells import FIXED, snapshot
from steplog.data.table_rows import BLOCK_ROWS, BlockRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steplog.data.table_rows import Block
    from steplog.data.table_types import Kind

__all__ = ["MOST_COLUMNS", "Columns", "names_of", "per_column"]

MOST_COLUMNS = 10_000
_SIMPLE = (bool, int, float, str)


class Columns:
    """Names and types of columns; a type becomes what the cells need, or refuses them.

    Attributes:
        names: Of the columns.
        kinds: Their types.
        media_bytes: What the media in the cells so far keep in memory.
    """

    def __init__(self, names: list[Any], kinds: list[Kind]) -> None:
        self.names = names
        self.kinds = kinds
        self.media_bytes = 0
        # The classes of each column whose cells change nothing.
        self._taken = [_classes_of(kind) for kind in kinds]

    def index_of(self, name: object) -> int:
        """Where a column stands.

        Raises:
            UsageError: There is none of that name.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise UsageError(f"the table has no column {name!r}: {self.names}") from None

    def take_row(self, row: list[Any]) -> None:
        """Check one row, and take a copy of those of its cells that can be changed.

        Raises:
            UsageError: It has not one cell for each column.
            ArgumentTypeError: A cell does not go with its column's type.
        """
        if len(row) != len(self.names):
            raise UsageError(
                f"a row has {len(self.names)} cells, for the columns {self.names}; got {len(row)}"
            )
        odd = [at for at, cell in enumerate(row) if type(cell) not in self._taken[at]]
        if not odd:
            return
        grown: dict[int, Kind] = {}
        for at in odd:
            row[at] = snapshot(row[at])
            grown[at] = self._grown(at, self.kinds[at], [row[at]])
        self._commit(grown, [row[at] for at in odd])

    def take_rows(self, rows: Sequence[Sequence[Any]]) -> BlockRows:
        """The same for many rows, which are lists or tuples; gives a copy of them.

        Raises:
            UsageError: A row has not one cell for each column.
            ArgumentTypeError: A cell does not go with its column's type.
        """
        width = len(self.names)
        for number, row in enumerate(rows):
            if len(row) != width:
                raise UsageError(f"row {number} has {len(row)} cells; the columns are {self.names}")
        blocks = []
        for start in range(0, len(rows), BLOCK_ROWS):
            block: Block = list(zip(*rows[start : start + BLOCK_ROWS], strict=True))
            for at, cells in enumerate(block):
                classes = set(map(type, cells))
                if not classes <= self._taken[at]:
                    block[at] = self._take_cells(at, cells, is_fixed=classes <= FIXED)
            blocks.append(block)
        return BlockRows(blocks, len(rows))

    def _take_cells(self, at: int, cells: Sequence[Any], *, is_fixed: bool) -> Sequence[Any]:
        kept = cells if is_fixed else [snapshot(cell) for cell in cells]
        self._commit({at: self._grown(at, self.kinds[at], kept)}, () if is_fixed else kept)
        return kept

    def take_column(self, name: Any, cells: list[Any], *, is_optional: bool) -> None:  # noqa: ANN401  # text or number
        """Add a column, whose cells are copied in place where they can be changed.

        Raises:
            UsageError: There is one of that name.
            ArgumentTypeError: The cells do not go together.
        """
        names = names_of([*self.names, name])
        cells[:] = [snapshot(cell) for cell in cells]
        kind = types.optional(types.UNKNOWN) if is_optional else types.UNKNOWN
        if not cells or not all(cell is None for cell in cells):
            kind = self._grown(len(self.names), kind, cells, name=name)
        elif not is_optional:
            raise ArgumentTypeError(f"column {name!r} holds nothing but None: say optional=True")
        self.names = names
        self.kinds.append(kind)
        self._taken.append(frozenset())
        self._commit({len(names) - 1: kind}, cells)

    def set_kind(self, at: int, kind: Kind, cells: Iterable[Any]) -> None:
        """Give a column another type.

        Raises:
            ArgumentTypeError: Its cells do not go with that.
        """
        self._commit({at: self._grown(at, kind, list(cells))}, ())

    def _commit(self, grown: Mapping[int, Kind], cells: Iterable[Any]) -> None:
        """Give columns their new types: one at a time costs what that one costs."""
        self.media_bytes += sum(getattr(cell, "size_bytes", 0) for cell in cells)
        for at, kind in grown.items():
            self.kinds[at] = kind
            self._taken[at] = _classes_of(kind)

    def _grown(self, at: int, kind: Kind, cells: Sequence[Any], *, name: object = None) -> Kind:
        """A column's type with more cells in it."""
        for one in _distinct(kind, cells):
            found = types.joined(kind, one)
            if found is None:
                shown = self.names[at] if name is None else name
                raise ArgumentTypeError(
                    f"column {shown!r} holds {types.spelled(kind)}, got {types.spelled(one)}; "
                    "a Table with allow_mixed_types=True holds any"
                )
            kind = found
        return kind


def _distinct(kind: Kind, cells: Sequence[Any]) -> list[Kind]:
    """The types of cells, those that say the same once; NaN is None where no numbers are."""
    found: list[Kind] = []
    if kind == types.ANY:
        return found
    classes = dict.fromkeys(map(type, cells))
    if float in classes and not types.holds(kind, "number"):
        are_numbers = int in classes or any(
            type(cell) is float and not types.is_nan(cell) for cell in cells
        )
        if not are_numbers and (len(classes) > 1 or not types.holds(kind, "unknown")):
            cells = [None if types.is_nan(cell) else cell for cell in cells]
            classes = dict.fromkeys(map(type, cells))
    for one in classes:
        known = types.PLAIN.get(one)
        each = [known] if known else (types.kind_of(cell) for cell in cells if type(cell) is one)
        for kind_of_one in each:
            if kind_of_one not in found:
                found.append(kind_of_one)
    # None last: a column that knows no type yet refuses it.
    return sorted(found, key=lambda one: one == types.NONE)


def _classes_of(kind: Kind) -> frozenset[type]:
    if kind == types.ANY:
        return FIXED
    classes: set[type] = {one for one in _SIMPLE if types.holds(kind, types.PLAIN[one]["wb_type"])}
    if classes and types.holds(kind, "none"):
        classes.add(type(None))
    return frozenset(classes)


def names_of(columns: Any) -> list[Any]:  # noqa: ANN401  # what a user gives
    """Names of columns, checked.

    Raises:
        ArgumentTypeError: They are no list of texts or integers.
        UsageError: One is empty, or there twice, or there are too many.
    """
    if isinstance(columns, (str, bytes)) or not hasattr(columns, "__iter__"):
        raise ArgumentTypeError(f"columns is a list of names, got {type(columns).__name__}")
    names = list(columns)
    if len(names) > MOST_COLUMNS:
        raise UsageError(f"a table has at most {MOST_COLUMNS:,} columns, got {len(names):,}")
    seen: set[str] = set()
    for name in names:
        if isinstance(name, bool) or not isinstance(name, (str, int)):
            raise ArgumentTypeError(f"a column's name is a text or an integer, got {name!r}")
        text = whole_text(str(name))
        if not text:
            raise UsageError("a column's name must not be empty")
        if text in seen:
            raise UsageError(f"two columns have the name {text!r}")
        seen.add(text)
    return names


def per_column(what: str, given: Any, count: int) -> list[Any]:  # noqa: ANN401  # of any type
    """One for each column, out of one for all or a list of them.

    Raises:
        UsageError: The list has another length.
    """
    if not isinstance(given, (list, tuple)):
        return [given] * count
    if len(given) != count:
        raise UsageError(f"{what} has {len(given)} entries for {count} columns")
    return list(given)
