"""Objects that are made of tables in the same artifact: as files, and back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from steplog._errors import UsageError
from steplog.data.joined_table import TABLE_SUFFIX, JoinedTable
from steplog.data.partitioned_table import PartitionedTable
from steplog.data.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from steplog.artifacts.manifest import Entry

    class Add(Protocol):
        """Adds an object under a name."""

        def __call__(self, obj: object, name: str) -> Entry: ...


__all__ = ["joined", "members_of", "partitioned", "say_joined", "say_partitioned"]


# ---- into an artifact ---------------------------------------------------------------------------


def say_joined(
    obj: JoinedTable, name: str, *, add: Add, paths: Collection[str]
) -> dict[str, object]:
    """What the file of a joined table says; its tables are added where they are not there.

    Raises:
        UsageError: The artifact has no table of a path; or as of `add`.
    """
    tables = [_at_hand(table, paths) for table in (obj.table1, obj.table2)]
    found = [
        table if isinstance(table, str) else add(table, f"{name}_t{number}").path
        for number, table in enumerate(tables, start=1)
    ]
    return {
        "_type": "joined-table",
        "table1": found[0],
        "table2": found[1],
        "join_key": obj.join_key,
    }


def _at_hand(table: Any, paths: Collection[str]) -> str | Table | PartitionedTable:  # noqa: ANN401  # as of `JoinedTable`
    """A table that is to be added, or the path of one that is there."""
    from steplog.artifacts.artifact import LoggedEntry  # noqa: PLC0415  # it knows drafts

    if isinstance(table, LoggedEntry) and not table.artifact.is_draft():
        table = table.artifact.get(table.path)
    if isinstance(table, (Table, PartitionedTable)):
        return table
    path = table if isinstance(table, str) else str(table.path)
    if path not in paths:
        raise UsageError(
            f"the artifact has no table {path!r}: add it before the table that is joined of it"
        )
    return path


def say_partitioned(
    obj: PartitionedTable, *, add: Add, paths: Collection[str]
) -> dict[str, object]:
    """What the file of a partitioned table says; of one that was read the tables come with it.

    Raises:
        UsageError: As of `add`.
    """
    for path, read in obj.parts.items():
        if path not in paths:
            add(read(), path.removesuffix(TABLE_SUFFIX))
    return {"_type": "partitioned-table", "parts_path": obj.parts_path}


# ---- out of an artifact -------------------------------------------------------------------------


def members_of(said: Mapping[str, Any], paths: Collection[str]) -> list[str] | None:
    """The paths of the tables that an object is made of; None of one that is not made of any.

    Raises:
        KeyError: Something is missing.
        TypeError: It names no path; or AttributeError.
    """
    if said["_type"] == "joined-table":
        named = [said["table1"], said["table2"]]
        if not all(isinstance(one, str) for one in named):
            raise TypeError("a joined table names paths")
        return named
    if said["_type"] == "partitioned-table":
        below = f"{said['parts_path'].rstrip('/')}/"
        return sorted(one for one in paths if one.startswith(below) and one.endswith(TABLE_SUFFIX))
    return None


def joined(said: Mapping[str, Any], read: Callable[[str], object]) -> JoinedTable:
    """The joined table of a file; `read` gives what is at a path.

    Raises:
        ValueError: It cannot be understood; or KeyError, TypeError.
    """
    one, other = (read(said[name]) for name in ("table1", "table2"))
    if not all(isinstance(table, (Table, PartitionedTable)) for table in (one, other)):
        raise ValueError("a joined table is of something else than tables")
    return JoinedTable(one, other, said["join_key"])


def partitioned(
    said: Mapping[str, Any], paths: Collection[str], read: Callable[[str], Table]
) -> PartitionedTable:
    """The partitioned table of a file; its tables are read when their rows are asked for.

    Raises:
        KeyError: It cannot be understood; or TypeError, AttributeError.
    """
    members = members_of(said, paths) or []
    return PartitionedTable.of(said["parts_path"], {one: partial(read, one) for one in members})
