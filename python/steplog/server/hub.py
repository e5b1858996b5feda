"""The data version, and who is told when it changes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")


class Hub:
    """Counts changes; listeners hear (entity, project, run) of each.

    The version starts from the clock, so that it grows over restarts too.
    """

    def __init__(self) -> None:
        self.version = time.time_ns() // 1_000_000
        self._started = self.version
        self._versions: dict[tuple[str, str], int] = {}
        self._listeners: set[Callable[[str, str, str], None]] = set()

    def changed(self, entity: str, project: str, run: str) -> None:
        """A run has changed, appeared or gone."""
        self.version += 1
        self._versions[entity, project] = self.version
        for listener in list(self._listeners):
            listener(entity, project, run)

    def version_of(self, entity: str, project: str) -> int:
        """The version of a project's last change; of before the start nothing is known."""
        return self._versions.get((entity, project), self._started)

    def listen(self, listener: Callable[[str, str, str], None]) -> Callable[[], None]:
        """Hear of changes until the returned function is called."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)


class Locks:
    """A lock for each name, kept while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    def of(self, name: object) -> _Held:
        """Enter the result with `async with`."""
        return _Held(self._locks, name)


class _Held:
    def __init__(self, locks: dict[object, tuple[asyncio.Lock, int]], name: object) -> None:
        self._locks, self._name = locks, name

    async def __aenter__(self) -> None:
        lock, users = self._locks.get(self._name, (asyncio.Lock(), 0))
        self._locks[self._name] = (lock, users + 1)
        try:
            await lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._locks[self._name][0].release()
        self._leave()

    def _leave(self) -> None:
        lock, users = self._locks[self._name]
        if users == 1:
            del self._locks[self._name]
        else:
            self._locks[self._name] = (lock, users - 1)


async def to_its_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it, and be cancelled only then: a client that goes away must not leave it half done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
