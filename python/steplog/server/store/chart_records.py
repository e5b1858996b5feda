"""What people made of charts, by name: presets (specifications), and panels (how one is drawn)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from steplog.server.store.tables import CHARTS, PROJECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.meta import MetaStore

Kind = Literal["preset", "panel"]


@dataclass(frozen=True)
class Kept:
    """One of them.

    Attributes:
        name: By which it is found.
        body: JSON text of an object.
        updated: When it was last changed, seconds since the epoch.
    """

    name: str
    body: str
    updated: float


class ChartRecords:
    """Reads and changes what is kept of a project's charts."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def project(self, entity: str, project: str) -> int | None:
        """The number of a project, if there is one."""
        query = sa.select(PROJECTS.c.id).where(
            PROJECTS.c.entity == entity, PROJECTS.c.project == project
        )
        async with self._meta.read() as connection:
            found = await connection.scalar(query)
        return None if found is None else int(found)

    async def all(self, project: int, kind: Kind) -> Sequence[Kept]:
        """All of a kind, by name."""
        query = _select().where(*_of(project, kind)).order_by(CHARTS.c.name)
        async with self._meta.read() as connection:
            return [_kept(row) for row in await connection.execute(query)]

    async def get(self, project: int, kind: Kind, name: str) -> Kept | None:
        """One, if there is one of that name."""
        query = _select().where(*_of(project, kind), CHARTS.c.name == name)
        async with self._meta.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _kept(row)

    async def put(self, project: int, kind: Kind, name: str, *, body: str, most: int) -> bool:
        """Keep one, in the place of what had its name; false when there are `most` others."""
        values: dict[str, object] = {
            "project_id": project,
            "kind": kind,
            "name": name,
            "body": body,
            "updated": time.time_ns(),
        }
        others = sa.select(sa.func.count()).where(*_of(project, kind), CHARTS.c.name != name)
        async with self._meta.write() as connection:
            if int(await connection.scalar(others) or 0) >= most:
                return False
            await self._meta.upsert(connection, CHARTS, [values])
        return True

    async def delete(self, project: int, kind: Kind, name: str) -> bool:
        """Remove one; false when there is none."""
        query = sa.delete(CHARTS).where(*_of(project, kind), CHARTS.c.name == name)
        async with self._meta.write() as connection:
            return (await connection.execute(query)).rowcount > 0


def _select() -> sa.Select[tuple[str, str, int]]:
    return sa.select(CHARTS.c.name, CHARTS.c.body, CHARTS.c.updated)


def _of(project: int, kind: Kind) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return CHARTS.c.project_id == project, CHARTS.c.kind == kind


def _kept(row: sa.Row[tuple[str, str, int]]) -> Kept:
    return Kept(row.name, row.body, row.updated / 1e9)


__all__ = ["ChartRecords", "Kept", "Kind"]
