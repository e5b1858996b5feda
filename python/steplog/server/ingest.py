"""Batches in: checked, decoded, stored once, acknowledged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web

from steplog._errors import BatchError, BatchTooLargeError
from steplog.server._decode import Decoded, Decoder, peek_start
from steplog.server.hub import Locks, to_its_end
from steplog.server.identity import identity_of, writer_of
from steplog.server.leases import Leases
from steplog.server.schema import (
    API,
    FORMAT,
    MAX_BODY_BYTES,
    MAX_INT64,
    MSGPACK,
    PROTOCOL,
    Code,
    Problem,
)
from steplog.server.store.alerts import Alert
from steplog.server.store.blob_records import BlobRecords
from steplog.server.store.changes import Change, Changes
from steplog.server.store.log_limit import LogLimit
from steplog.server.store.writers import Writer, WriterRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_MAX_SESSIONS = 4096
"""Writers whose decoder is kept; another one is opened again from the stores."""
_LOOK_SECS = 2
"""How long one whose log another process uploads is to wait before it asks again."""
_DELETED_AT_ONCE = 1000
"""How many deleted runs' points one mutation removes."""


@dataclass
class _Session:
    """An open writer: what its next batch is decoded with."""

    writer: Writer
    decoder: Decoder
    points_after: int
    patches_after: int
    samples_after: int
    lines_after: tuple[int, int]
    wanted: int
    """Contents of its large files that had not come when it was last asked: 0 stays 0."""


@dataclass(frozen=True)
class _Batch:
    """A request, checked but not decoded."""

    entity: str
    project: str
    run: str
    writer: str
    after: int
    closed: bool
    last: bool
    revives: bool
    body: bytes


class Ingest:
    """The handlers of a writer's records; one inserter a writer at a time."""

    def __init__(
        self,
        meta: MetaStore,
        series: SeriesStore,
        hub: Hub,
        *,
        crashed_secs: float,
        max_log_bytes: int = 0,
        tell: Callable[[dict[str, object]], None] = lambda _: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._tell = tell
        self._wake = wake
        self._silence_nanos = int(crashed_secs * 1e9)
        self._series = series
        self._hub = hub
        self._records = WriterRecords(meta)
        self._blobs = BlobRecords(meta)
        self._changes = Changes(meta)
        self._log_limit = LogLimit(meta, series, max_log_bytes)
        self._locks = Locks()
        self._leases = Leases()
        self._sessions: dict[tuple[str, str, str, str], _Session] = {}

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        path = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}/writers/{{writer}}"
        return [
            web.post(f"{path}/records", self.post),
            web.delete(f"{path}/records", self.delete),
            web.get(path, self.get),
        ]

    async def get(self, request: web.Request) -> web.Response:
        """How far a writer has been acknowledged; 0 when it is unknown, or its run was deleted.

        `steplog sync` asks, which may bring a deleted run back. `records` is how many of its log
        there are; null where that is not known.
        """
        name = writer_of(request)
        found = await self._records.find(*name[:3], writer=name[3])
        if found is None or found.is_stale:
            return web.json_response({"acknowledged": 0, "records": 0, "wanted": 0})
        wanted = await self._blobs.count_wanted(found.run_id, found.writer)
        return web.json_response(
            {"acknowledged": found.acknowledged, "records": found.records, "wanted": wanted}
        )

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a writer's records, so that its log is taken anew, from its first record on."""
        name = writer_of(request)
        wait_secs = self._leases.held_secs(name)
        if wait_secs:
            raise await self._locked(name, wait_secs)
        async with self._locks.of(name):
            writer = await self._records.find(*name[:3], writer=name[3])
            if writer is None:
                raise Problem(Code.NOT_FOUND, "there is no such writer")
            self._sessions.pop(name, None)
            await to_its_end(self._forget(writer))
        self._hub.changed(*name[:3])
        return web.Response(status=204)

    async def _forget(self, writer: Writer) -> None:
        """Whoever is killed in between goes on with it when the writer is opened."""
        if not writer.is_stale:
            await self._records.mark_stale(writer)
        await self._series.delete_writer(writer.run_id, writer.writer)
        self._log_limit.forget(writer.run_id, writer.writer)
        await self._records.forget(writer, await self._series.key_counts(writer.run_id))

    async def _locked(self, name: tuple[str, str, str, str], wait_secs: float) -> Problem:
        found = await self._records.find(*name[:3], writer=name[3])
        return Problem(
            Code.LOCKED,
            "another process is uploading this log",
            extra={"acknowledged": 0 if found is None else found.acknowledged},
            headers={"Retry-After": str(max(1, min(_LOOK_SECS, round(wait_secs))))},
        )

    async def post(self, request: web.Request) -> web.Response:
        """Store a batch; when this answers, it survives the server's death."""
        entity, project, run, writer = writer_of(request)
        _check_headers(request)
        after = _after(request)
        closed = request.query.get("closed") == "1"
        body = await request.read()
        batch = _Batch(
            entity,
            project,
            run,
            writer,
            after=after,
            closed=closed,
            last=request.query.get("last") == "1",
            revives=request.query.get("revive") == "1",
            body=body,
        )
        name = (entity, project, run, writer)
        uploader = request.headers.get("Steplog-Uploader")
        wait_secs = self._leases.take(name, uploader)
        if wait_secs:
            raise await self._locked(name, wait_secs)
        async with self._locks.of(name):
            try:
                answer = await to_its_end(self._take(name, batch))
            except Problem as problem:
                if problem.code is Code.DELETED:
                    # It asks again and again, and must not keep out who brings the run back.
                    self._leases.end(name, uploader)
                raise
            except BatchError:
                raise
            except Exception:
                self._sessions.pop(name, None)
                raise
        return web.json_response(answer)

    async def _take(self, name: tuple[str, str, str, str], batch: _Batch) -> dict[str, int]:
        session = self._sessions.pop(name, None) or await self._open(batch)
        if batch.after > session.writer.acknowledged:
            self._keep(name, session)
            raise _conflict(session.writer.acknowledged)
        try:
            decoded = await asyncio.to_thread(
                session.decoder.decode,
                batch.body,
                after=batch.after,
                acknowledged=session.writer.acknowledged,
                points_after=session.points_after,
                patches_after=session.patches_after,
                samples_after=session.samples_after,
                lines_after=session.lines_after,
                max_decoded_bytes=MAX_BODY_BYTES,
            )
        except BatchTooLargeError as error:
            self._keep(name, session)
            raise Problem(Code.TOO_LARGE, str(error)) from error
        except BatchError as error:
            self._keep(name, session)
            raise Problem(Code.MALFORMED, str(error)) from error
        if any(size > MAX_INT64 for *_, size in decoded.blobs):
            raise Problem(Code.MALFORMED, "a file of over 2^63 - 1 bytes")
        await self._store(session, decoded, batch)
        writer = session.writer
        if session.wanted or decoded.blobs:
            session.wanted = await self._blobs.count_wanted(writer.run_id, writer.writer)
        if decoded.exit_code is None and not batch.closed:
            self._keep(name, session)
        if decoded.exit_code is not None or batch.closed or batch.last:
            self._leases.give_back(name)
        self._hub.changed(batch.entity, batch.project, batch.run)
        return {"acknowledged": writer.acknowledged, "wanted": session.wanted}

    def _keep(self, name: tuple[str, str, str, str], session: _Session) -> None:
        self._sessions[name] = session
        if len(self._sessions) > _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    async def _open(self, batch: _Batch) -> _Session:
        where = (batch.entity, batch.project, batch.run)
        writer = await self._records.find(*where, writer=batch.writer)
        found = (0, 0, 0)
        if writer is not None:
            found = await self._series.positions(writer.run_id, writer.writer)
            if not _has_all(writer, found):
                await self._forget(writer)
                writer = None
        if writer is None:
            writer = await self._create(batch)
            found = await self._series.positions(writer.run_id, writer.writer)
        last_steps = await self._series.last_steps(
            writer.run_id, writer.writer, writer.acknowledged
        )
        decoder = Decoder(writer.run_id, writer.writer, writer.label, writer.generation)
        decoder.restore(last_steps, writer.summary, writer.console)
        lines = await self._series.line_counts(writer.run_id, writer.writer)
        wanted = await self._blobs.count_wanted(writer.run_id, writer.writer)
        return _Session(writer, decoder, *found, lines, wanted)

    async def _create(self, batch: _Batch) -> Writer:
        where = (batch.entity, batch.project, batch.run)
        if not batch.revives and await self._records.was_deleted(*where, writer=batch.writer):
            raise _deleted()
        if batch.after > 0:
            raise _conflict(0)
        try:
            start = await asyncio.to_thread(_start_of, batch)
        except BatchTooLargeError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error
        except BatchError as error:
            raise Problem(Code.MALFORMED, str(error)) from error
        if start is None:
            raise Problem(
                Code.NOT_FOUND, "there is no such run, and the batch does not begin with its start"
            )
        _check_start(start, batch)
        return await self._records.create(
            *where,
            writer=batch.writer,
            identity=identity_of(start),
            now=time.time_ns(),
        )

    async def _store(self, session: _Session, decoded: Decoded, batch: _Batch) -> None:
        await self._series.insert("points", decoded.points)
        await self._series.insert("patches", decoded.patches)
        await self._series.insert("samples", decoded.samples)
        await self._series.insert("lines", decoded.lines)
        writer = session.writer
        summary = session.decoder.summary_state() if decoded.records else None
        change = Change(
            writer=writer,
            acknowledged=max(writer.acknowledged, decoded.end),
            last_point=max(writer.last_point, decoded.last_point, session.points_after),
            last_patch=max(writer.last_patch, decoded.last_patch, session.patches_after),
            last_sample=max(writer.last_sample, decoded.last_sample, session.samples_after),
            now_nanos=time.time_ns(),
            # What stands in for a start that cannot be read is none of the log's.
            records=decoded.records - int(bool(decoded.start and decoded.start.get("stands_in"))),
            last_step=decoded.last_step,
            last_wall=decoded.last_wall,
            summary=summary,
            console=session.decoder.console_state() if decoded.records else None,
            config=decoded.config,
            keys=decoded.keys,
            exit_code=decoded.exit_code,
            facts=decoded.facts,
            files=decoded.files,
            blobs=decoded.blobs,
            alerts=[Alert(*alert) for alert in decoded.alerts],
            artifacts=decoded.artifacts,
            preempting=decoded.preempting,
            closed=batch.closed,
        )
        told = await self._changes.apply(change)
        if told is None:
            await self._series.delete([writer.run_id])
            raise _deleted()
        for alert in told:
            run = {"entity": batch.entity, "project": batch.project, "run": batch.run}
            self._tell({**run, **alert.answer()})
        if decoded.artifacts or decoded.files:
            self._wake()
        await self._log_limit.note(writer.run_id, writer.writer, len(decoded.lines))
        session.writer = replace(
            writer,
            acknowledged=change.acknowledged,
            last_point=change.last_point,
            last_patch=change.last_patch,
            last_sample=change.last_sample,
            summary=b"",
            console=b"",
        )

    async def expire(self) -> None:
        """Writers that were silent for too long are crashed."""
        before = time.time_ns() - self._silence_nanos
        for entity, project, run in await self._records.expire(before):
            self._hub.changed(entity, project, run)

    async def forget_deleted(self) -> None:
        """Remove the points of deleted runs."""
        while runs := await self._records.deleted(_DELETED_AT_ONCE):
            await self._series.delete(runs)
            await self._records.forget_deleted(runs)

    def drop(self, entity: str, project: str, run: str) -> None:
        """Forget the open writers of a run that is deleted."""
        for name in [name for name in self._sessions if name[:3] == (entity, project, run)]:
            del self._sessions[name]


def _has_all(writer: Writer, found: tuple[int, int, int]) -> bool:
    """Whether power loss took none of the points that were acknowledged, nor are they to go."""
    known = (writer.last_point, writer.last_patch, writer.last_sample)
    return not writer.is_stale and all(
        is_at >= was_at for is_at, was_at in zip(found, known, strict=True)
    )


def _deleted() -> Problem:
    return Problem(Code.DELETED, "the run was deleted; its folder keeps the data")


def _conflict(expected: int) -> Problem:
    return Problem(
        Code.CONFLICT,
        f"the server has this writer up to position {expected}",
        extra={"expected": expected},
    )


def _check_headers(request: web.Request) -> None:
    if request.headers.get("Steplog-Protocol") != PROTOCOL:
        raise Problem(
            Code.PROTOCOL,
            f"this server speaks protocol {PROTOCOL}",
            headers={"Steplog-Protocol": PROTOCOL, "Upgrade": f"steplog/{PROTOCOL}"},
        )
    if request.content_type != MSGPACK or request.headers.get("Content-Encoding") != "zstd":
        raise Problem(Code.MEDIA_TYPE, f"a batch is {MSGPACK}, Content-Encoding zstd")


def _after(request: web.Request) -> int:
    text = request.query.get("after", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_INT64):  # noqa: PLR2004  # digits of 2^63
        raise Problem(Code.INVALID, "`after` must be a position", field="after")
    return int(text)


def _check_start(start: Mapping[str, object], batch: _Batch) -> None:
    """Check that the log is the address's, and of a version that is read."""
    whose = ("run", batch.run), ("writer", batch.writer)
    place = ("entity", batch.entity), ("project", batch.project)
    is_own = all(start.get(name) == value for name, value in whose)
    if not is_own or any(start.get(name, value) != value for name, value in place):
        raise Problem(Code.MALFORMED, "the batch begins with the start of another log")
    version = start.get("format", FORMAT)
    if version != FORMAT:
        raise Problem(
            Code.PROTOCOL, f"this server reads records of format {FORMAT}, not {version!r:.40}"
        )


def _start_of(batch: _Batch) -> Mapping[str, object] | None:
    """The start record of a first batch, if it begins with one; the batch is checked whole.

    Raises:
        BatchError: It is none.
    """
    start = peek_start(batch.body, MAX_BODY_BYTES)
    if start is not None:
        decoder = Decoder(0, batch.writer, "", 0)
        decoder.decode(
            batch.body,
            after=0,
            acknowledged=0,
            points_after=0,
            patches_after=0,
            samples_after=0,
            lines_after=(0, 0),
            max_decoded_bytes=MAX_BODY_BYTES,
        )
    return start


__all__ = ["Ingest"]
