"""The process's threads that read values which may take long."""

from __future__ import annotations

import os
import queue
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
        self._starting = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._since: dict[int, float] = {}
        """Of each thread that is at a job, since when."""
        self._threads = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job done; it must not raise."""
        if self._pid != os.getpid():  # a fork that Python knows nothing of
            self.begin()
        if self._threads < _THREADS:
            self._start(lambda: self._threads < _THREADS)
        self.relieve()
        # Last of all, and without a lock that is waited for: whoever has the job takes the
        # interpreter, and does not give it back soon.
        self._jobs.put(job)

    def relieve(self) -> None:
        """Start a thread, if jobs wait while every thread is held up by its own."""
        if not self._jobs.empty() and self._pid == os.getpid() and self._is_held_up():
            self._start(self._is_held_up)

    def _is_held_up(self) -> bool:
        stuck = time.monotonic() - _STUCK_SECS
        held_up = sum(since < stuck for since in list(self._since.values()))
        return held_up == self._threads < _MOST_THREADS

    def _start(self, is_wanted: Callable[[], bool]) -> None:
        with self._starting:
            if is_wanted():
                name = f"steplog-later-{self._threads}"
                self._threads += 1
                threading.Thread(
                    target=self._work, args=(self._jobs,), name=name, daemon=True
                ).start()

    def _work(self, jobs: queue.SimpleQueue[Callable[[], None]]) -> None:
        me = threading.get_ident()
        while True:
            job = jobs.get()
            self._since[me] = time.monotonic()
            try:
                job()
            finally:
                del job  # with its values, before the next one comes
                self._since.pop(me, None)
            # Those that wait for a job are enough again.
            with self._starting:
                if self._threads - len(self._since) > _THREADS:
                    self._threads -= 1
                    return


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.begin)
