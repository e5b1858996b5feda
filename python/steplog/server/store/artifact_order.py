"""In which order what a run has logged becomes versions: that in which it was logged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog._states import LIVE
from steplog.server.store.artifact_names import named
from steplog.server.store.artifact_parts import Waits, latest_of
from steplog.server.store.artifact_tables import ARTIFACTS
from steplog.server.store.tables import WRITERS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row

GONE_NANOS = 5 * 60 * 1_000_000_000
"""How long later ones wait after the last that came of a writer that is over: an upload that goes
on is heard of every few seconds, and a `steplog sync` begins within minutes or much later."""
LIVE_NANOS = 3600 * 1_000_000_000
"""How long they wait after the last that came of the contents of a writer that lives: its network
may be away for a while, and a content that it cannot send must not hold up the others for ever."""


async def wait_of(connection: AsyncConnection, row: Row) -> Waits | None:
    """What one waits for that its run has logged to the same name before; None: for nothing.

    A part of a distributed one is waited for by its last part alone, and one that waits for another
    base than its name's latest version by none.
    """
    is_before = sa.tuple_(ARTIFACTS.c.logged, ARTIFACTS.c.id) < sa.tuple_(
        sa.literal(row.logged), sa.literal(row.id)
    )
    is_its = sa.and_(WRITERS.c.run_id == ARTIFACTS.c.run_id, WRITERS.c.writer == ARTIFACTS.c.writer)
    query = (
        sa.select(
            ARTIFACTS,
            *(WRITERS.c.state.label("writer_state"), WRITERS.c.seen, WRITERS.c.uploaded),
        )
        .outerjoin(WRITERS, is_its)
        .where(
            ARTIFACTS.c.run_id == row.run_id,
            ARTIFACTS.c.project_id == row.project_id,
            ARTIFACTS.c.name == row.name,
            ARTIFACTS.c.state == "pending",
            sa.or_(ARTIFACTS.c.distributed == "", ARTIFACTS.c.is_final),
            is_before,
        )
        .order_by(ARTIFACTS.c.logged, ARTIFACTS.c.id)
    )
    now = time.time_ns()
    for one in await connection.execute(query):
        if _waits_until(one) > now and not await _is_apart(connection, one):
            return Waits(f"it waits for {one.key}, which its run logged to this name before")
    return None


async def _is_apart(connection: AsyncConnection, one: Row) -> bool:
    """Whether one waits for a base that may itself be logged later, even to the same name."""
    if not one.base or one.base == await latest_of(connection, one):
        return False
    base = await named(connection, one.base)
    return base is None or base.state == "pending"


def _waits_until(one: Row) -> int:
    """Until when an artifact that is not there yet is waited for, by the server's clock."""
    came = max(one.heard, one.uploaded or 0)
    if one.writer_state in LIVE:
        return int(came + LIVE_NANOS)
    return int(max(came, one.seen or 0) + GONE_NANOS)


__all__ = ["GONE_NANOS", "LIVE_NANOS", "wait_of"]
