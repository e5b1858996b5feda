"""Alerts of runs: each title at most once in the time that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.tables import ALERTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore
    from steplog.server.store.writers import Writer

_MOST_SHOWN = 100


@dataclass(frozen=True)
class Alert:
    """What a person is to be told.

    Attributes:
        position: Of its record in the writer's log.
        wall_nanos: When, by the clock of the client.
        title: What it is about.
        text: More of it.
        level: `INFO`, `WARN` or `ERROR`.
        wait_millis: Least time until another one of this title is told.
    """

    position: int
    wall_nanos: int
    title: str
    text: str
    level: str
    wait_millis: int = 0

    def answer(self) -> dict[str, object]:
        """As the API has it."""
        time = self.wall_nanos / 1e9
        return {"title": self.title, "text": self.text, "level": self.level, "time": time}


async def keep(connection: AsyncConnection, writer: Writer, alerts: Sequence[Alert]) -> list[Alert]:
    """Store those that come long enough after the last one of their title; returns these."""
    told: list[Alert] = []
    for alert in alerts:
        last = await connection.scalar(
            sa.select(sa.func.max(ALERTS.c.wall)).where(
                ALERTS.c.run_id == writer.run_id, ALERTS.c.title == alert.title
            )
        )
        if last is not None and 0 <= alert.wall_nanos - last < alert.wait_millis * 1_000_000:
            continue
        told.append(alert)
        await connection.execute(
            sa.insert(ALERTS).values(
                run_id=writer.run_id,
                writer=writer.writer,
                position=alert.position,
                wall=alert.wall_nanos,
                title=alert.title,
                text=alert.text,
                level=alert.level,
            )
        )
    return told


async def of_run(meta: MetaStore, run_id: int) -> list[Alert]:
    """The alerts of a run, the latest first; no more than a page shows."""
    columns = (ALERTS.c.position, ALERTS.c.wall, ALERTS.c.title, ALERTS.c.text, ALERTS.c.level)
    query = sa.select(*columns).where(ALERTS.c.run_id == run_id)
    query = query.order_by(ALERTS.c.wall.desc(), ALERTS.c.position.desc()).limit(_MOST_SHOWN)
    async with meta.read() as connection:
        return [Alert(*row) for row in await connection.execute(query)]
