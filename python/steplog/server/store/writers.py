"""Writers in the metadata store: who they are, how far each has come, which of them live."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog._errors import InternalError
from steplog._states import LIVE, STATES
from steplog.server.store.artifact_tables import ARTIFACTS
from steplog.server.store.attempts import deciding, newest_of
from steplog.server.store.blob_records import AGAIN_NANOS, hashes_of, loosen
from steplog.server.store.exact import pack
from steplog.server.store.tables import (
    DELETED,
    DELETED_WRITERS,
    FILES,
    KEYS,
    LOG_CUTS,
    PROJECTS,
    RUNS,
    WRITERS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore


_MAX_GENERATION = (1 << 32) - 1


@dataclass(frozen=True)
class Writer:
    """A writer as the metadata store knows it."""

    run_id: int
    writer: str
    label: str
    generation: int
    acknowledged: int
    last_point: int
    last_patch: int
    last_sample: int
    summary: bytes
    console: bytes = b""
    records: int | None = 0
    is_stale: bool = False


@dataclass(frozen=True)
class Identity:
    """Who a run is: its run start record, checked."""

    name: str
    notes: str
    tags: list[str]
    group: str
    job_type: str
    label: str
    parent: str
    resumed: bool
    follows: list[str]
    generation: int
    start_step: int
    forked_run: str
    forked_step: int
    wall_nanos: int


def _is_run(entity: str, project: str, run: str) -> sa.ColumnElement[bool]:
    return sa.and_(PROJECTS.c.entity == entity, PROJECTS.c.project == project, RUNS.c.run == run)


def is_writer(writer: Writer) -> sa.ColumnElement[bool]:
    """That a row of `WRITERS` is this writer's."""
    return sa.and_(WRITERS.c.run_id == writer.run_id, WRITERS.c.writer == writer.writer)


def key_rows(run_id: int, keys: Sequence[tuple[str, int, int, int]]) -> list[dict[str, object]]:
    """Rows of `KEYS`, out of the name, kinds, count and last step of each."""
    return [
        {"run_id": run_id, "key": key, "kinds": kinds, "n": n, "last_step": last}
        for key, kinds, n, last in keys
    ]


def new_id(inserted: sa.CursorResult[Any]) -> int:
    """The number of a row that was inserted."""
    key = inserted.inserted_primary_key
    if key is None:
        raise InternalError("the database gave a new row no number")
    return int(key[0])


class WriterRecords:
    """Reads and changes writers."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def find(self, entity: str, project: str, run: str, *, writer: str) -> Writer | None:
        """A writer, if the store knows it."""
        query = (
            sa.select(WRITERS)
            .join(RUNS, RUNS.c.id == WRITERS.c.run_id)
            .join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id)
            .where(_is_run(entity, project, run), WRITERS.c.writer == writer)
        )
        async with self._meta.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return (
            None
            if row is None
            else Writer(
                row.run_id,
                row.writer,
                row.label,
                row.generation,
                row.acknowledged,
                row.last_point,
                row.last_patch,
                row.last_sample,
                row.summary,
                row.console,
                row.records,
                row.is_stale,
            )
        )

    async def was_deleted(self, entity: str, project: str, run: str, *, writer: str) -> bool:
        """Whether a writer's run was deleted, and the writer has not come back since."""
        query = (
            sa.select(DELETED_WRITERS.c.writer)
            .join(PROJECTS, PROJECTS.c.id == DELETED_WRITERS.c.project_id)
            .where(PROJECTS.c.entity == entity, PROJECTS.c.project == project)
            .where(DELETED_WRITERS.c.run == run, DELETED_WRITERS.c.writer == writer)
        )
        async with self._meta.read() as connection:
            return await connection.scalar(query) is not None

    async def create(
        self,
        entity: str,
        project: str,
        run: str,
        *,
        writer: str,
        identity: Identity,
        now: int,
    ) -> Writer:
        """A writer that the store does not know yet, with its run and project where needed.

        The run keeps what its first writer said of it; empty fields are filled by later ones. The
        writer gets a label that no other one of its run has had; one that goes on gets that of
        those that it goes on from, and its next generation.
        """
        async with self._meta.write() as connection:
            project_id = await self._project(connection, entity, project)
            run_id = await self._run(connection, project_id, run, identity=identity)
            await connection.execute(
                sa.delete(DELETED_WRITERS).where(
                    DELETED_WRITERS.c.project_id == project_id,
                    DELETED_WRITERS.c.run == run,
                    DELETED_WRITERS.c.writer == writer,
                )
            )
            others = await connection.execute(
                sa.select(WRITERS).where(WRITERS.c.run_id == run_id).order_by(WRITERS.c.id)
            )
            label, generation = _place(identity, writer, list(others))
            await connection.execute(
                sa.insert(WRITERS).values(
                    run_id=run_id,
                    writer=writer,
                    label=label,
                    parent=identity.parent,
                    seen=now,
                    state="running",
                    preempting=False,
                    generation=generation,
                    resumed=identity.resumed,
                    follows=identity.follows,
                    start_step=identity.start_step,
                    first_wall=identity.wall_nanos,
                    last_wall=identity.wall_nanos,
                    acknowledged=0,
                    records=0,
                    last_point=0,
                    last_patch=0,
                    last_sample=0,
                    summary=b"",
                )
            )
        return Writer(run_id, writer, label, generation, 0, 0, 0, 0, b"")

    async def _project(self, connection: AsyncConnection, entity: str, project: str) -> int:
        query = sa.select(PROJECTS.c.id).where(
            PROJECTS.c.entity == entity, PROJECTS.c.project == project
        )
        found = await connection.scalar(query)
        if found is None:
            insert = sa.insert(PROJECTS).values(entity=entity, project=project)
            found = new_id(await connection.execute(insert))
        return int(found)

    async def _run(
        self, connection: AsyncConnection, project_id: int, run: str, *, identity: Identity
    ) -> int:
        query = sa.select(RUNS).where(RUNS.c.project_id == project_id, RUNS.c.run == run)
        found = (await connection.execute(query)).one_or_none()
        said = {
            "name": identity.name,
            "notes": identity.notes,
            "tags": identity.tags,
            "group_name": identity.group,
            "job_type": identity.job_type,
            "forked_run": identity.forked_run,
        }
        if found is not None:
            missing: dict[str, object] = {
                name: value for name, value in said.items() if value and not getattr(found, name)
            }
            # An earlier attempt may arrive after the one that went on.
            if identity.wall_nanos < found.created:
                missing["created"] = identity.wall_nanos
            if "forked_run" in missing:
                missing["forked_step"] = identity.forked_step
            if missing:
                await connection.execute(
                    sa.update(RUNS).where(RUNS.c.id == found.id).values(**missing)
                )
            return int(found.id)
        insert = sa.insert(RUNS).values(
            project_id=project_id,
            run=run,
            state="running",
            records=0,
            last_step=-1,
            created=identity.wall_nanos,
            updated=identity.wall_nanos,
            config=pack({}),
            summary=pack({}),
            forked_step=identity.forked_step,
            **said,
        )
        return new_id(await connection.execute(insert))

    async def mark_stale(self, writer: Writer) -> None:
        """What the series store has of a writer is to go: `forget` follows, if after a restart."""
        async with self._meta.write() as connection:
            await connection.execute(
                sa.update(WRITERS).where(is_writer(writer)).values(is_stale=True)
            )

    async def forget(self, writer: Writer, keys: Sequence[tuple[str, int, int, int]]) -> None:
        """Take back all of a writer, so that it is sent again, from its start record on.

        `keys` are those of the run without it, as `SeriesStore.key_counts` counts them.
        """
        async with self._meta.write() as connection:
            blobs = await hashes_of(connection, writer.run_id, writer.writer)
            # Its log names them again, and what they hold need not come twice.
            await loosen(self._meta, connection, blobs.values(), wait_nanos=AGAIN_NANOS)
            is_its = sa.and_(FILES.c.run_id == writer.run_id, FILES.c.writer == writer.writer)
            await connection.execute(sa.delete(FILES).where(is_its))
            # Until its log is here again what was logged later waits for what it had logged.
            is_logged = sa.and_(
                ARTIFACTS.c.run_id == writer.run_id, ARTIFACTS.c.writer == writer.writer
            )
            heard = sa.update(ARTIFACTS).where(is_logged, ARTIFACTS.c.state == "pending")
            await connection.execute(heard.values(heard=time.time_ns()))
            await connection.execute(sa.delete(WRITERS).where(is_writer(writer)))
            is_its = sa.and_(LOG_CUTS.c.run_id == writer.run_id, LOG_CUTS.c.writer == writer.writer)
            await connection.execute(sa.delete(LOG_CUTS).where(is_its))
            await connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == writer.run_id)
                .values(records=RUNS.c.records - (writer.records or 0))
            )
            await connection.execute(sa.delete(KEYS).where(KEYS.c.run_id == writer.run_id))
            await self._meta.upsert(connection, KEYS, key_rows(writer.run_id, keys))

    async def expire(self, before_nanos: int) -> list[tuple[str, str, str]]:
        """Writers that were not heard of since are crashed.

        Returns:
            (entity, project, run) of the runs whose state may have changed.
        """
        stale = sa.and_(WRITERS.c.state.in_(LIVE), WRITERS.c.seen < before_nanos)
        gone = sa.case((WRITERS.c.preempting, "preempted"), else_="crashed")
        async with self._meta.read() as connection:
            run_ids = set(await connection.scalars(sa.select(WRITERS.c.run_id).where(stale)))
        if not run_ids:
            return []
        async with self._meta.write() as connection:
            await connection.execute(sa.update(WRITERS).where(stale).values(state=gone))
            for run_id in run_ids:
                state = await run_state(connection, run_id)
                await connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**state))
            query = (
                sa.select(PROJECTS.c.entity, PROJECTS.c.project, RUNS.c.run)
                .join(RUNS, RUNS.c.project_id == PROJECTS.c.id)
                .where(RUNS.c.id.in_(run_ids))
            )
            return [(row.entity, row.project, row.run) for row in await connection.execute(query)]

    async def deleted(self, most: int) -> list[int]:
        """Runs whose points are still to be removed, at most so many."""
        async with self._meta.read() as connection:
            return list(await connection.scalars(sa.select(DELETED.c.run_id).limit(most)))

    async def forget_deleted(self, run_ids: Sequence[int]) -> None:
        """Deleted runs' points are gone."""
        async with self._meta.write() as connection:
            await connection.execute(sa.delete(DELETED).where(DELETED.c.run_id.in_(run_ids)))


def _place(
    identity: Identity, writer: str, others: Sequence[sa.Row[tuple[Any, ...]]]
) -> tuple[str, int]:
    """A newcomer's label and generation.

    Whoever goes on from others has their label, whichever of them comes first. Any other gets one
    that nobody has had, the one asked for if that can be: it must not hide what is there.
    """
    follows = set(identity.follows) if identity.resumed else set()
    kin = [
        row for row in others if row.writer in follows or (row.resumed and writer in row.follows)
    ]
    used = {row.label for row in others}
    if kin:
        label = str(kin[-1].label)
    elif identity.resumed and not follows:
        label = identity.label
    else:
        label, number = identity.label, 1
        while label in used:
            number += 1
            label = f"{identity.label}-{number}" if identity.label else str(number)
    before = [row.generation for row in others if row.label == label]
    # An earlier attempt may arrive after the one that went on.
    if identity.generation not in before:
        return label, identity.generation
    return label, min(max(before) + 1, _MAX_GENERATION)


async def run_state(connection: AsyncConnection, run_id: int) -> dict[str, object]:
    """A run's state and exit code as its writers say.

    Of the writers of a label the newest counts. One that runs makes the run run; else one whose end
    was none decides (`steplog._states`), of those of `deciding`.
    """
    of_run = sa.select(WRITERS).where(WRITERS.c.run_id == run_id)
    rows = list(await connection.execute(of_run))
    newest, decide = newest_of(rows), deciding(rows)
    for state in STATES:
        for row in newest:
            if row.state == state and (state in LIVE or row in decide):
                return {"state": state, "exit_code": row.exit_code}
    return {"state": "pending", "exit_code": None}
