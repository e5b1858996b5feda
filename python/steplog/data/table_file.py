"""The file of a table as it was when it was logged; see docs/tables.md for its form."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

from steplog._names import whole_text
from steplog._native import encode_rows
from steplog.data import table_types as types
from steplog.data.media import Media, put
from steplog.data.table_cells import Cells
from steplog.data.table_rows import ListRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from steplog.data.media import Place
    from steplog.data.table_columns import Columns
    from steplog.data.table_rows import Rows

__all__ = ["Head", "Increments", "LoggedIncrement", "LoggedTable"]

_SLICE_CELLS = 4_000
"""Cells that are read without a break: a third of a millisecond."""


class Head:
    """What the file says before the rows."""

    def __init__(self, columns: Columns, log_mode: str) -> None:
        self.names = [whole_text(str(name)) for name in columns.names]
        self.kinds = list(columns.kinds)
        self.log_mode = log_mode

    def write(self, rows: Rows, span: range, *, place: Place, key: str) -> bytes:
        """The file with these of the rows."""
        fields = {
            "_type": "table",
            "columns": self.names,
            "column_types": types.named(
                "typedDict", type_map=dict(zip(self.names, self.kinds, strict=True))
            ),
            "ncols": len(self.names),
            "nrows": len(span),
            "log_mode": self.log_mode,
        }
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        cells = Cells(place, key, self.names)
        nan_is_null = [
            not (types.holds(kind, "number") or types.holds(kind, "any")) for kind in self.kinds
        ]
        at_once = max(_SLICE_CELLS // max(len(self.names), 1), 1)
        parts = [
            encode_rows(rows.part(start, min(start + at_once, span.stop)), nan_is_null, cells.plain)
            for start in range(span.start, span.stop, at_once)
        ]
        return b"".join([whole_text(text[:-1]).encode(), b',"data":[', b",".join(parts), b"]}"])


class LoggedTable(Media):
    """A table as it was when it was logged."""

    def __init__(
        self, rows: Rows, head: Head, size_bytes: int, *, met: Callable[[Place], object]
    ) -> None:
        """`met` is told where it is stored."""
        self._rows = rows
        self._head = head
        self._met = met
        self.size_bytes = size_bytes

    def stored(self, place: Place, key: str) -> dict[str, object]:
        """As of `Media`."""
        self._met(place)
        return super().stored(place, key)

    def _store(self, place: Place, key: str) -> dict[str, object]:
        span = range(len(self._rows))
        return _put(
            self._head,
            self._head.write(self._rows, span, place=place, key=key),
            span,
            at=(place, key),
        )


def _put(head: Head, content: bytes, span: range, *, at: tuple[Place, str]) -> dict[str, object]:
    place, key = at
    kept = put(place, ("table", key, ".table.json"), content)
    shape = {"ncols": len(head.names), "nrows": len(span), "log_mode": head.log_mode}
    return {"_type": "table-file", **kept, **shape}


class Increments:
    """What of an incremental table is in the log already, in each log and under each key."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[int, dict[str, object]]] = {}

    def __reduce__(self) -> tuple[type[Increments], tuple[()]]:
        """For another process, whose log has nothing of it."""
        return Increments, ()

    def store(
        self,
        place: Place,
        key: str,
        *,
        end: int,
        write: Callable[[range], dict[str, object]],
    ) -> dict[str, object]:
        """Store the rows before `end` that are not yet; without any, say again what was said."""
        if self._pid != os.getpid():  # a fork leaves the lock as it was
            self._begin()
        with self._lock:
            start, last = self._known.get((place.owner, key), (0, None))
            if last is not None and end <= start:
                return last
            before: Sequence[object] = []
            number = 0
            if last is not None:
                known: Any = last
                before = [*known["previous_increments_paths"], known["path"]]
                number = known["increment_num"] + 1
            found = {
                **write(range(start, end)),
                "_type": "incremental-table-file",
                "increment_num": number,
                "previous_increments_paths": before,
            }
            self._known[place.owner, key] = (end, found)
            return found


class LoggedIncrement(Media):
    """The rows that an incremental table has when it is logged.

    Each time only those are stored that are not yet: whichever thread comes first takes them, and
    a row of them is in one file.
    """

    def __init__(self, rows: list[list[Any]], head: Head, increments: Increments) -> None:
        self._rows = ListRows(rows)  # nothing but added to
        self._end = len(rows)
        self._head = head
        self._increments = increments

    def stored(self, place: Place, key: str) -> dict[str, object]:
        """As of `Media`."""

        def write(span: range) -> dict[str, object]:
            content = self._head.write(self._rows, span, place=place, key=key)
            return _put(self._head, content, span, at=(place, key))

        return self._increments.store(place, key, end=self._end, write=write)
