"""An event loop in a thread, for calls that block."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from steplog.client.reader import Reader

__all__ = ["Portal"]

T = TypeVar("T")


class Portal:
    """An event loop in a thread of its own, started by the first call."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._pid = os.getpid()
        self._closed = False

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a coroutine function in the loop and wait for it."""
        if os.getpid() != self._pid:
            raise UsageError("the Api was made before a fork: make another one in this process")
        with self._lock:
            if self._closed:
                raise UsageError("the Api is closed")
            if self._portal is None:
                self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
                atexit.register(self.close)
            portal = self._portal
        return portal.call(function, *arguments)

    def close(self) -> None:
        """Close the connections and end the thread; a second call does nothing."""
        if os.getpid() != self._pid:
            return  # the thread lives in the parent
        with self._lock:
            self._closed = True
            portal, self._portal = self._portal, None
        if portal is not None:
            atexit.unregister(self.close)
            portal.call(self.reader.connection.aclose)
            self._stack.close()
