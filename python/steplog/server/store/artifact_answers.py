"""Versions as the API says them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog.server.store.artifact_tables import (
    ALIASES,
    ARTIFACTS,
    COLLECTIONS,
    MEMBERSHIPS,
    USES,
)
from steplog.server.store.exact import unpack_tree
from steplog.server.store.tables import PROJECTS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row

_AT_ONCE = 10_000
"""Of a query: SQLite takes some 32,000 parameters."""

VERSIONS = (
    sa.select(
        ARTIFACTS,
        COLLECTIONS.c.id.label("collection_id"),
        # Of one that is no version its own words.
        sa.func.coalesce(COLLECTIONS.c.name, ARTIFACTS.c.name).label("collection"),
        sa.func.coalesce(COLLECTIONS.c.type, ARTIFACTS.c.type).label("kind"),
        MEMBERSHIPS.c.version,
        MEMBERSHIPS.c.is_link,
        PROJECTS.c.entity,
        PROJECTS.c.project,
    )
    .outerjoin(MEMBERSHIPS, MEMBERSHIPS.c.artifact_id == ARTIFACTS.c.id)
    .outerjoin(COLLECTIONS, COLLECTIONS.c.id == MEMBERSHIPS.c.collection_id)
    .join(
        PROJECTS,
        PROJECTS.c.id == sa.func.coalesce(COLLECTIONS.c.project_id, ARTIFACTS.c.project_id),
    )
)
"""A row for each version of each collection, and one for each artifact that is none."""

IS_OWN = sa.or_(MEMBERSHIPS.c.is_link.is_(None), ~MEMBERSHIPS.c.is_link)
"""Not a link: where the artifact was logged."""


async def answers(connection: AsyncConnection, rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows of `VERSIONS` as the API has them."""
    versions = {(row.collection_id, row.version) for row in rows if row.version is not None}
    aliases = await _aliases(connection, versions)
    runs = await _runs(connection, {row.id for row in rows})
    sources = await _sources(connection, {row.id for row in rows if row.is_link})
    return [
        {
            "id": row.key,
            "entity": row.entity,
            "project": row.project,
            "name": row.collection,
            "type": row.kind,
            "version": None if row.version is None else f"v{row.version}",
            "aliases": aliases.get((row.collection_id, row.version), []),
            "tags": row.tags,
            "digest": row.digest,
            "size": row.size,
            "count": row.count,
            "description": row.description,
            "metadata": unpack_tree(row.metadata),
            "created": row.created / 1e9,
            "state": row.state,
            "reason": row.reason,
            "source": sources.get(row.id) if row.is_link else None,
            "run": runs.get(row.id),
        }
        for row in rows
    ]


def _batches(numbers: Iterable[int]) -> Iterable[list[int]]:
    listed = sorted(numbers)
    return (listed[at : at + _AT_ONCE] for at in range(0, len(listed), _AT_ONCE))


async def _aliases(
    connection: AsyncConnection, versions: set[tuple[int, int]]
) -> dict[tuple[int, int], list[str]]:
    found: dict[tuple[int, int], list[str]] = {}
    listed = sorted(versions)
    for at in range(0, len(listed), _AT_ONCE):
        is_one = sa.tuple_(ALIASES.c.collection_id, ALIASES.c.version).in_(
            listed[at : at + _AT_ONCE]
        )
        query = sa.select(ALIASES).where(is_one).order_by(ALIASES.c.alias)
        for row in await connection.execute(query):
            found.setdefault((row.collection_id, row.version), []).append(row.alias)
    return found


def run_answer(row: Row) -> dict[str, object]:
    """A run, as artifacts name it."""
    return {
        "entity": row.entity,
        "project": row.project,
        "run": row.run,
        "name": row.run_name or row.run,
    }


RUN_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    PROJECTS.c.entity,
    PROJECTS.c.project,
    RUNS.c.run,
    RUNS.c.name.label("run_name"),
)


async def _runs(connection: AsyncConnection, artifacts: set[int]) -> dict[int, dict[str, Any]]:
    """Of each the first run that has logged it."""
    found: dict[int, dict[str, Any]] = {}
    for some in _batches(artifacts):
        query = (
            sa.select(USES.c.artifact_id, *RUN_COLUMNS)
            .join(RUNS, RUNS.c.id == USES.c.run_id)
            .join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id)
            .where(USES.c.artifact_id.in_(some), USES.c.how == "logged")
            .order_by(USES.c.wall.desc(), RUNS.c.id.desc())
        )
        for row in await connection.execute(query):
            found[row.artifact_id] = run_answer(row)
    return found


async def _sources(
    connection: AsyncConnection, artifacts: set[int]
) -> dict[int, dict[str, object]]:
    """Where linked ones were logged."""
    found: dict[int, dict[str, object]] = {}
    for some in _batches(artifacts):
        query = VERSIONS.where(ARTIFACTS.c.id.in_(some), MEMBERSHIPS.c.is_link == sa.false())
        for row in await connection.execute(query):
            found[row.id] = {
                "entity": row.entity,
                "project": row.project,
                "name": row.collection,
                "version": f"v{row.version}",
            }
    return found


__all__ = ["IS_OWN", "RUN_COLUMNS", "VERSIONS", "answers", "run_answer"]
