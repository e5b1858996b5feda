"""What a run is called, is set to and has come to, where the disk had no room: tried once more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from steplog._errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog._notices import Notices
    from steplog._settings import Settings

_MOST = 1_000


class Owed:
    """Makes records in order: one that the disk has no room for is made before the next one.

    Rows are not among them: of those there is no end.
    """

    def __init__(self, settings: Settings, notices: Notices) -> None:
        self._settings = settings
        self._notices = notices
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, Callable[[], object]]] = []

    def put(self, make: Callable[[], object], count: int = 1) -> None:
        """Make a record of some values, behind those that wait.

        Raises:
            StorageError: There is no room, and the run is to raise that.
        """
        error = self.settle()
        if error is None:
            try:
                make()
            except StorageError as failed:
                error = failed
            else:
                return
        if self._settings.storage_errors == "raise" or len(self._waiting) >= _MOST:
            self._notices.lose(count, error)
            return
        with self._lock:
            self._waiting.append((count, make))
        self._notices.warn("owed", f"not recorded yet, and tried again: {error.strerror or error}")

    def settle(self) -> StorageError | None:
        """Make the records that wait; returns why not all of them could be made."""
        if not self._waiting:
            return None
        with self._lock:
            while self._waiting:
                try:
                    self._waiting[0][1]()
                except StorageError as error:
                    return error
                self._waiting.pop(0)
        return None

    def give_up(self) -> None:
        """The run ends: make what waits, and count what cannot be made as lost."""
        error = self.settle()
        if error is not None:
            lost = sum(count for count, _ in self._waiting)
            self._waiting.clear()
            self._notices.tell_lost(lost, error.strerror or error)
