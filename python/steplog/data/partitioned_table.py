"""Tables that are kept in several parts."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.media import Value
from steplog.data.table_reading import cells_equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Self

    from steplog.data.table import Table

__all__ = ["PartitionedTable"]


class PartitionedTable(Value):
    """All tables below a folder of an artifact, as one table.

    It stands in artifacts only: `artifact.add(PartitionedTable("parts"), name)` beside the tables
    that are added as `parts/…`, before or after it. The form in files is W&B's.

    Args:
        parts_path: The folder in the artifact.

    Attributes:
        parts_path: As given.

    Raises:
        ArgumentTypeError: It is no text.
    """

    __hash__ = None  # type: ignore[assignment]  # equal by content, which may be large

    def __init__(self, parts_path: str) -> None:
        if not isinstance(parts_path, str):
            raise ArgumentTypeError(f"parts_path is a text, got {type(parts_path).__name__}")
        self.parts_path = parts_path
        self._parts: Mapping[str, Callable[[], Table]] | None = None

    @classmethod
    def of(cls, parts_path: str, parts: Mapping[str, Callable[[], Table]]) -> Self:
        """One that was read: what reads each of its tables, by their paths."""
        made = cls(parts_path)
        made._parts = parts  # of the same class
        return made

    def __repr__(self) -> str:
        return f"<PartitionedTable {self.parts_path!r}>"

    @property
    def parts(self) -> Mapping[str, Callable[[], Table]]:
        """What reads each table, by its path; nothing of one that was not read from an artifact."""
        return self._parts or {}

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """The number and the cells of each row, of one table after the other, by their paths.

        Of one that `artifact.get` has given; of another one there are none. One table is read at a
        time, out of the files that `get` has put into its folder.

        Raises:
            UsageError: The tables have not the same columns.
            ServerError: A table cannot be understood.
            OSError: Its file is gone.
        """
        columns, number = None, 0
        for path, read in self.parts.items():
            part = read()
            columns = part.columns if columns is None else columns
            if part.columns != columns:
                raise UsageError(
                    f"the parts have not the same columns: {columns}, and {part.columns} of {path}"
                )
            for _, row in part.iterrows():
                yield number, row
                number += 1

    def __eq__(self, other: object) -> bool:
        """Whether the folders have one name and, where both were read, the rows are the same."""
        if not isinstance(other, PartitionedTable) or self.parts_path != other.parts_path:
            return False
        if self._parts is None or other._parts is None:  # of the same class
            return True
        rows = zip_longest(self.iterrows(), other.iterrows())
        return all(
            one is not None and another is not None and cells_equal(one[1], another[1])
            for one, another in rows
        )

    def taken(self) -> object:
        """As of `Value`.

        Raises:
            ArgumentTypeError: Always: a row has no folders.
        """
        raise ArgumentTypeError("a partitioned table stands in an artifact, and in no row")
