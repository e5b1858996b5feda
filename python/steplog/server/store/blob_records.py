"""Contents in the metadata store: which are stored, which are wanted, which nobody names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog._states import LIVE
from steplog.server.store.artifact_tables import ARTIFACTS, ENTRIES
from steplog.server.store.tables import (
    BLOBS,
    FILES,
    LOOSE,
    OF_ARTIFACTS,
    PROJECTS,
    RUNS,
    WRITERS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore

AGAIN_NANOS = 24 * 3600 * 1_000_000_000
"""How long the contents of a writer that is taken anew wait for their names to come again."""
UNSENT_NANOS = 24 * 3600 * 1_000_000_000
"""How long, since something of it came, a writer that died keeps the contents of artifacts: what
is left of its log may name them again, and `steplog sync` sends it."""
_NAMES_AT_ONCE = 10_000
"""Of a query: SQLite takes some 32,000 parameters."""


@dataclass(frozen=True)
class Wanted:
    """A content that has not come yet: its hash, its bytes and a file that holds it."""

    sha256: str
    size_bytes: int
    name: str


async def loosen(
    meta: MetaStore, connection: AsyncConnection, hashes: Iterable[str], *, wait_nanos: int = 0
) -> None:
    """Contents lose a name: those that nobody names after some time are removed then."""
    due = time.time_ns() + wait_nanos
    rows: list[dict[str, object]] = [{"sha256": one, "due": due} for one in sorted(set(hashes))]
    await meta.upsert(connection, LOOSE, rows, greatest=["due"])


class BlobRecords:
    """Reads and changes what is said of contents.

    Args:
        meta: Where.
        grace_nanos: How long contents stay that nobody names.
    """

    def __init__(self, meta: MetaStore, *, grace_nanos: int = 0) -> None:
        self._meta = meta
        self._grace_nanos = grace_nanos

    def _now(self) -> int:
        """What is due before has had its time."""
        return time.time_ns() - self._grace_nanos

    async def count_wanted(self, run_id: int, writer: str) -> int:
        """How many contents of a writer's files have not come."""
        count = sa.func.count(sa.distinct(FILES.c.sha256))
        async with self._meta.read() as connection:
            found = await connection.scalar(_wanted(count).where(_is_of(run_id, writer)))
        return int(found or 0)

    async def wanted(self, run_id: int, writer: str, most: int) -> list[Wanted]:
        """The contents of a writer's files that have not come, the smallest first."""
        size = sa.func.max(FILES.c.size)
        statement = (
            _wanted(FILES.c.sha256, size, sa.func.min(FILES.c.name))
            .where(_is_of(run_id, writer))
            .group_by(FILES.c.sha256)
            .order_by(size, FILES.c.sha256)
            .limit(most)
        )
        async with self._meta.read() as connection:
            return [Wanted(*row) for row in await connection.execute(statement)]

    async def wanted_size(self, sha256: str, run_id: int, writer: str) -> int | None:
        """The size of a content that a writer's files name, as they say it."""
        of_writer = sa.and_(_is_of(run_id, writer), FILES.c.sha256 == sha256)
        async with self._meta.read() as connection:
            found = await connection.scalar(_wanted(sa.func.max(FILES.c.size)).where(of_writer))
        return None if found is None else int(found)

    async def run_bytes(self, run_id: int) -> int:
        """What the files of a run come to, of each content once, as far as they are there."""
        size = sa.func.coalesce(BLOBS.c.size, sa.func.length(FILES.c.content))
        each = (
            sa.select(sa.func.max(size).label("size"))
            .select_from(FILES.outerjoin(BLOBS, BLOBS.c.sha256 == FILES.c.sha256))
            .where(FILES.c.run_id == run_id)
            .group_by(FILES.c.sha256)
            .subquery()
        )
        async with self._meta.read() as connection:
            return int(await connection.scalar(sa.select(sa.func.sum(each.c.size))) or 0)

    async def sizes(self, sha256: str) -> set[int]:
        """What the files that name a content that has not come say of its size."""
        statement = _wanted(FILES.c.size).where(FILES.c.sha256 == sha256)
        async with self._meta.read() as connection:
            return set(await connection.scalars(statement))

    async def stored_size(self, sha256: str) -> int | None:
        """The size of a content that is stored."""
        statement = sa.select(BLOBS.c.size).where(BLOBS.c.sha256 == sha256)
        async with self._meta.read() as connection:
            return await connection.scalar(statement)

    async def add(self, sha256: str, size: int) -> list[tuple[str, str, str]]:
        """A content is stored.

        Returns:
            (entity, project, run) of the runs that have it.
        """
        runs = (
            sa.select(PROJECTS.c.entity, PROJECTS.c.project, RUNS.c.run)
            .join(RUNS, RUNS.c.project_id == PROJECTS.c.id)
            .join(FILES, FILES.c.run_id == RUNS.c.id)
            .where(FILES.c.sha256 == sha256, FILES.c.size.is_not(None))
            .distinct()
        )
        async with self._meta.write() as connection:
            row: dict[str, object] = {"sha256": sha256, "size": size, "stored": time.time_ns()}
            await self._meta.upsert(connection, BLOBS, [row])
            found = [tuple(row) for row in await connection.execute(runs)]
            # The runs were deleted while it came, or it is an artifact's, which may be none by now.
            own = sa.select(FILES.c.name).where(_is_own(), FILES.c.sha256 == sha256)
            if (await connection.execute(own.limit(1))).first() is None:
                await loosen(self._meta, connection, [sha256])
        return found

    async def note_part(self, run_id: int, writer: str) -> None:
        """A part of a writer's contents has come."""
        is_it = sa.and_(WRITERS.c.run_id == run_id, WRITERS.c.writer == writer)
        async with self._meta.write() as connection:
            await connection.execute(
                sa.update(WRITERS).where(is_it).values(uploaded=time.time_ns())
            )

    async def postpone(self) -> None:
        """Contents whose time is over and that a writer may still need are looked at later."""
        is_over = LOOSE.c.due <= self._now()
        async with self._meta.write() as connection:
            await connection.execute(
                sa.update(LOOSE).where(is_over, _is_kept(LOOSE.c.sha256)).values(due=time.time_ns())
            )

    async def loose(self, most: int) -> list[str]:
        """Contents that lost a name and whose time is over."""
        is_over = sa.and_(LOOSE.c.due <= self._now(), ~_is_kept(LOOSE.c.sha256))
        statement = sa.select(LOOSE.c.sha256).where(is_over).limit(most)
        async with self._meta.read() as connection:
            return list(await connection.scalars(statement))

    async def give_up(self, sha256: str) -> bool:
        """A content is stored no longer, unless somebody names it; whether nobody does."""
        named = sa.select(FILES.c.name).where(_is_own(), FILES.c.sha256 == sha256)
        content = sa.literal(sha256)
        artifacts = sa.select(sa.literal(1)).where(
            sa.or_(is_of_artifact(content), _is_kept(content))
        )
        # It may have lost another name since it was listed, and be kept for that one's sake.
        waits = sa.select(LOOSE.c.due).where(LOOSE.c.sha256 == sha256, LOOSE.c.due > self._now())
        async with self._meta.write() as connection:
            for reason in (named, artifacts, waits):
                if (await connection.execute(reason.limit(1))).first() is not None:
                    return False
            await connection.execute(sa.delete(BLOBS).where(BLOBS.c.sha256 == sha256))
            # If the rest of such a log comes after all it may name it: then all of it is sent anew.
            has_it = (
                sa.select(FILES.c.name)
                .where(
                    FILES.c.sha256 == sha256,
                    FILES.c.run_id == WRITERS.c.run_id,
                    FILES.c.writer == WRITERS.c.writer,
                )
                .exists()
            )
            unended = sa.update(WRITERS).where(WRITERS.c.exit_code.is_(None), has_it)
            await connection.execute(unended.values(is_stale=True))
        return True

    async def settle(self, sha256: str) -> None:
        """A content that lost a name was looked at."""
        is_over = sa.and_(
            LOOSE.c.sha256 == sha256, LOOSE.c.due <= self._now(), ~_is_kept(LOOSE.c.sha256)
        )
        async with self._meta.write() as connection:
            await connection.execute(sa.delete(LOOSE).where(is_over))


def is_of_artifact(sha256: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an artifact names a content: one that is deleted, or has failed, names none."""
    entries = sa.select(ENTRIES.c.path).where(ENTRIES.c.sha256 == sha256)
    manifests = sa.select(ARTIFACTS.c.id).where(ARTIFACTS.c.manifest == sha256)
    return sa.or_(entries.exists(), manifests.exists())


def _is_own() -> sa.ColumnElement[bool]:
    """Whether a file is the run's own and large, and no content of an artifact."""
    return sa.and_(
        FILES.c.size.is_not(None), ~FILES.c.name.startswith(OF_ARTIFACTS, autoescape=True)
    )


def _is_kept(sha256: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a writer's log has a content for artifacts that may still come, or be read.

    A log has each content once, before the first artifact that names it: later ones may name it
    until the log ends.
    """
    files, writers, artifacts = FILES.alias("kept"), WRITERS.alias("of"), ARTIFACTS.alias("read")
    last = sa.case((writers.c.seen > writers.c.uploaded, writers.c.seen), else_=writers.c.uploaded)
    is_unread = (
        sa.select(artifacts.c.id)
        .where(
            artifacts.c.run_id == files.c.run_id,
            artifacts.c.writer.in_([files.c.writer, ""]),
            artifacts.c.state == "pending",
            ~artifacts.c.is_read,
        )
        .exists()
    )
    is_held = sa.or_(
        writers.c.state.in_(LIVE),
        sa.and_(writers.c.exit_code.is_(None), last > time.time_ns() - UNSENT_NANOS),
        is_unread,
    )
    held = (
        sa.select(files.c.name)
        .join(
            writers,
            sa.and_(writers.c.run_id == files.c.run_id, writers.c.writer == files.c.writer),
        )
        .where(
            files.c.sha256 == sha256,
            files.c.name.startswith(OF_ARTIFACTS, autoescape=True),
            is_held,
        )
    )
    return held.exists()


def _is_of(run_id: int, writer: str) -> sa.ColumnElement[bool]:
    return sa.and_(FILES.c.run_id == run_id, FILES.c.writer == writer)


def _wanted(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Of files whose content has not come and is still of use."""
    is_needed = sa.or_(_is_own(), is_of_artifact(FILES.c.sha256), _is_kept(FILES.c.sha256))
    return (
        sa.select(*columns)
        .select_from(FILES.outerjoin(BLOBS, BLOBS.c.sha256 == FILES.c.sha256))
        .where(FILES.c.size.is_not(None), BLOBS.c.sha256.is_(None), is_needed)
    )


async def hashes_of(
    connection: AsyncConnection, run_id: int, writer: str | None = None
) -> dict[tuple[str, str], str]:
    """The hashes of the large files of a run, or of a writer of it, by writer and name."""
    statement = sa.select(FILES.c.writer, FILES.c.name, FILES.c.sha256).where(
        FILES.c.run_id == run_id, FILES.c.size.is_not(None)
    )
    if writer is not None:
        statement = statement.where(FILES.c.writer == writer)
    return {(row.writer, row.name): row.sha256 for row in await connection.execute(statement)}


async def hashes_named(
    connection: AsyncConnection, run_id: int, writer: str, *, names: Sequence[str]
) -> list[str]:
    """The hashes of those large files of a writer that have one of these names."""
    found: list[str] = []
    for at in range(0, len(names), _NAMES_AT_ONCE):
        some = FILES.c.name.in_(names[at : at + _NAMES_AT_ONCE])
        statement = sa.select(FILES.c.sha256).where(_is_of(run_id, writer), some)
        found += await connection.scalars(statement.where(FILES.c.size.is_not(None)))
    return found


__all__ = [
    "AGAIN_NANOS",
    "UNSENT_NANOS",
    "BlobRecords",
    "Wanted",
    "hashes_named",
    "hashes_of",
    "is_of_artifact",
    "loosen",
]
