"""The thread with the event loop in which the sampling tasks of this process go on."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from steplog.capture import imports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.from_thread import BlockingPortal


class Portal:
    """Runs anyio tasks beside the program, in one daemon thread for all runs.

    The program's own event loop would not do: what is watched may block it for minutes, and a task
    group around the body of `async with` would turn each error of the body into a group of errors.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None

    def start(self, task: Callable[[], Awaitable[None]]) -> Future[None]:
        """Start a task, which ends when the future is cancelled. Blocks: not for a user's thread.

        Raises:
            RuntimeError: The interpreter is ending.
        """
        with self._lock:
            if self._portal is None:
                ready: Future[BlockingPortal] = Future()
                threading.Thread(
                    target=_serve, args=(ready,), name="steplog-sample", daemon=True
                ).start()
                self._portal = ready.result()
            portal = self._portal
        return portal.start_task_soon(task)


def _serve(ready: Future[BlockingPortal]) -> None:
    imports.begin()
    ready.add_done_callback(lambda _: imports.end())  # the loop's own modules come with its start
    try:
        import anyio.from_thread  # noqa: PLC0415  # 35 ms: not on the caller's thread

        _keep_quiet(threading.get_ident())

        async def serve() -> None:
            async with anyio.from_thread.BlockingPortal() as portal:
                ready.set_result(portal)
                await portal.sleep_until_stopped()

        anyio.run(serve)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


def _keep_quiet(thread: int) -> None:
    """What asyncio says of this loop, at level DEBUG, is not the program's."""
    import logging  # noqa: PLC0415  # asyncio has it

    logging.getLogger("asyncio").addFilter(lambda record: record.thread != thread)


def portal() -> Portal:
    """The process's portal; a forked child needs another one."""
    return _portal_of(os.getpid())


@functools.cache
def _portal_of(pid: int) -> Portal:
    del pid
    return Portal()
