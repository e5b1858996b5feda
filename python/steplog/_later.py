"""Values that come later: read on threads of our own, then logged under their row."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from steplog import _values
from steplog._errors import RunClosedError, SteplogError
from steplog._later_pool import POOL
from steplog._terminal import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from socket import socket

    from steplog._notices import Notices
    from steplog._writer import Writer
    from steplog.data.media import Place

MAX_WAITING_BYTES = 256 << 20
"""Beyond, values are read in the caller: it is slower, and neither waits for others nor drops."""

LOOK_SECS = 0.1
"""Longest time before Ctrl-C is looked after while values are waited for."""


_MOST_NAMED = 10
"""Values that are named when they are lost; all are counted."""


class _Waiting(NamedTuple):
    """What is not in the log yet of one call."""

    size_bytes: int
    step: int
    keys: tuple[str, ...]


class LateValues:
    """The values of one run that are not in its log yet; each call that has some has a ticket."""

    def __init__(self, notices: Notices, place_of: Callable[[Writer, int], Place]) -> None:
        """`place_of` says where the files of a writer's row go."""
        self._notices = notices
        self._place_of = place_of
        self._is_given_up = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._taken = 0
        self._waiting: dict[int, _Waiting] = {}
        self._waiting_bytes = 0
        self._is_closing = False
        self._watched: list[tuple[set[int], socket]] = []

    @property
    def waiting(self) -> int:
        """How many calls have values that are not in the log yet."""
        return len(self._waiting) if self._pid == os.getpid() else 0

    def reserve(self, values: Mapping[str, object]) -> int:
        """A ticket for values, each of which holds a `Later`, before their row is logged.

        Raises:
            RunClosedError: The run is being finished.
        """
        if self._pid != os.getpid():
            # The parent's values are the parent's affair, and its lock may have been taken.
            self._begin()
        size_bytes = sum(later.size_bytes for later in _values.laters(values))
        with self._changed:
            if self._is_closing:
                raise RunClosedError("the run is being finished: it takes nothing more")
            self._taken += 1
            self._waiting[self._taken] = _Waiting(size_bytes, -1, tuple(values))
            self._waiting_bytes += size_bytes
            return self._taken

    def add(
        self,
        ticket: int,
        row: tuple[Writer, tuple[int, int]],
        values: Mapping[str, object],
        *,
        is_awaited: bool = False,
    ) -> None:
        """Log the values of a ticket under a writer's row as soon as they can be read.

        Where too many wait they are read here and now, unless the caller awaits them anyway.
        """
        writer, (step, _) = row
        with self._changed:
            is_now = self._waiting_bytes > MAX_WAITING_BYTES
            self._waiting[ticket] = self._waiting[ticket]._replace(step=step)

        def log_late() -> None:
            try:
                self._log(writer, row[1], values)
            finally:
                self.drop(ticket)

        def log_in_pool() -> None:
            try:
                log_late()
            except BaseException as error:  # noqa: BLE001  # of a value's own code: nobody has asked
                why = f"reading it raised {type(error).__name__}: {error}"
                self._notices.tell_skipped([(key, why) for key in values])

        if is_now and not is_awaited:
            log_late()
        else:
            POOL.submit(log_in_pool)

    def drop(self, ticket: int) -> None:
        """The values of a ticket are in the log, or will not be."""
        with self._changed:
            self._waiting_bytes -= self._waiting.pop(ticket).size_bytes
            self._changed.notify_all()
            watched, self._watched = self._watched, []
            for tickets, done in watched:
                tickets.discard(ticket)
                if tickets:
                    self._watched.append((tickets, done))
                else:
                    done.close()  # the other end can be read from then on

    def _log(self, writer: Writer, row: tuple[int, int], values: Mapping[str, object]) -> None:
        try:
            plain, skipped = _values.to_plain_now(values, self._place_of(writer, row[0]))
            outcome = writer.log_late(plain, row)
        except SteplogError as error:
            if not self._is_given_up:  # else it has been counted
                self._notices.tell_lost(len(values), error)
            return
        self._notices.tell_skipped([*skipped, *outcome.skipped])
        if outcome.lost is not None:
            self._notices.tell_lost(len(plain), outcome.lost[1])

    def close(self) -> None:
        """Take no more values."""
        with self._changed:
            self._is_closing = True

    def open(self) -> None:
        """Take values again: the run goes on."""
        with self._changed:
            self._is_closing = False

    def wait(self, timeout_secs: float) -> bool:
        """Wait until all values taken so far are in the log; in slices, for Ctrl-C."""
        until = time.monotonic() + timeout_secs
        if not self.waiting:
            return True
        with self._changed:
            upto = self._taken
            while any(ticket <= upto for ticket in self._waiting):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, LOOK_SECS))
                POOL.relieve()
        return True

    def watch(self, tickets: Collection[int] | None = None) -> socket | None:
        """What can be read from as soon as the values of these tickets are in the log.

        By default all that are taken so far; None when they are there already.
        """
        if not self.waiting:
            return None
        from socket import socketpair  # noqa: PLC0415  # 20 ms: only a program that waits pays

        with self._changed:
            wanted = set(self._waiting)
            wanted = wanted if tickets is None else wanted & set(tickets)
            if not wanted:
                return None
            here, there = socketpair()
            self._watched.append((wanted, there))
        return here

    def give_up(self, why: str = "they could not be read before the deadline") -> None:
        """Count what is still missing as lost."""
        missing = [] if self._is_given_up or not self.waiting else list(self._waiting.values())
        self._is_given_up = True
        if missing:
            named = [
                f"{shorten(repr(key), 80)} of step {waiting.step}"
                for waiting in missing
                for key in waiting.keys
            ]
            more = len(named) - _MOST_NAMED
            named[_MOST_NAMED:] = [f"{more:,} more"] if more > 0 else []
            self._notices.tell_lost(len(missing), f"{why}: {', '.join(named)}")


def keys_of(late: Mapping[str, object]) -> dict[str, object]:
    """The keys of values that are not ready, each with None."""
    return {key: keys_of(value) if isinstance(value, dict) else None for key, value in late.items()}
