"""From what was logged to a version: entries kept, contents awaited, numbers and aliases given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.schema import Problem
from steplog.server.store.artifact_loose import forget_entries
from steplog.server.store.artifact_order import wait_of
from steplog.server.store.artifact_parts import FailedError, logged_of, merge, parts_of
from steplog.server.store.artifact_requests import grant
from steplog.server.store.artifact_tables import (
    ARTIFACTS,
    COLLECTIONS,
    ENTRIES,
    MEMBERSHIPS,
    REQUESTS,
    USES,
)
from steplog.server.store.artifact_versions import add_version, open_collection, point
from steplog.server.store.blob_records import loosen
from steplog.server.store.manifest import ManifestError
from steplog.server.store.run_files import Content
from steplog.server.store.tables import BLOBS, PROJECTS, RUNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row
    from steplog.server.store.artifact_parts import Waits
    from steplog.server.store.manifest import Entry
    from steplog.server.store.meta import MetaStore

_HASHES_AT_ONCE = 10_000
"""Of a query: SQLite takes some 32,000 parameters."""


class ArtifactCommits:
    """Reads and changes artifacts that are pending."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def pending(self) -> list[int]:
        """The numbers of those that are no version yet, in the order in which they were logged."""
        query = sa.select(ARTIFACTS.c.id).where(ARTIFACTS.c.state == "pending")
        async with self._meta.read() as connection:
            return list(
                await connection.scalars(query.order_by(ARTIFACTS.c.logged, ARTIFACTS.c.id))
            )

    async def has_pending(self, run_id: int) -> bool:
        """Whether a run has logged one that is no version yet."""
        query = (
            sa.select(ARTIFACTS.c.id)
            .join(USES, USES.c.artifact_id == ARTIFACTS.c.id)
            .where(USES.c.run_id == run_id, ARTIFACTS.c.state == "pending")
            .limit(1)
        )
        async with self._meta.read() as connection:
            return await connection.scalar(query) is not None

    async def find(self, number: int) -> Row | None:
        """One that is pending still."""
        query = sa.select(ARTIFACTS).where(ARTIFACTS.c.id == number, ARTIFACTS.c.state == "pending")
        async with self._meta.read() as connection:
            return (await connection.execute(query)).one_or_none()

    async def content(self, sha256: str) -> Content | None:
        """A content that is stored."""
        query = sa.select(BLOBS).where(BLOBS.c.sha256 == sha256)
        async with self._meta.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        whole = None if row.content is None else bytes(row.content)
        return Content(sha256, row.size, is_stored=True, whole=whole)

    async def stored(self, hashes: Collection[str]) -> set[str]:
        """Which contents are stored."""
        found: set[str] = set()
        asked = sorted(hashes)
        async with self._meta.read() as connection:
            for at in range(0, len(asked), _HASHES_AT_ONCE):
                some = asked[at : at + _HASHES_AT_ONCE]
                query = sa.select(BLOBS.c.sha256).where(BLOBS.c.sha256.in_(some))
                found.update(await connection.scalars(query))
        return found

    async def keep_entries(self, number: int, entries: AsyncIterable[Sequence[Entry]]) -> None:
        """Keep the entries of a manifest; whoever is killed in between begins again."""
        size = count = 0
        async for some in entries:
            rows: list[dict[str, object]] = [
                {"artifact_id": number, **entry._asdict()} for entry in some
            ]
            # Each in a transaction: a batch that comes meanwhile does not wait for a million.
            async with self._meta.write() as connection:
                if not await _is_pending(connection, number):
                    return
                await self._meta.upsert(connection, ENTRIES, rows)
            size += sum(entry.size or 0 for entry in some)
            count += len(some)
        async with self._meta.write() as connection:
            await connection.execute(
                sa.update(ARTIFACTS)
                .where(ARTIFACTS.c.id == number)
                .values(is_read=True, size=size, count=count)
            )

    async def missing(self, number: int) -> str | None:
        """The largest content of its entries that is not stored; of those it comes last."""
        query = (
            sa.select(ENTRIES.c.sha256)
            .outerjoin(BLOBS, BLOBS.c.sha256 == ENTRIES.c.sha256)
            .where(ENTRIES.c.artifact_id == number, ENTRIES.c.sha256 != "")
            .where(BLOBS.c.sha256.is_(None))
            .order_by(ENTRIES.c.size.desc(), ENTRIES.c.sha256.desc())
            .limit(1)
        )
        async with self._meta.read() as connection:
            return await connection.scalar(query)

    async def check_sizes(self, number: int) -> None:
        """Check what its entries say of the size of contents that are stored.

        Raises:
            ManifestError: One has another size.
        """
        query = (
            sa.select(ENTRIES.c.path, ENTRIES.c.size, BLOBS.c.size.label("stored"))
            .join(BLOBS, BLOBS.c.sha256 == ENTRIES.c.sha256)
            .where(ENTRIES.c.artifact_id == number, ENTRIES.c.size != BLOBS.c.size)
            .order_by(ENTRIES.c.path)
            .limit(1)
        )
        async with self._meta.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is not None:
            raise ManifestError(
                f"`size` is {row.size:,}, of the entry {row.path!r:.200}, "
                f"and its content has {row.stored:,} bytes"
            )

    async def note(self, number: int, reason: str) -> None:
        """Say what one waits for."""
        is_it = sa.and_(
            ARTIFACTS.c.id == number, ARTIFACTS.c.state == "pending", ARTIFACTS.c.reason != reason
        )
        async with self._meta.write() as connection:
            await connection.execute(sa.update(ARTIFACTS).where(is_it).values(reason=reason))

    async def fail(self, number: int, reason: str) -> None:
        """It never becomes a version; what it names is free."""
        async with self._meta.write() as connection:
            if await _is_pending(connection, number):
                await self._fail(connection, number, reason)

    async def _fail(self, connection: AsyncConnection, number: int, reason: str) -> None:
        await forget_entries(self._meta, connection, [number])
        await connection.execute(
            sa.update(ARTIFACTS)
            .where(ARTIFACTS.c.id == number)
            .values(state="failed", reason=reason)
        )
        await self._grant(connection, number)

    async def commit(self, number: int, ready: Collection[int]) -> Waits | None:
        """Make one whose contents are all there a version, or the name of one.

        `ready` are those others whose contents are there as well. Returns what it waits for; None:
        it is committed, has failed, or was deleted meanwhile.
        """
        async with self._meta.write() as connection:
            query = sa.select(ARTIFACTS).where(
                ARTIFACTS.c.id == number, ARTIFACTS.c.state == "pending"
            )
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            try:
                parts, waits = await parts_of(connection, row, ready)
                waits = waits or await wait_of(connection, row)
                if waits is not None:
                    return waits
                digest = row.digest
                if parts:
                    digest = await merge(connection, number, parts)
                    await loosen(self._meta, connection, [row.manifest])
                await self._place(connection, row, digest=digest, parts=parts)
            except (FailedError, ManifestError) as error:
                await self._fail(connection, number, str(error))
            except Problem as problem:
                await self._fail(connection, number, problem.detail)
        return None

    async def _place(
        self, connection: AsyncConnection, row: Row, *, digest: str, parts: Sequence[Row]
    ) -> None:
        collection_id = await open_collection(connection, row.project_id, row.name, kind=row.type)
        same = (
            sa.select(MEMBERSHIPS)
            .join(ARTIFACTS, ARTIFACTS.c.id == MEMBERSHIPS.c.artifact_id)
            .where(MEMBERSHIPS.c.collection_id == collection_id, ~MEMBERSHIPS.c.is_link)
            .where(ARTIFACTS.c.digest == digest, ARTIFACTS.c.id != row.id)
            .order_by(MEMBERSHIPS.c.version)
            .limit(1)
        )
        found = (await connection.execute(same)).one_or_none()
        number = row.id if found is None else found.artifact_id
        logged = await logged_of(connection, row)
        version = await add_version(connection, collection_id, number, is_link=False, logged=logged)
        await connection.execute(
            sa.update(ARTIFACTS)
            .where(ARTIFACTS.c.id == row.id)
            .values(state="committed", reason="")
        )
        names = [part.id for part in parts if part.state == "pending"]
        await self._become(connection, names if found is None else [*names, row.id], number)
        aliases = list(dict.fromkeys([*row.aliases, "latest"]))
        await point(
            *(self._meta, connection, collection_id),
            version=version,
            aliases=aliases,
            logged=logged,
        )
        for one in (row.id, *names):
            await self._grant(connection, one)
        await self._grant(connection, row.id, collection_id=collection_id)

    async def _become(
        self, connection: AsyncConnection, numbers: Sequence[int], number: int
    ) -> None:
        """Artifacts become names of a version; what they held is free, their runs are its runs."""
        if not numbers:
            return
        await forget_entries(self._meta, connection, numbers)
        await connection.execute(
            sa.update(ARTIFACTS)
            .where(ARTIFACTS.c.id.in_(numbers))
            .values(state="committed", reason="", same_as=number)
        )
        is_theirs = USES.c.artifact_id.in_(numbers)
        uses: list[dict[str, object]] = [
            {**use._mapping, "artifact_id": number}  # noqa: SLF001  # SQLAlchemy's documented name
            for use in await connection.execute(sa.select(USES).where(is_theirs))
        ]
        await connection.execute(sa.delete(USES).where(is_theirs))
        await self._meta.upsert(connection, USES, uses, least=["wall"], greatest=["use_as"])

    async def _grant(
        self, connection: AsyncConnection, number: int, *, collection_id: int | None = None
    ) -> None:
        """Do what waited for an artifact, by its id or by its name."""
        if collection_id is None:
            key = sa.select(ARTIFACTS.c.key).where(ARTIFACTS.c.id == number)
            await grant(connection, self._meta, REQUESTS.c.artifact == key.scalar_subquery())
            return
        query = (
            sa.select(PROJECTS.c.entity, PROJECTS.c.project, COLLECTIONS.c.name)
            .join(COLLECTIONS, COLLECTIONS.c.project_id == PROJECTS.c.id)
            .where(COLLECTIONS.c.id == collection_id)
        )
        prefix = "/".join((await connection.execute(query)).one()) + ":"
        begins = REQUESTS.c.artifact.startswith(prefix, autoescape=True)
        await grant(connection, self._meta, begins)

    async def runs_of(self, number: int) -> list[tuple[str, str, str]]:
        """(entity, project, run) of those that logged an artifact, or the version it became."""
        query = (
            sa.select(PROJECTS.c.entity, PROJECTS.c.project, RUNS.c.run)
            .join(RUNS, RUNS.c.project_id == PROJECTS.c.id)
            .join(USES, USES.c.run_id == RUNS.c.id)
            .join(
                ARTIFACTS,
                sa.func.coalesce(ARTIFACTS.c.same_as, ARTIFACTS.c.id) == USES.c.artifact_id,
            )
            .where(ARTIFACTS.c.id == number)
            .distinct()
        )
        async with self._meta.read() as connection:
            return [tuple(row) for row in await connection.execute(query)]


async def _is_pending(connection: AsyncConnection, number: int) -> bool:
    query = sa.select(ARTIFACTS.c.state).where(ARTIFACTS.c.id == number)
    return await connection.scalar(query) == "pending"


__all__ = ["ArtifactCommits"]
