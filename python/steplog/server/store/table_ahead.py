"""Orders of tables that pages far apart are asked of: made whole while nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from steplog._errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

_log = logging.getLogger(__name__)

_JUMPS = 2
"""One may be the only one; whoever jumps twice looks for something."""
_MOST_KNOWN = 100
"""Orders whose jumps are counted."""


class OrdersAhead:
    """Counts the jumps in each order; makes one at a time, once.

    What fails, since the table is gone or its order takes too much memory or time, is given up: its
    pages are found one by one as before.
    """

    def __init__(self) -> None:
        self._jumps: OrderedDict[Hashable, int | None] = OrderedDict()
        """None: it was given up. The longest unused go first."""
        self._task: asyncio.Task[None] | None = None

    def jumped(self, order: Hashable, make: Callable[[], Awaitable[None]]) -> None:
        """A page of an order was found far from those that are known.

        Returns at once. While another order is made this one is not: its next jump asks again.
        """
        jumps = self._jumps.pop(order, 0)
        self._jumps[order] = None if jumps is None else jumps + 1
        while len(self._jumps) > _MOST_KNOWN:
            self._jumps.popitem(last=False)
        is_busy = self._task is not None and not self._task.done()
        if jumps is not None and jumps + 1 >= _JUMPS and not is_busy:
            self._task = asyncio.create_task(self._make(order, make))

    async def _make(self, order: Hashable, make: Callable[[], Awaitable[None]]) -> None:
        try:
            await make()
        except StorageError as error:
            self._jumps[order] = None
            _log.info("an order of a table is not made ahead: %s", error)
        else:
            self._jumps.pop(order, None)

    async def aclose(self) -> None:
        """Leave what is being made."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


__all__ = ["OrdersAhead"]
