"""Reads of artifacts: collections, versions, entries, and what runs have to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from steplog.server.store.artifact_answers import (
    IS_OWN,
    RUN_COLUMNS,
    VERSIONS,
    answers,
    run_answer,
)
from steplog.server.store.artifact_names import collection_of, is_project, member, number_of
from steplog.server.store.artifact_rules import is_key
from steplog.server.store.artifact_tables import (
    ALIASES,
    ARTIFACTS,
    COLLECTIONS,
    ENTRIES,
    MEMBERSHIPS,
    REQUESTS,
    USES,
)
from steplog.server.store.tables import PROJECTS, RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row
    from steplog.server.store.meta import MetaStore

_NANOS = 1e9
_MOST_RUNS = 1_000
"""Of those that logged or used a version, the first ones."""
_MOST_UNFINISHED = 100
_LAST = "\U0010ffff"


class ArtifactReads:
    """Reads artifacts, as the API answers them."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def collections(
        self, entity: str, project: str, *, kind: str | None
    ) -> list[dict[str, object]]:
        """The collections of a project, by name; of a type only."""
        query = (
            sa.select(COLLECTIONS)
            .join(PROJECTS, PROJECTS.c.id == COLLECTIONS.c.project_id)
            .where(is_project(entity, project))
            .order_by(COLLECTIONS.c.name)
        )
        if kind is not None:
            query = query.where(COLLECTIONS.c.type == kind)
        async with self._meta.read() as connection:
            rows = list(await connection.execute(query))
            return await self._collections(connection, rows)

    async def _collections(
        self, connection: AsyncConnection, rows: Sequence[Row]
    ) -> list[dict[str, object]]:
        which = MEMBERSHIPS.c.collection_id
        if len(rows) == 1:
            narrowed: sa.ColumnElement[bool] = which == rows[0].id
        else:
            project_ids = {row.project_id for row in rows}
            mine = sa.select(COLLECTIONS.c.id).where(COLLECTIONS.c.project_id.in_(project_ids))
            narrowed = which.in_(mine)
        counts = sa.select(
            which, sa.func.count().label("n"), sa.func.max(MEMBERSHIPS.c.version).label("newest")
        ).where(narrowed)
        found = {row.collection_id: row for row in await connection.execute(counts.group_by(which))}
        named = sa.select(ALIASES.c.collection_id, ALIASES.c.version).where(
            ALIASES.c.alias == "latest",
            ALIASES.c.collection_id.in_(sa.select(which).where(narrowed)),
        )
        latest = {row.collection_id: row.newest for row in found.values()}
        latest.update({row.collection_id: row.version for row in await connection.execute(named)})
        at = [(row.id, latest[row.id]) for row in rows if row.id in latest]
        heads: dict[object, dict[str, object]] = {}
        for start in range(0, len(at), 1_000):
            pairs = sa.tuple_(which, MEMBERSHIPS.c.version).in_(at[start : start + 1_000])
            versions = list(await connection.execute(VERSIONS.where(pairs)))
            said = await answers(connection, versions)
            heads |= {row.collection_id: one for row, one in zip(versions, said, strict=True)}
        return [
            _collection(row, found[row.id].n if row.id in found else 0, heads.get(row.id))
            for row in rows
        ]

    async def collection(
        self, where: tuple[str, str, str], *, limit: int, before: int | None
    ) -> dict[str, object] | None:
        """A collection with a page of its versions, the newest first."""
        async with self._meta.read() as connection:
            row = await collection_of(connection, where)
            if row is None:
                return None
            (said,) = await self._collections(connection, [row])
            query = VERSIONS.where(MEMBERSHIPS.c.collection_id == row.id)
            if before is not None:
                query = query.where(MEMBERSHIPS.c.version < before)
            query = query.order_by(MEMBERSHIPS.c.version.desc()).limit(limit + 1)
            rows = list(await connection.execute(query))
            unfinished = (
                VERSIONS.where(
                    ARTIFACTS.c.project_id == row.project_id,
                    ARTIFACTS.c.name == row.name,
                    ARTIFACTS.c.state.in_(("pending", "failed")),
                )
                .order_by(ARTIFACTS.c.id.desc())
                .limit(_MOST_UNFINISHED)
            )
            return {
                **said,
                "list": await answers(connection, rows[:limit]),
                "next": str(rows[limit - 1].version) if len(rows) > limit else None,
                "unfinished": await answers(connection, list(await connection.execute(unfinished))),
            }

    async def find(self, where: tuple[str, str, str], ref: str) -> Row | None:
        """A version of a collection, as a row of `VERSIONS`."""
        async with self._meta.read() as connection:
            collection = await collection_of(connection, where)
            found = None if collection is None else await member(connection, collection.id, ref)
            if found is not None:
                query = VERSIONS.where(
                    MEMBERSHIPS.c.collection_id == found.collection_id,
                    MEMBERSHIPS.c.version == found.version,
                )
                return (await connection.execute(query)).one()
        # One that is no version yet has its id alone.
        row = await self.by_key(ref) if is_key(ref) else None
        is_it = row is not None and row.version is None
        return row if is_it and row and (row.entity, row.project, row.name) == where else None

    async def by_key(self, key: str) -> Row | None:
        """An artifact by its id, or the version whose name that became: a row of `VERSIONS`."""
        async with self._meta.read() as connection:
            query = VERSIONS.where(ARTIFACTS.c.id == number_of(key), IS_OWN)
            return (await connection.execute(query)).first()

    async def version(self, row: Row) -> dict[str, object]:
        """All that is said of one version."""
        async with self._meta.read() as connection:
            (said,) = await answers(connection, [row])
            return {
                **said,
                "manifest": row.manifest or None,
                "logged_by": await _runs(connection, row.id, "logged"),
                "used_by": await _runs(connection, row.id, "used"),
            }

    async def entries(
        self, artifact_id: int, *, prefix: str, limit: int, after: str | None
    ) -> dict[str, object]:
        """A page of what an artifact holds, by path."""
        query = sa.select(ENTRIES).where(ENTRIES.c.artifact_id == artifact_id)
        if prefix:
            query = query.where(ENTRIES.c.path >= prefix, ENTRIES.c.path < prefix + _LAST)
        if after is not None:
            query = query.where(ENTRIES.c.path > after)
        query = query.order_by(ENTRIES.c.path).limit(limit + 1)
        async with self._meta.read() as connection:
            rows = list(await connection.execute(query))
        page = rows[:limit]
        return {
            "entries": [
                {
                    "path": row.path,
                    "size": row.size,
                    "sha256": row.sha256 or None,
                    "digest": row.digest,
                    "ref": row.ref,
                    "extra": None if row.extra is None else orjson.loads(row.extra),
                }
                for row in page
            ],
            "next": page[-1].path if len(rows) > limit else None,
        }

    async def of_run(self, run_id: int) -> dict[str, object]:
        """What a run has logged and used, in that order, and what was refused of what it asked."""
        async with self._meta.read() as connection:
            said: dict[str, object] = {}
            for how in ("logged", "used"):
                query = (
                    VERSIONS.join(USES, USES.c.artifact_id == ARTIFACTS.c.id)
                    .add_columns(USES.c.use_as)
                    .where(USES.c.run_id == run_id, USES.c.how == how)
                    .where(ARTIFACTS.c.state != "deleted", IS_OWN)
                    .order_by(USES.c.wall, ARTIFACTS.c.id)
                )
                rows = list(await connection.execute(query))
                found = await answers(connection, rows)
                if how == "used":
                    for one, row in zip(found, rows, strict=True):
                        one["use_as"] = row.use_as
                said[how] = found
            undone = (
                sa.select(REQUESTS)
                .where(REQUESTS.c.run_id == run_id, REQUESTS.c.state != "done")
                .order_by(REQUESTS.c.wall, REQUESTS.c.key)
                .limit(_MOST_RUNS)
            )
            said["undone"] = [_request(row) for row in await connection.execute(undone)]
        return said


def _request(row: Row) -> dict[str, object]:
    return {
        "op": row.op,
        "artifact": row.artifact,
        "to": row.target or None,
        "state": row.state,
        "reason": row.reason,
        "time": row.wall / _NANOS,
    }


def _collection(row: Row, count: int, latest: dict[str, Any] | None) -> dict[str, object]:
    names = ("version", "aliases", "created", "size", "count", "digest")
    return {
        "type": row.type,
        "name": row.name,
        "description": row.description,
        "tags": row.tags,
        "versions": count,
        "latest": latest and {name: latest[name] for name in names},
        "created": row.created / _NANOS,
        "updated": row.updated / _NANOS,
    }


async def _runs(connection: AsyncConnection, artifact_id: int, how: str) -> list[dict[str, object]]:
    query = (
        sa.select(*RUN_COLUMNS)
        .join(RUNS, RUNS.c.project_id == PROJECTS.c.id)
        .join(USES, USES.c.run_id == RUNS.c.id)
        .where(USES.c.artifact_id == artifact_id, USES.c.how == how)
        .order_by(USES.c.wall, RUNS.c.id)
        .limit(_MOST_RUNS)
    )
    return [run_answer(row) for row in await connection.execute(query)]


__all__ = ["ArtifactReads"]
