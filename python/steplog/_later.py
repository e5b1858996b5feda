"""Values that come later: read on threads of our own, then logged under their row."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from steplog import _values
from steplog._arrays import Later
from steplog._errors import SteplogError
from steplog._later_pool import POOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog._notices import Notices
    from steplog._writer import Writer

MAX_WAITING_BYTES = 256 << 20
"""Beyond, values are read in the caller: it is slower, and neither waits for others nor drops."""

_LOOK_SECS = 0.1
"""Longest time before Ctrl-C is looked after while values are waited for."""


class LateValues:
    """The values of one run that are not in its log yet."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._changed = threading.Condition()
        self._pid = os.getpid()
        self.taken = 0
        self._waiting: dict[int, int] = {}
        self._is_given_up = False

    @property
    def waiting(self) -> int:
        """How many calls have values that are not in the log yet."""
        return len(self._waiting) if self._pid == os.getpid() else 0

    def add(self, writer: Writer, row: tuple[int, int], values: Mapping[str, object]) -> None:
        """Log values, each of which holds a `Later`, under a row as soon as they can be read."""
        if self._pid != os.getpid():
            # The parent's values are the parent's affair, and its lock may have been taken.
            self._pid, self._waiting, self._changed = os.getpid(), {}, threading.Condition()
        size_bytes = _size_bytes(dict(values))
        with self._changed:
            self.taken += 1
            ticket = self.taken
            is_crowded = sum(self._waiting.values()) + size_bytes > MAX_WAITING_BYTES
            self._waiting[ticket] = size_bytes

        def log_late() -> None:
            try:
                self._log(writer, row, values)
            finally:
                with self._changed:
                    del self._waiting[ticket]
                    self._changed.notify_all()

        if is_crowded:
            log_late()
        else:
            POOL.submit(log_late)

    def _log(self, writer: Writer, row: tuple[int, int], values: Mapping[str, object]) -> None:
        plain, skipped = _values.to_plain_now(values)
        try:
            outcome = writer.log_late(plain, row)
        except SteplogError as error:
            if not self._is_given_up:  # else it has been counted
                self._notices.tell_lost(len(plain), error)
            return
        self._notices.tell_skipped([*skipped, *outcome.skipped])
        if outcome.lost is not None:
            self._notices.tell_lost(len(plain), outcome.lost[1])

    def wait(self, upto: int, timeout_secs: float) -> bool:
        """Wait until the first `upto` values taken are in the log; in slices, for Ctrl-C."""
        until = time.monotonic() + timeout_secs
        if not self.waiting:
            return True
        with self._changed:
            while any(ticket <= upto for ticket in self._waiting):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _LOOK_SECS))
                POOL.relieve()
        return True

    def give_up(self, why: str = "they could not be read before the deadline") -> None:
        """Count what is still missing as lost."""
        missing = 0 if self._is_given_up else self.waiting
        self._is_given_up = True
        if missing:
            self._notices.tell_lost(missing, why)


def keys_of(late: Mapping[str, object]) -> dict[str, object]:
    """The keys of values that are not ready, each with None."""
    return {key: keys_of(value) if isinstance(value, dict) else None for key, value in late.items()}


def _size_bytes(value: Any) -> int:  # noqa: ANN401  # a tree with `Later` in it
    if isinstance(value, Later):
        return value.size_bytes
    if isinstance(value, dict):
        return sum(map(_size_bytes, value.values()))
    return sum(map(_size_bytes, value)) if isinstance(value, list) else 0
