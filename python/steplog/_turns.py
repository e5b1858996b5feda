"""How tight loops of `alog` leave time to the other tasks of their event loop."""

from __future__ import annotations

import threading
import time

from steplog._errors import UsageError
from steplog._loaded import name_in

_ROUND_SECS = 0.001
"""A loop comes round after this long, whatever number of tasks log: short against a frame of any UI
or a request's latency, long against the microsecond of an append."""


class Turns(threading.local):
    """The turns that the tasks of one thread take; a thread has one event loop at a time.

    Attributes:
        since: When the present turn began, of `time.perf_counter`.
        secs: How long a turn may be: all that take one share a round.
    """

    def __init__(self) -> None:
        self.since = time.perf_counter()
        self.secs = _ROUND_SECS
        self._round = 0
        self._waiting = 0

    async def give_way(self) -> None:
        """Let every other task run, and begin a turn."""
        if not _runs_a_loop():  # a coroutine that is driven by hand: there are no other tasks
            return
        import anyio.lowlevel  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        this = self._round
        self._waiting += 1
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            if this == self._round:  # the first to go on
                self._round += 1
                self.secs, self._waiting = _ROUND_SECS / self._waiting, 0
            self.since = time.perf_counter()


TURNS = Turns()


def prepare() -> None:
    """Import what waiting needs, if an event loop runs here: no call of `alog` is to take 40 ms."""
    if _runs_a_loop():
        import anyio.to_thread  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        anyio.current_time()  # imports what is of this loop


def check_loop() -> None:
    """Check that a call can wait here.

    Raises:
        UsageError: There is no event loop.
    """
    if not _runs_a_loop():
        raise UsageError("alog() has to wait, and no event loop runs here: use log() and flush()")


def _runs_a_loop() -> bool:
    # Another thread may be importing one just now: then no loop of it runs here.
    get_running_loop = name_in("asyncio", "get_running_loop")
    if get_running_loop is not None:
        try:
            get_running_loop()
        except RuntimeError:
            pass
        else:
            return True
    in_trio_run = name_in("trio.lowlevel", "in_trio_run")
    return in_trio_run is not None and bool(in_trio_run())
