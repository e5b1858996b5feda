"""The files of runs, as the metadata store has them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.blob_records import is_of_artifact
from steplog.server.store.changes import hash_of
from steplog.server.store.tables import BLOBS, FILES, OF_ARTIFACTS, WRITERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from steplog.server.store.meta import MetaStore

_NAMES_AT_ONCE = 10_000
"""Of a query: SQLite takes some 32,000 parameters."""

_IS_BLOB = FILES.c.size.is_not(None)
_IS_STORED = sa.or_(FILES.c.size.is_(None), BLOBS.c.sha256.is_not(None))
# The size of what is there is known better than from what a client says.
_SIZE = sa.func.coalesce(BLOBS.c.size, FILES.c.size, sa.func.length(FILES.c.content))
_IS_OF_ARTIFACTS = FILES.c.name.startswith(OF_ARTIFACTS, autoescape=True)
_IS_ITS_BLOB = sa.and_(_IS_BLOB, BLOBS.c.sha256 == FILES.c.sha256)


@dataclass(frozen=True)
class RunFile:
    """A file of a run, without its content.

    Attributes:
        name: Its path.
        size_bytes: How long it is.
        wall_nanos: When it was logged.
        writer: Whose it is.
        label: The writer's label.
        sha256: Of what it holds, in hexadecimal.
        is_stored: Whether that is there.
    """

    name: str
    size_bytes: int
    wall_nanos: int
    writer: str
    label: str
    sha256: str
    is_stored: bool

    def answer(self) -> dict[str, object]:
        """As the API has it."""
        return {
            "name": self.name,
            "size": self.size_bytes,
            "logged": self.wall_nanos / 1e9,
            "writer": self.writer,
            "label": self.label,
            "sha256": self.sha256,
            "state": "stored" if self.is_stored else "wanted",
        }


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        sha256: Its hash, in hexadecimal.
        size_bytes: How long it is.
        is_stored: Whether it is there.
        whole: All of it, of a small file; None: it is in the blob store.
    """

    sha256: str
    size_bytes: int
    is_stored: bool
    whole: bytes | None


@dataclass(frozen=True)
class NamedFile:
    """What is known of a file by its name: hash, bytes, and whether its content is there."""

    sha256: str
    size_bytes: int
    is_stored: bool


class RunFiles:
    """Reads the files of runs."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def of_run(self, run_id: int) -> list[RunFile]:
        """All of them, by name; of one name the latest first."""
        await self._hash_old(run_id)
        columns = (FILES.c.name, _SIZE, FILES.c.wall, FILES.c.writer, WRITERS.c.label)
        is_its = sa.and_(WRITERS.c.run_id == FILES.c.run_id, WRITERS.c.writer == FILES.c.writer)
        statement = (
            sa.select(*columns, FILES.c.sha256, _IS_STORED)
            .join(WRITERS, is_its)
            .outerjoin(BLOBS, _IS_ITS_BLOB)
            .where(FILES.c.run_id == run_id, ~_IS_OF_ARTIFACTS)
            .order_by(FILES.c.name, FILES.c.wall.desc(), FILES.c.writer)
        )
        async with self._meta.read() as connection:
            return [RunFile(*row) for row in await connection.execute(statement)]

    async def content(self, run_id: int, name: str, writer: str | None) -> Content | None:
        """What the latest file of a name holds, or that of a writer; None where there is none."""
        columns = (FILES.c.sha256, _SIZE, _IS_STORED.label("is_stored"), _IS_BLOB.label("is_blob"))
        statement = (
            sa.select(*columns, FILES.c.content, BLOBS.c.content)
            .outerjoin(BLOBS, _IS_ITS_BLOB)
            .where(FILES.c.run_id == run_id, FILES.c.name == name, ~_IS_OF_ARTIFACTS)
            .order_by(FILES.c.wall.desc(), FILES.c.writer)
            .limit(1)
        )
        if writer is not None:
            statement = statement.where(FILES.c.writer == writer)
        async with self._meta.read() as connection:
            found = (await connection.execute(statement)).one_or_none()
        if found is None:
            return None
        sha256, size, is_stored, is_blob, content, kept = found
        if is_blob:
            whole = None if kept is None else bytes(kept)
            return Content(sha256, size, bool(is_stored), whole)
        return Content(sha256 or hash_of(content), size, is_stored=True, whole=bytes(content))

    async def named(
        self, run_ids: Collection[int], names: Collection[str]
    ) -> dict[tuple[int, str], NamedFile]:
        """The files of runs by run and name, those that are there: the latest of each name."""
        columns = (FILES.c.run_id, FILES.c.name, FILES.c.sha256, _SIZE, _IS_STORED)
        found: dict[tuple[int, str], NamedFile] = {}
        asked = sorted(names)
        async with self._meta.read() as connection:
            for at in range(0, len(asked), _NAMES_AT_ONCE):
                statement = (
                    sa.select(*columns)
                    .outerjoin(BLOBS, _IS_ITS_BLOB)
                    .where(FILES.c.run_id.in_(run_ids))
                    .where(FILES.c.name.in_(asked[at : at + _NAMES_AT_ONCE]))
                    .order_by(FILES.c.wall, FILES.c.writer.desc())
                )
                for run_id, name, *rest in await connection.execute(statement):
                    found[run_id, name] = NamedFile(*rest)
        return found

    async def by_hash(self, sha256: str) -> Content | None:
        """What the files of a hash hold, of whichever run; None where no run has one."""
        columns = (_SIZE, _IS_STORED.label("is_stored"), _IS_BLOB.label("is_blob"))
        statement = (
            sa.select(*columns, FILES.c.content, BLOBS.c.content.label("kept"))
            .outerjoin(BLOBS, _IS_ITS_BLOB)
            .where(FILES.c.sha256 == sha256)
            # One that is here already, before one whose content is still to come.
            .order_by(_IS_STORED.desc(), _IS_BLOB)
            .limit(1)
        )
        # Its run may be gone.
        of_artifact = sa.select(BLOBS).where(
            BLOBS.c.sha256 == sha256, is_of_artifact(sa.literal(sha256))
        )
        async with self._meta.read() as connection:
            found = (await connection.execute(statement)).one_or_none()
            if found is None or not found.is_stored:
                alone = (await connection.execute(of_artifact)).one_or_none()
                if alone is not None:
                    whole = None if alone.content is None else bytes(alone.content)
                    return Content(sha256, alone.size, is_stored=True, whole=whole)
        if found is None:
            return None
        content = found.kept if found.is_blob else found.content
        whole = None if content is None else bytes(content)
        return Content(sha256, found[0], bool(found.is_stored), whole)

    async def small_ones(
        self, hashes: Collection[str], *, most_bytes: int, most_in_all: int
    ) -> dict[str, bytes]:
        """What the files of these hashes hold, of those that lie in the records and are small.

        The others are left out, and so are those for which `most_in_all` bytes leave no room.
        """
        of_runs = sa.select(FILES.c.sha256, FILES.c.content).where(
            ~_IS_BLOB, sa.func.length(FILES.c.content) <= most_bytes
        )
        kept = sa.select(BLOBS.c.sha256, BLOBS.c.content).where(
            BLOBS.c.content.is_not(None), BLOBS.c.size <= most_bytes
        )
        is_named = sa.select(FILES.c.name).where(FILES.c.sha256 == BLOBS.c.sha256).exists()
        statements = (
            kept.where(
                BLOBS.c.sha256.in_(hashes), sa.or_(is_named, is_of_artifact(BLOBS.c.sha256))
            ),
            of_runs.where(FILES.c.sha256.in_(hashes)),
        )
        found: dict[str, bytes] = {}
        room = most_in_all
        async with self._meta.read() as connection:
            for statement in statements:
                async for sha256, content in await connection.stream(statement):
                    if sha256 not in found and len(content) <= room:
                        found[sha256] = bytes(content)
                        room -= len(content)
        return found

    async def _hash_old(self, run_id: int) -> None:
        """Those of before hashes were kept have none: it is computed once."""
        of_run = sa.and_(FILES.c.run_id == run_id, FILES.c.sha256 == "")
        async with self._meta.read() as connection:
            columns = (FILES.c.writer, FILES.c.name)
            old = list(await connection.execute(sa.select(*columns).where(of_run)))
        for writer, name in old:
            is_it = sa.and_(of_run, FILES.c.writer == writer, FILES.c.name == name)
            # Read and written in one transaction: the file may be replaced meanwhile.
            async with self._meta.write() as connection:
                content = await connection.scalar(sa.select(FILES.c.content).where(is_it))
                if content is not None:
                    sha256 = await asyncio.to_thread(hash_of, content)
                    values = sa.update(FILES).where(is_it).values(sha256=sha256)
                    await connection.execute(values)
