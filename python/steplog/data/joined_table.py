"""Two tables, and what joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.media import Value
from steplog.data.partitioned_table import PartitionedTable
from steplog.data.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TABLE_SUFFIX", "Joinable", "JoinedTable"]

Joinable: TypeAlias = Any  # a Table, a PartitionedTable, a path in the artifact, or an entry of one

TABLE_SUFFIX = ".table.json"
_SUFFIXES = (TABLE_SUFFIX, ".partitioned-table.json")
"""Of the paths of tables in an artifact."""


class JoinedTable(Value):
    """Two tables of an artifact whose rows belong together where their keys are equal.

    It stands in artifacts only: `artifact.add(JoinedTable(one, other, "id"), name)`. Tables that
    are given as objects are added with it, as `NAME_t1` and `NAME_t2`; entries of an artifact that
    is logged are read and added likewise, with the files in their cells. The form in files is
    W&B's.

    Args:
        table1: A `Table` or a `PartitionedTable`; the path of one in the artifact, such as
            `train.table.json`; or the entry that `add` or `get_entry` gave.
        table2: Likewise.
        join_key: The column that both have, or a list of two: that of the first and of the second.

    Attributes:
        table1: As given; of one that was read the table.
        table2: Likewise.
        join_key: As given.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: A path is of no table, or there are not one or two keys.
    """

    __hash__ = None  # type: ignore[assignment]  # equal by content, which may be large

    def __init__(self, table1: Joinable, table2: Joinable, join_key: str | Sequence[str]) -> None:
        self.table1, self.table2 = _checked("table1", table1), _checked("table2", table2)
        self.join_key: str | list[str] = _keys_of(join_key)

    def __repr__(self) -> str:
        return f"<JoinedTable of {self.table1!r} and {self.table2!r} by {self.join_key!r}>"

    def __eq__(self, other: object) -> bool:
        """Whether the keys are the same, and the tables are equal."""
        return (
            isinstance(other, JoinedTable)
            and self.join_key == other.join_key
            and bool(self.table1 == other.table1)
            and bool(self.table2 == other.table2)
        )

    def taken(self) -> object:
        """As of `Value`.

        Raises:
            ArgumentTypeError: Always: its tables are in no row.
        """
        raise ArgumentTypeError("a joined table stands in an artifact, and in no row")


def _checked(name: str, table: Joinable) -> Joinable:
    if isinstance(table, (Table, PartitionedTable)):
        return table
    path = table if isinstance(table, str) else getattr(table, "path", None)
    if not isinstance(path, str):
        raise ArgumentTypeError(
            f"{name} is a Table, a PartitionedTable, or the path or entry of one in an artifact, "
            f"got {type(table).__name__}"
        )
    if not path.endswith(_SUFFIXES):
        raise UsageError(f"the path of a table ends with {' or '.join(_SUFFIXES)}, got {path!r}")
    return table


def _keys_of(join_key: object) -> str | list[str]:
    if isinstance(join_key, str):
        return join_key
    if not isinstance(join_key, (list, tuple)) or not all(isinstance(one, str) for one in join_key):
        raise ArgumentTypeError(
            f"join_key is a text, or a list of two, got {type(join_key).__name__}"
        )
    if len(join_key) != 2:  # noqa: PLR2004  # one for each table
        raise UsageError(f"join_key is one key, or two, got {len(join_key)}")
    return list(join_key)
