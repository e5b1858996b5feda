"""What artifacts are called: by their ids, and by versions and aliases of collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog.server.store.artifact_rules import is_key, version_number
from steplog.server.store.artifact_tables import ALIASES, ARTIFACTS, COLLECTIONS, MEMBERSHIPS
from steplog.server.store.tables import PROJECTS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Row = sa.Row[tuple[Any, ...]]


def is_project(entity: str, project: str) -> sa.ColumnElement[bool]:
    """That a row of `PROJECTS` is that one."""
    return sa.and_(PROJECTS.c.entity == entity, PROJECTS.c.project == project)


async def collection_of(connection: AsyncConnection, where: tuple[str, str, str]) -> Row | None:
    """A collection by entity, project and name."""
    entity, project, name = where
    query = (
        sa.select(COLLECTIONS)
        .join(PROJECTS, PROJECTS.c.id == COLLECTIONS.c.project_id)
        .where(is_project(entity, project), COLLECTIONS.c.name == name)
    )
    return (await connection.execute(query)).one_or_none()


def number_of(key: str) -> sa.ScalarSelect[Any]:
    """The number of an artifact by its id, or of the version whose name that id became."""
    # In one statement with what asks: it may become one meanwhile.
    called = ARTIFACTS.alias("called")
    number = sa.func.coalesce(called.c.same_as, called.c.id)
    return sa.select(number).where(called.c.key == key).scalar_subquery()


async def by_key(connection: AsyncConnection, key: str) -> Row | None:
    """An artifact by its id, or the version whose name that id became."""
    query = sa.select(ARTIFACTS).where(ARTIFACTS.c.id == number_of(key))
    return (await connection.execute(query)).one_or_none()


async def member(connection: AsyncConnection, collection_id: int, ref: str) -> Row | None:
    """A version of a collection by `v3`, an alias, or an artifact's id."""
    of_it = sa.select(MEMBERSHIPS).where(MEMBERSHIPS.c.collection_id == collection_id)
    number = version_number(ref)
    if number is not None:
        query = of_it.where(MEMBERSHIPS.c.version == number)
        return (await connection.execute(query)).one_or_none()
    named = of_it.join(
        ALIASES,
        sa.and_(
            ALIASES.c.collection_id == MEMBERSHIPS.c.collection_id,
            ALIASES.c.version == MEMBERSHIPS.c.version,
        ),
    ).where(ALIASES.c.alias == ref)
    found = (await connection.execute(named)).one_or_none()
    if found is None and is_key(ref):
        query = of_it.where(MEMBERSHIPS.c.artifact_id == number_of(ref))
        found = (await connection.execute(query)).one_or_none()
    return found


async def named(connection: AsyncConnection, said: str) -> Row | None:
    """The artifact that a log names: by an id, or as `entity/project/name:version`."""
    if is_key(said):
        return await by_key(connection, said)
    place, _, ref = said.rpartition(":")
    entity, project, name = place.split("/")
    collection = await collection_of(connection, (entity, project, name))
    if collection is None:
        return None
    found = await member(connection, collection.id, ref)
    if found is None:
        return None
    query = sa.select(ARTIFACTS).where(ARTIFACTS.c.id == found.artifact_id)
    return (await connection.execute(query)).one()


__all__ = ["Row", "by_key", "collection_of", "is_project", "member", "named", "number_of"]
