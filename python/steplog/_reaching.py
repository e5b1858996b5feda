"""Waiting until records have come somewhere: into the log, onto the disk, to the server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from steplog._closing import in_looks
from steplog._errors import InternalError, ServerError, StorageError, UsageError
from steplog._later import LOOK_SECS
from steplog._later_pool import POOL
from steplog._terminal import count
from steplog._writer import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from steplog._later import LateValues
    from steplog._writer import Writer


_PATIENCE_SECS = 2.0
"""A disk that has failed, and does not take a record in this time, is not waited for."""

Ack = Literal["log", "disk", "server"]
"""What a call of `alog` waits for."""


def check_ack(ack: object, mode: str) -> None:
    """Check that a run in this mode can wait for the disk, or the server.

    Raises:
        UsageError: It cannot.
    """
    if ack not in ("disk", "server"):
        raise UsageError(f'ack must be "log", "disk" or "server", got {ack!r}')
    if ack == "server" and mode == "offline":
        raise UsageError('ack="server" needs an online run, this one is offline')


class Lost:
    """The records that there was no room for: each is told to one `flush`."""

    def __init__(self) -> None:
        self._told = 0

    def check(self, writer: Writer) -> None:
        """Tell of those that are lost since the last time.

        Raises:
            StorageError: There are some.
        """
        status: dict[str, Any] = writer.status()
        lost, self._told = status["lost"] - self._told, status["lost"]
        if lost > 0:
            raise StorageError(f"{count(lost, 'record')} lost: {status['storage_error']}")


@dataclass
class Tickets:
    """The deferred values of one call: those in arrays that are still the caller's, and others."""

    lent: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)


async def reach_log(late: LateValues, tickets: Collection[int] | None = None) -> None:
    """Wait until these values, or every one taken so far, are in the log.

    Cancel: Safe; the values are still logged.
    """
    done = late.watch(tickets)
    if done is None:
        return
    import anyio  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

    with done:
        while True:
            with anyio.move_on_after(LOOK_SECS):
                await anyio.wait_readable(done)
                return
            POOL.relieve()


async def reach_call(late: LateValues, tickets: Tickets) -> None:
    """Wait until a call's deferred values are in the log.

    Cancel: Safe; it is heeded when the caller may write into its arrays again.
    """
    if tickets.lent:
        await _reach_uncancelled(late, tickets.lent)
    if tickets.others:
        await reach_log(late, tickets.others)


async def _reach_uncancelled(late: LateValues, tickets: Collection[int]) -> None:
    """Wait until these values are in the log, then heed a cancellation that came meanwhile."""
    import anyio  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

    cancelled = None
    while True:
        try:
            with anyio.CancelScope(shield=True):
                await reach_log(late, tickets)
            break
        except anyio.get_cancelled_exc_class() as error:
            # A cancellation of asyncio's own, as of `asyncio.wait_for`, knows no shield.
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def reach(writer: Writer, ack: Literal["disk", "server"]) -> None:
    """Wait until every record so far is on the disk, or at the server.

    Raises:
        StorageError: The disk did not take it.
        ServerError: The server refused for good.

    Cancel: Safe; nothing is undone.
    """
    position = _number(writer, "last")
    writer.want_sync()
    if ack == "disk":
        await _reach_disk(writer, position)
    else:
        await wait_for(writer, ack, position)
    status = writer.status()
    if ack == "disk" and _number(writer, "synced") < position:
        raise StorageError(f"the record is not on the disk: {status['storage_error']}")
    if ack == "server" and _number(writer, "acknowledged") < position:
        raise ServerError(f"the server has not taken the record: {status['upload_reason']}")


async def _reach_disk(writer: Writer, position: int) -> None:
    """Wait for the disk, but not for ever for one that fails."""
    import anyio  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

    while True:
        with anyio.move_on_after(_PATIENCE_SECS):
            await wait_for(writer, "disk", position)
            return
        if writer.status()["storage_error"] is not None:
            return
        writer.want_sync()


def reach_disk(writer: Writer, late: LateValues, timeout_secs: float) -> None:
    """Block until every value taken and every record so far is on the disk.

    Raises:
        StorageError: The disk did not take it, or not in time.
    """
    until = time.monotonic() + timeout_secs
    if not late.wait(timeout_secs):
        raise StorageError(
            f"not in the log after {timeout_secs} s: {count(late.waiting, 'value')} not ready yet"
        )
    position = _number(writer, "last")
    while True:
        writer.want_sync()
        left_secs = max(until - time.monotonic(), 0.0)
        patience_secs = min(left_secs, _PATIENCE_SECS)
        if in_looks(lambda secs: writer.wait("disk", position, secs), patience_secs):
            break
        if left_secs <= _PATIENCE_SECS or writer.status()["storage_error"] is not None:
            break
    if _number(writer, "synced") < position:
        reason = writer.status()["storage_error"] or f"not within {timeout_secs} s"
        raise StorageError(f"the records are not on the disk: {reason}")


def _number(writer: Writer, name: str) -> int:
    value = writer.status()[name]
    if isinstance(value, int):
        return value
    raise InternalError(f"not a number: {value!r}")
