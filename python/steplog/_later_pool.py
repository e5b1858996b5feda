"""The process's threads that read values which may take long."""

from __future__ import annotations

import collections
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 2
_MOST_THREADS = 32
"""A value that never becomes ready keeps its thread; so many may be kept before others wait."""

_STUCK_SECS = 1.0
"""Where every thread has been at one value for this long, the next value gets another thread."""


class Pool:
    """Starts its threads when the first value comes, and more while all are held up."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start anew: a fork leaves the threads behind."""
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._since: dict[int, float] = {}
        """Of each thread that is at a job, since when."""
        self._threads = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job done; it must not raise."""
        if self._pid != os.getpid():  # a fork that Python knows nothing of
            self.begin()
        with self._changed:
            self._jobs.append(job)
            if self._threads < _THREADS:
                self._start()
            self._changed.notify()
        self.relieve()

    def relieve(self) -> None:
        """Start a thread, if jobs wait while every thread is held up by its own."""
        if not self._jobs or self._pid != os.getpid():
            return
        with self._changed:
            stuck = time.monotonic() - _STUCK_SECS
            held_up = sum(since < stuck for since in self._since.values())
            if self._jobs and held_up == self._threads < _MOST_THREADS:
                self._start()

    def _start(self) -> None:
        name = f"steplog-later-{self._threads}"
        self._threads += 1
        threading.Thread(target=self._work, args=(self._changed,), name=name, daemon=True).start()

    def _work(self, changed: threading.Condition) -> None:
        me = threading.get_ident()
        while True:
            with changed:
                self._since.pop(me, None)
                while not self._jobs:
                    # Those that have waited for no value of theirs are enough again.
                    if self._threads - len(self._since) > _THREADS:
                        self._threads -= 1
                        return
                    changed.wait()
                job = self._jobs.popleft()
                self._since[me] = time.monotonic()
            job()


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.begin)
