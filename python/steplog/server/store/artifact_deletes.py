"""Artifacts that go: versions, collections, and what a deleted run has logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.artifact_loose import forget_entries
from steplog.server.store.artifact_tables import (
    ALIASES,
    ARTIFACTS,
    COLLECTIONS,
    MEMBERSHIPS,
    USES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore

_LATEST = "latest"
_AT_ONCE = 10_000
"""Of a statement: SQLite takes some 32,000 parameters."""


async def delete_versions(
    meta: MetaStore, connection: AsyncConnection, numbers: Sequence[int]
) -> None:
    """Artifacts are versions of nothing any more, and hold nothing; their ids are remembered."""
    for some in _batches(numbers):
        await forget_entries(meta, connection, some)
        await _leave(connection, MEMBERSHIPS.c.artifact_id.in_(some))
        change = sa.update(ARTIFACTS).where(_are(some)).values(state="deleted", reason="")
        await connection.execute(change)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE))


def _are(numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    """Artifacts, and those that became names of them."""
    return sa.or_(ARTIFACTS.c.id.in_(numbers), ARTIFACTS.c.same_as.in_(numbers))


async def unlink(connection: AsyncConnection, collection_id: int, version: int) -> None:
    """A collection has a version no more; the artifact stays what it is elsewhere."""
    is_it = sa.and_(MEMBERSHIPS.c.collection_id == collection_id, MEMBERSHIPS.c.version == version)
    await _leave(connection, is_it)


async def _leave(connection: AsyncConnection, which: sa.ColumnElement[bool]) -> None:
    """Memberships end; where `latest` was one it points to the one left that was logged last."""
    left = list(
        await connection.execute(
            sa.select(MEMBERSHIPS.c.collection_id, MEMBERSHIPS.c.version).where(which)
        )
    )
    for collection_id, version in left:
        of_it = MEMBERSHIPS.c.collection_id == collection_id
        latest = sa.select(ALIASES.c.version).where(
            ALIASES.c.collection_id == collection_id, ALIASES.c.alias == _LATEST
        )
        was_latest = await connection.scalar(latest) == version
        # Its aliases go along.
        await connection.execute(
            sa.delete(MEMBERSHIPS).where(of_it, MEMBERSHIPS.c.version == version)
        )
        last = sa.select(MEMBERSHIPS.c.version, MEMBERSHIPS.c.logged).where(of_it)
        last = last.order_by(MEMBERSHIPS.c.logged.desc(), MEMBERSHIPS.c.version.desc()).limit(1)
        newest = (await connection.execute(last)).one_or_none()
        if was_latest and newest is not None:
            values = {"collection_id": collection_id, "alias": _LATEST, **newest._mapping}  # noqa: SLF001  # SQLAlchemy's documented name
            await connection.execute(sa.insert(ALIASES).values(**values))


async def delete_collection(
    meta: MetaStore, connection: AsyncConnection, collection_id: int
) -> None:
    """Remove a collection, the artifacts that were logged to it, and its links to others."""
    own = sa.select(MEMBERSHIPS.c.artifact_id).where(
        MEMBERSHIPS.c.collection_id == collection_id, ~MEMBERSHIPS.c.is_link
    )
    await delete_versions(meta, connection, list(await connection.scalars(own)))
    is_it = COLLECTIONS.c.id == collection_id
    await connection.execute(sa.delete(COLLECTIONS).where(is_it))


async def forget_logged(
    meta: MetaStore, connection: AsyncConnection, run_id: int, *, is_all: bool
) -> None:
    """A run goes, and of the artifacts that it alone has logged those that are no version, or all.

    Their ids are forgotten, so that they come back with the run if its log is taken again.
    """
    others = USES.alias("others")
    is_others = (
        sa.select(others.c.run_id)
        .where(
            others.c.artifact_id == USES.c.artifact_id,
            others.c.how == "logged",
            others.c.run_id != run_id,
        )
        .exists()
    )
    alone = (
        sa.select(USES.c.artifact_id, ARTIFACTS.c.state)
        .join(ARTIFACTS, ARTIFACTS.c.id == USES.c.artifact_id)
        .where(USES.c.run_id == run_id, USES.c.how == "logged", ~is_others)
    )
    going = [
        row.artifact_id
        for row in await connection.execute(alone)
        if row.state in {"pending", "failed"} or (is_all and row.state == "committed")
    ]
    await delete_versions(meta, connection, going)
    for some in _batches(going):
        await connection.execute(sa.delete(ARTIFACTS).where(_are(some)))


__all__ = ["delete_collection", "delete_versions", "forget_logged", "unlink"]
