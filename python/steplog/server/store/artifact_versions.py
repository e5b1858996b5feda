"""Versions of collections: which number one gets, and where aliases point."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.schema import Code, Problem
from steplog.server.store.artifact_names import is_project
from steplog.server.store.artifact_rules import MAX_ALIASES
from steplog.server.store.artifact_tables import ALIASES, COLLECTIONS, MEMBERSHIPS
from steplog.server.store.tables import PROJECTS
from steplog.server.store.writers import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row
    from steplog.server.store.meta import MetaStore


def other_type(name: str, known: object, asked: object) -> Problem:
    """A name has one type."""
    detail = f"the artifacts of the name {name!r} are of type {known!r}, not {asked!r}"
    return Problem(Code.INVALID, detail, field="type")


async def open_collection(
    connection: AsyncConnection, project_id: int, name: str, *, kind: str
) -> int:
    """The number of a collection, which is made where there is none.

    Raises:
        Problem: It has another type.
    """
    query = sa.select(COLLECTIONS).where(
        COLLECTIONS.c.project_id == project_id, COLLECTIONS.c.name == name
    )
    found = (await connection.execute(query)).one_or_none()
    if found is not None:
        if found.type != kind:
            raise other_type(name, found.type, kind)
        return int(found.id)
    now = time.time_ns()
    insert = sa.insert(COLLECTIONS).values(
        project_id=project_id, name=name, type=kind, created=now, updated=now
    )
    return new_id(await connection.execute(insert))


async def add_version(
    connection: AsyncConnection,
    collection_id: int,
    artifact_id: int,
    *,
    is_link: bool,
    logged: int,
) -> int:
    """Make an artifact the next version of a collection; one that is in it keeps its number."""
    query = sa.select(MEMBERSHIPS.c.version).where(
        MEMBERSHIPS.c.collection_id == collection_id, MEMBERSHIPS.c.artifact_id == artifact_id
    )
    found = await connection.scalar(query)
    if found is not None:
        return int(found)
    is_it = COLLECTIONS.c.id == collection_id
    version = int(await connection.scalar(sa.select(COLLECTIONS.c.next_version).where(is_it)) or 0)
    now = time.time_ns()
    await connection.execute(
        sa.update(COLLECTIONS).where(is_it).values(next_version=version + 1, updated=now)
    )
    await connection.execute(
        sa.insert(MEMBERSHIPS).values(
            collection_id=collection_id,
            version=version,
            artifact_id=artifact_id,
            created=now,
            is_link=is_link,
            logged=logged,
        )
    )
    return version


async def point(
    meta: MetaStore,
    connection: AsyncConnection,
    collection_id: int,
    *,
    version: int,
    aliases: Sequence[str],
    logged: int,
) -> None:
    """Let aliases point to a version, but for those that point where somebody said so later.

    `logged` is when this was said.

    Raises:
        Problem: It would have too many.
    """
    query = sa.select(ALIASES).where(ALIASES.c.collection_id == collection_id)
    before = list(await connection.execute(query))
    later = {one.alias for one in before if one.logged > logged}
    aliases = [alias for alias in aliases if alias not in later]
    own = {one.alias for one in before if one.version == version}
    if len({*own, *aliases} - {"latest"}) > MAX_ALIASES:
        detail = f"a version has at most {MAX_ALIASES} aliases"
        raise Problem(Code.INVALID, detail, field="aliases")
    rows: list[dict[str, object]] = [
        {"collection_id": collection_id, "alias": alias, "version": version, "logged": logged}
        for alias in aliases
    ]
    await meta.upsert(connection, ALIASES, rows)
    await connection.execute(
        sa.update(COLLECTIONS)
        .where(COLLECTIONS.c.id == collection_id)
        .values(updated=time.time_ns())
    )


async def by_hand(connection: AsyncConnection, collection_id: int | None) -> int:
    """When something is said that is said now: later than whatever aliases point to."""
    query = sa.select(sa.func.max(ALIASES.c.logged)).where(ALIASES.c.collection_id == collection_id)
    return max(time.time_ns(), await connection.scalar(query) or 0)


async def link(
    meta: MetaStore,
    connection: AsyncConnection,
    artifact: Row,
    *,
    where: tuple[str, str, str],
    aliases: Sequence[str],
    logged: int,
) -> tuple[int, int]:
    """Make a committed artifact a version of another collection, which is made where needed.

    `logged` is when this was said: aliases stay where somebody let them point later.

    Returns:
        The collection's number, and the version's in it.

    Raises:
        Problem: The collection has another type, or the version would have too many aliases.
    """
    entity, project, name = where
    query = sa.select(PROJECTS.c.id).where(is_project(entity, project))
    project_id = await connection.scalar(query)
    if project_id is None:
        insert = sa.insert(PROJECTS).values(entity=entity, project=project)
        project_id = new_id(await connection.execute(insert))
    collection_id = await open_collection(connection, project_id, name, kind=artifact.type)
    version = await add_version(connection, collection_id, artifact.id, is_link=True, logged=logged)
    named = list(dict.fromkeys([*aliases, "latest"]))
    await point(meta, connection, collection_id, version=version, aliases=named, logged=logged)
    return collection_id, version


__all__ = ["add_version", "by_hand", "link", "open_collection", "other_type", "point"]
