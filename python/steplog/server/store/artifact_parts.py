"""Artifacts that are put together from several: a base, and parts that several processes log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.schema import MAX_INT64
from steplog.server.store.artifact_names import named
from steplog.server.store.artifact_tables import ARTIFACTS, ENTRIES, MEMBERSHIPS
from steplog.server.store.manifest import merged
from steplog.server.store.tables import PROJECTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row


class FailedError(Exception):
    """An artifact never becomes a version, and why."""


@dataclass(frozen=True)
class Waits:
    """A pending artifact waits for another one: what for."""

    reason: str


async def parts_of(
    connection: AsyncConnection, row: Row, ready: Collection[int]
) -> tuple[list[Row], Waits | None]:
    """What one is put together from beside its own entries: the first one that has a path counts.

    Raises:
        FailedError: One of them is none, or never will be.
    """
    found = await _shared(connection, row, ready) if row.distributed else []
    if isinstance(found, Waits):
        return [], found
    base = await _base_of(connection, row) if row.base else None
    if isinstance(base, Waits):
        return [], base
    return [*found, *([] if base is None else [base])], None


async def _base_of(connection: AsyncConnection, row: Row) -> Row | Waits | None:
    """What one adds to; None: to nothing, as the first one of its name.

    Raises:
        FailedError: That is no version, and never will be.
    """
    is_latest = row.base == await latest_of(connection, row)
    if is_latest and await _follows(connection, row):
        return Waits("it waits for what its process logged to this name before")
    base = await named(connection, row.base)
    if base is None and is_latest:
        return None
    if base is not None and base.id == row.id:
        raise FailedError("it is its own base")
    if base is None or base.state == "pending":
        return Waits(f"it waits for its base {row.base}")
    if base.state != "committed":
        raise FailedError(f"its base {row.base} is {base.state}: {base.reason}".removesuffix(": "))
    return base


async def latest_of(connection: AsyncConnection, row: Row) -> str:
    """How a log names the latest version of the collection that one was logged to."""
    query = sa.select(PROJECTS).where(PROJECTS.c.id == row.project_id)
    project = (await connection.execute(query)).one()
    return f"{project.entity}/{project.project}/{row.name}:latest"


async def _follows(connection: AsyncConnection, row: Row) -> bool:
    """Whether its process has logged one to the same name before that is pending still."""
    query = sa.select(ARTIFACTS.c.id).where(
        ARTIFACTS.c.project_id == row.project_id,
        ARTIFACTS.c.name == row.name,
        ARTIFACTS.c.state == "pending",
        ARTIFACTS.c.sequence == row.sequence,
        ARTIFACTS.c.logged < row.logged,
        # A part is there with its last one, which may be logged later and wait for this one.
        sa.or_(ARTIFACTS.c.distributed == "", ARTIFACTS.c.is_final),
        sa.or_(ARTIFACTS.c.distributed == "", ARTIFACTS.c.distributed != row.distributed),
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def _shared(
    connection: AsyncConnection, row: Row, ready: Collection[int]
) -> list[Row] | Waits:
    """The other parts of a distributed one, the latest first.

    Raises:
        FailedError: One of them has failed.
    """
    others = await _round_of(connection, row)
    pending = [one for one in others if one.state == "pending" and not one.is_final]
    parts = [one for one in pending if one.id in ready]
    done = [one for one in others if one.state == "committed"]
    if done:
        # It comes late: what is there already and this one are a further version.
        return [await _newest(connection, done), *parts]
    if not row.is_final:
        return _unless_final(others)
    if len(parts) < len(pending):
        return Waits("it waits for the contents of its parts")
    for one in others:
        if one.state == "failed":
            raise FailedError(f"its part {one.key} has failed: {one.reason}")
    return parts


async def _round_of(connection: AsyncConnection, row: Row) -> list[Row]:
    """The others that belong to the same version, the latest first.

    A group may finish one again and again: a part belongs to the first final one that was logged
    when it was, or later, by the clocks of those who logged them.
    """
    query = sa.select(ARTIFACTS).where(
        ARTIFACTS.c.distributed == row.distributed,
        ARTIFACTS.c.project_id == row.project_id,
        ARTIFACTS.c.name == row.name,
    )
    latest = query.order_by(ARTIFACTS.c.created.desc(), ARTIFACTS.c.key.desc())
    rows = list(await connection.execute(latest))
    ends = [one.created for one in rows if one.is_final]
    after = max((end for end in ends if end < row.created), default=-1)
    end = min((end for end in ends if end >= row.created), default=MAX_INT64)
    return [one for one in rows if after < one.created <= end and one.id != row.id]


async def logged_of(connection: AsyncConnection, row: Row) -> int:
    """When one was logged; a part that comes late counts as the version that it adds to."""
    if not row.distributed:
        return int(row.logged)
    others = await _round_of(connection, row)
    return max(int(one.logged) for one in (row, *others) if one.state == "committed" or one is row)


def _unless_final(others: Sequence[Row]) -> Waits:
    for one in others:
        if one.is_final and one.state in {"failed", "deleted"}:
            raise FailedError(f"the artifact that it is a part of, {one.key}, is {one.state}")
    return Waits("it waits for the last of its parts")


async def _newest(connection: AsyncConnection, done: Sequence[Row]) -> Row:
    numbers = {one.same_as or one.id for one in done}
    query = (
        sa.select(ARTIFACTS)
        .join(MEMBERSHIPS, MEMBERSHIPS.c.artifact_id == ARTIFACTS.c.id)
        .where(ARTIFACTS.c.id.in_(numbers), ~MEMBERSHIPS.c.is_link)
        .order_by(MEMBERSHIPS.c.version.desc())
        .limit(1)
    )
    return (await connection.execute(query)).one()


async def merge(connection: AsyncConnection, number: int, parts: Sequence[Row]) -> str:
    """Take over what others have at paths where it has nothing, the first ones first."""
    taken = ENTRIES.alias("taken")
    own = ENTRIES.alias("own")
    columns = [column for column in taken.c if column.name != "artifact_id"]
    for part in parts:
        is_there = (
            sa.select(own.c.path)
            .where(own.c.artifact_id == number, own.c.path == taken.c.path)
            .exists()
        )
        rows = sa.select(sa.literal(number), *columns).where(
            taken.c.artifact_id == part.id, ~is_there
        )
        names = ["artifact_id", *(column.name for column in columns)]
        await connection.execute(sa.insert(ENTRIES).from_select(names, rows))
    query = (
        sa.select(ENTRIES.c.path, ENTRIES.c.digest)
        .where(ENTRIES.c.artifact_id == number)
        .order_by(ENTRIES.c.path)
    )
    found = [(row.path, row.digest) for row in await connection.execute(query)]
    digest = await asyncio.to_thread(merged, found)
    size = sa.select(sa.func.coalesce(sa.func.sum(ENTRIES.c.size), 0)).where(
        ENTRIES.c.artifact_id == number
    )
    await connection.execute(
        sa.update(ARTIFACTS)
        .where(ARTIFACTS.c.id == number)
        .values(digest=digest, manifest="", size=size.scalar_subquery(), count=len(found))
    )
    return digest


__all__ = ["FailedError", "Waits", "latest_of", "logged_of", "merge", "parts_of"]
