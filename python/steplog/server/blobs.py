"""Contents of large files in: by parts, checked when whole, and removed when nobody names them."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from steplog.server.hub import Locks, to_its_end
from steplog.server.identity import writer_of
from steplog.server.schema import API, OCTETS, Code, Problem, check_sha256, whole_number
from steplog.server.store.blob_records import BlobRecords
from steplog.server.store.blobs import WrongContentError
from steplog.server.store.writers import WriterRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog.server.hub import Hub
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.writers import Writer

_log = logging.getLogger(__name__)

MAX_PART_BYTES = 16 << 20
_MOST_LISTED = 100
_PARTS_AT_ONCE = 16
"""Parts in memory: 256 MiB of them, however many processes upload."""
_PART_SECS = 300.0
"""A part that takes longer is given up: it must not keep others out."""
_OLD_SECS = 24 * 3600.0
"""Parts of a content of which none came for so long are removed."""
_SCAN_SECS = 3600.0
_LOOSE_AT_ONCE = 1000


@dataclass(frozen=True)
class BlobLimits:
    """What is kept of contents.

    Attributes:
        grace_secs: How long one stays that no file names any more.
        max_blob_bytes: Of one content; 0 for no limit.
        max_run_bytes: Of the files of a run; 0 for no limit.
    """

    grace_secs: float = 3600.0
    max_blob_bytes: int = 0
    max_run_bytes: int = 0


class Blobs:
    """The handlers of contents; one at a time changes what there is of one hash."""

    def __init__(
        self,
        meta: MetaStore,
        store: BlobStore,
        hub: Hub,
        *,
        limits: BlobLimits,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._wake = wake
        self._store = store
        self._hub = hub
        self._limits = limits
        self._records = BlobRecords(meta, grace_nanos=int(limits.grace_secs * 1e9))
        self._writers = WriterRecords(meta)
        self._locks = Locks()
        self._parts = asyncio.Semaphore(_PARTS_AT_ONCE)
        self._completing: set[str] = set()
        self._scan_at = 0.0

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        path = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}/writers/{{writer}}/blobs"
        return [web.get(path, self.list), web.put(f"{path}/{{sha256}}", self.put)]

    async def list(self, request: web.Request) -> web.Response:
        """The contents of a writer's files that have not come, the smallest first."""
        writer = await self._writer(request)
        wanted = await self._records.wanted(writer.run_id, writer.writer, _MOST_LISTED)
        return web.json_response(
            {
                "wanted": [
                    {
                        "sha256": one.sha256,
                        "size": one.size_bytes,
                        "name": one.name,
                        "have": await self._store.have(one.sha256),
                    }
                    for one in wanted
                ]
            }
        )

    async def put(self, request: web.Request) -> web.Response:
        """Store a part of a content; with the last one the content is checked, and there."""
        sha256 = check_sha256(request.match_info["sha256"])
        start = whole_number(request.query.get("from", ""), field="from")
        if request.content_type != OCTETS or "Content-Encoding" in request.headers:
            raise Problem(Code.MEDIA_TYPE, f"a part is {OCTETS} without Content-Encoding")
        writer = await self._writer(request)
        have = None
        async with self._parts:
            body = await _body(request)
            if sha256 not in self._completing:
                have = await self._locked_take(sha256, start, body, writer=writer)
        if have is None:
            # That takes long, and needs no part: nobody waits for it with one in memory.
            have = await self._locked_take(sha256, start, bytearray(), writer=writer)
        return web.json_response({"have": have})

    async def _locked_take(
        self, sha256: str, start: int, body: bytearray, *, writer: Writer
    ) -> int:
        async with self._locks.of(sha256):
            return await to_its_end(self._take(sha256, start, body, writer=writer))

    async def _writer(self, request: web.Request) -> Writer:
        name = writer_of(request)
        writer = await self._writers.find(*name[:3], writer=name[3])
        if writer is None:
            raise Problem(Code.NOT_FOUND, "there is no such run, or no such writer of it")
        return writer

    async def _take(self, sha256: str, start: int, body: bytearray, *, writer: Writer) -> int:
        stored = await self._records.stored_size(sha256)
        if stored is not None:
            return stored
        size = await self._records.wanted_size(sha256, writer.run_id, writer.writer)
        if size is None:
            raise Problem(Code.NOT_FOUND, "no file of this writer wants such a content")
        if start + len(body) > size:
            raise Problem(Code.INVALID, f"the content has {size:,} bytes, no more", field="from")
        have = await self._store.have(sha256)
        if have == 0:
            await self._check_limits(size, writer)
        # It may have all parts, and be none: the server was killed before it was put together.
        if have != size:
            if start != have:
                raise Problem(
                    Code.CONFLICT,
                    f"the server has {have:,} bytes of the content",
                    extra={"expected": have},
                )
            if body:
                await self._store.put_part(sha256, start, body)
                await self._records.note_part(writer.run_id, writer.writer)
                have += len(body)
        if have == size:
            await self._complete(sha256, size)
        return have

    async def _check_limits(self, size: int, writer: Writer) -> None:
        limits = self._limits
        if 0 < limits.max_blob_bytes < size:
            raise _over(f"the file has {size:,} bytes", "a file", limits.max_blob_bytes)
        if limits.max_run_bytes:
            there = await self._records.run_bytes(writer.run_id)
            if there + size > limits.max_run_bytes:
                what = f"with {size:,} bytes more the files of the run have {there + size:,}"
                raise _over(what, "those of a run", limits.max_run_bytes)

    async def _complete(self, sha256: str, size: int) -> None:
        self._completing.add(sha256)
        try:
            await self._store.complete(sha256)
        except WrongContentError as error:
            await self._store.remove_parts(sha256)
            raise Problem(
                Code.WRONG_CONTENT,
                "the content came whole, but its SHA-256 is another one: none of it is kept",
                extra={"have": 0},
            ) from error
        finally:
            self._completing.discard(sha256)
        runs = await self._records.add(sha256, size)
        self._wake()
        await self._store.remove_parts(sha256)
        for run in runs:
            self._hub.changed(*run)

    async def sweep(self) -> None:
        """Remove contents that nobody names any more, and at times what was left of uploads."""
        await self._records.postpone()
        for sha256 in await self._records.loose(_LOOSE_AT_ONCE):
            async with self._locks.of(sha256):
                # Who names it from here on waits for the lock, and sends it anew.
                if await self._records.give_up(sha256):
                    await self._store.remove(sha256)
                await self._records.settle(sha256)
        if time.monotonic() >= self._scan_at:
            self._scan_at = time.monotonic() + _SCAN_SECS
            for sha256 in await self._store.incoming():
                async with self._locks.of(sha256):
                    await self._look_at_parts(sha256)

    async def _look_at_parts(self, sha256: str) -> None:
        if await self._records.stored_size(sha256) is not None:
            await self._store.remove_parts(sha256)
            return
        sizes = await self._records.sizes(sha256)
        have = await self._store.have(sha256)
        if have in sizes:
            try:
                await self._complete(sha256, have)
            except Problem as problem:
                _log.warning("%s: %s", problem.detail, sha256)
            return
        newest = await self._store.newest_part(sha256)
        if time.time() - newest > _OLD_SECS:
            await self._store.remove_parts(sha256)


async def _body(request: web.Request) -> bytearray:
    """A part, at most 16 MiB of it.

    Raises:
        Problem: It is larger, or took too long.
    """
    body = bytearray()

    async def read() -> None:
        async for chunk in request.content.iter_any():
            body.extend(chunk)
            if len(body) > MAX_PART_BYTES:
                raise _too_large()

    if (request.content_length or 0) > MAX_PART_BYTES:
        raise _too_large()
    try:
        await asyncio.wait_for(read(), _PART_SECS)
    except asyncio.TimeoutError as error:
        raise Problem(Code.MALFORMED, "the body took too long") from error
    return body


def _over(what: str, whose: str, limit: int) -> Problem:
    # No 413: that asks for a smaller part.
    return Problem(
        Code.OVER_LIMIT, f"{what}, and this server takes {limit:,} of {whose}", extra={"have": 0}
    )


def _too_large() -> Problem:
    return Problem(Code.TOO_LARGE, f"a part has at most {MAX_PART_BYTES >> 20} MiB")


__all__ = ["MAX_PART_BYTES", "BlobLimits", "Blobs"]
