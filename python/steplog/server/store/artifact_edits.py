"""Changes of versions and collections that people ask for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog.server.schema import Code, Problem
from steplog.server.store.artifact_deletes import delete_collection, delete_versions, unlink
from steplog.server.store.artifact_names import Row, by_key, collection_of, member
from steplog.server.store.artifact_rules import MAX_TAGS
from steplog.server.store.artifact_tables import ALIASES, ARTIFACTS, COLLECTIONS, MEMBERSHIPS
from steplog.server.store.artifact_versions import by_hand, link, other_type, point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore

_LATEST = "latest"
Where = tuple[str, str, str]
"""Entity, project and name of a collection."""


@dataclass(frozen=True)
class Words:
    """How a list of words changes: what it is now (None: as it was), and what comes and goes."""

    all: Sequence[str] | None = None
    added: Sequence[str] = ()
    removed: Sequence[str] = ()

    def of(self, before: Sequence[str]) -> list[str]:
        """What the list is then; each word once."""
        start = before if self.all is None else self.all
        return [word for word in dict.fromkeys([*start, *self.added]) if word not in self.removed]


@dataclass(frozen=True)
class VersionChange:
    """What of a version changes: columns, aliases and tags."""

    values: dict[str, object]
    aliases: Words
    tags: Words


@dataclass(frozen=True)
class CollectionChange:
    """What of a collection changes: columns and tags."""

    values: dict[str, Any]
    tags: Words


class ArtifactEdits:
    """Changes artifacts; each change in one transaction."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def change(self, where: Where, ref: str, change: VersionChange) -> None:
        """Change a version.

        Raises:
            Problem: There is none, or it would have too many aliases or tags.
        """
        async with self._meta.write() as connection:
            at = await _member(connection, where, ref)
            is_it = ARTIFACTS.c.id == at.artifact_id
            before = await connection.scalar(sa.select(ARTIFACTS.c.tags).where(is_it))
            values = {**change.values, "tags": _tags(change.tags, before, whose="a version")}
            await connection.execute(sa.update(ARTIFACTS).where(is_it).values(**values))
            await self._alias(connection, at, change.aliases)

    async def _alias(self, connection: AsyncConnection, at: Row, words: Words) -> None:
        of_it = sa.and_(
            ALIASES.c.collection_id == at.collection_id, ALIASES.c.version == at.version
        )
        query = sa.select(ALIASES.c.alias).where(of_it)
        before = list(await connection.scalars(query))
        after = words.of(before)
        gone = [alias for alias in before if alias not in after]
        if gone:
            await connection.execute(sa.delete(ALIASES).where(of_it, ALIASES.c.alias.in_(gone)))
        new = [alias for alias in after if alias not in before]
        if new:
            await point(
                *(self._meta, connection, at.collection_id),
                version=at.version,
                aliases=new,
                logged=await by_hand(connection, at.collection_id),
            )

    async def delete(self, where: Where, ref: str, *, with_aliases: bool) -> None:
        """Delete a version, everywhere; its contents go unless others name them.

        Raises:
            Problem: There is none, it is a link, or it has aliases and may not lose them.
        """
        async with self._meta.write() as connection:
            at = await _member(connection, where, ref)
            if at.is_link:
                detail = "it is a link: DELETE …/links/{ref} removes it, and the version stays"
                raise Problem(Code.INVALID, detail, field="ref")
            if not with_aliases:
                await _check_free(connection, at.artifact_id)
            await delete_versions(self._meta, connection, [at.artifact_id])

    async def link(self, where: Where, key: str, aliases: Sequence[str]) -> str:
        """Make an artifact a version of a collection; returns which one.

        Raises:
            Problem: There is no such artifact, it is no version, or of another type.
        """
        async with self._meta.write() as connection:
            artifact = await by_key(connection, key)
            if artifact is None:
                raise Problem(Code.NOT_FOUND, f"there is no artifact {key}", field="artifact")
            if artifact.state != "committed":
                detail = f"the artifact is {artifact.state}, not committed"
                raise Problem(Code.INVALID, detail, field="artifact")
            collection = await collection_of(connection, where)
            _, version = await link(
                *(self._meta, connection, artifact),
                where=where,
                aliases=aliases,
                logged=await by_hand(connection, None if collection is None else collection.id),
            )
            return f"v{version}"

    async def unlink(self, where: Where, ref: str) -> None:
        """Remove a link from a collection.

        Raises:
            Problem: There is none of that name.
        """
        async with self._meta.write() as connection:
            at = await _member(connection, where, ref)
            if not at.is_link:
                detail = "it was logged here, and is no link"
                raise Problem(Code.INVALID, detail, field="ref")
            await unlink(connection, at.collection_id, at.version)

    async def change_collection(self, where: Where, change: CollectionChange) -> str:
        """Change a collection; returns its name.

        Raises:
            Problem: There is none, its new name is taken, links would have another type, or it
                would have too many tags.
        """
        values = change.values
        async with self._meta.write() as connection:
            row = await _collection(connection, where)
            name, kind = values.get("name", row.name), values.get("type", row.type)
            if name != row.name:
                await _rename(connection, row, name)
            if kind != row.type:
                await _retype(connection, row, kind)
            is_it = COLLECTIONS.c.id == row.id
            before = await connection.scalar(sa.select(COLLECTIONS.c.tags).where(is_it))
            tags = _tags(change.tags, before, whose="a collection")
            now = {**values, "tags": tags, "updated": time.time_ns()}
            await connection.execute(sa.update(COLLECTIONS).where(is_it).values(**now))
        return str(name)

    async def delete_collection(self, where: Where) -> None:
        """Delete a collection and the artifacts that were logged to it.

        Raises:
            Problem: There is none.
        """
        async with self._meta.write() as connection:
            row = await _collection(connection, where)
            await delete_collection(self._meta, connection, row.id)


def _tags(change: Words, before: Sequence[str] | None, *, whose: str) -> list[str]:
    tags = change.of(before or [])
    if len(tags) > MAX_TAGS:
        raise Problem(Code.INVALID, f"{whose} has at most {MAX_TAGS:,} tags", field="tags")
    return tags


async def _collection(connection: AsyncConnection, where: Where) -> Row:
    row = await collection_of(connection, where)
    if row is None:
        entity, project, name = where
        raise Problem(Code.NOT_FOUND, f"there is no artifact {name!r} in {entity}/{project}")
    return row


async def _member(connection: AsyncConnection, where: Where, ref: str) -> Row:
    collection = await _collection(connection, where)
    found = await member(connection, collection.id, ref)
    if found is None:
        raise Problem(Code.NOT_FOUND, f"there is no artifact {'/'.join(where)}:{ref:.200}")
    return found


async def _check_free(connection: AsyncConnection, artifact_id: int) -> None:
    """Check that nothing but `latest` points to a version, in any collection."""
    query = (
        sa.select(ALIASES.c.alias)
        .join(
            MEMBERSHIPS,
            sa.and_(
                MEMBERSHIPS.c.collection_id == ALIASES.c.collection_id,
                MEMBERSHIPS.c.version == ALIASES.c.version,
            ),
        )
        .where(MEMBERSHIPS.c.artifact_id == artifact_id, ALIASES.c.alias != _LATEST)
        .order_by(ALIASES.c.alias)
    )
    aliases = list(await connection.scalars(query))
    if aliases:
        detail = f"it has aliases: {', '.join(aliases)}; `aliases=1` deletes it along with them"
        raise Problem(Code.NAMED, detail, extra={"aliases": aliases})


async def _rename(connection: AsyncConnection, row: Row, name: str) -> None:
    taken = sa.select(COLLECTIONS.c.id).where(
        COLLECTIONS.c.project_id == row.project_id, COLLECTIONS.c.name == name
    )
    if await connection.scalar(taken) is not None:
        raise Problem(Code.NAMED, f"there is another artifact {name!r}", field="name")


async def _retype(connection: AsyncConnection, row: Row, kind: str) -> None:
    """Give what was logged to a collection another type; a link has that of its source.

    Raises:
        Problem: It holds links, or some of what it holds is linked elsewhere.
    """
    inner = MEMBERSHIPS.alias("inner_memberships")
    own = sa.select(inner.c.artifact_id).where(inner.c.collection_id == row.id)
    linked = sa.select(MEMBERSHIPS.c.version).where(
        MEMBERSHIPS.c.is_link, MEMBERSHIPS.c.artifact_id.in_(own)
    )
    if (await connection.execute(linked.limit(1))).first() is not None:
        problem = other_type(row.name, row.type, kind)
        detail = f"{problem.detail}, and links go with it: remove them first"
        raise Problem(Code.NAMED, detail, field="type")
    are_its = ARTIFACTS.c.id.in_(own)
    await connection.execute(sa.update(ARTIFACTS).where(are_its).values(type=kind))


__all__ = ["ArtifactEdits", "VersionChange", "Where", "Words"]
