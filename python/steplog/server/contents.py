"""The files of runs out: which there are, and what they hold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from steplog._errors import StorageError
from steplog.server.query import find_run, versioned
from steplog.server.ranges import is_unchanged, span_of
from steplog.server.schema import API, OCTETS, Code, Problem, check_writer
from steplog.server.store.run_files import RunFiles
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import Content, RunFile

_log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
"""What a download holds in memory."""


class Contents:
    """The handlers of the files of runs."""

    def __init__(self, meta: MetaStore, store: BlobStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._files = RunFiles(meta)
        self._store = store
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        run = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}"
        return [
            web.get(f"{run}/files", self.list),
            web.get(f"{run}/files/{{name:.+}}", self.get),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """The files of one run."""
        row = await find_run(self._runs, request)
        version = self._hub.version
        files = [await self._answer(file) for file in await self._files.of_run(row.id)]
        return versioned({"files": files}, version)

    async def _answer(self, file: RunFile) -> dict[str, object]:
        if file.is_stored:
            return file.answer()
        return {**file.answer(), "have": await self._store.have(file.sha256)}

    async def get(self, request: web.Request) -> web.StreamResponse:
        """What a file holds, or a part of it; `writer` chooses among those of one name."""
        row = await find_run(self._runs, request)
        name, writer = request.match_info["name"], request.query.get("writer")
        content = await self._files.content(
            row.id, name, None if writer is None else check_writer(writer)
        )
        if content is None:
            raise Problem(Code.NOT_FOUND, f"the run {row.run!r} has no file {name!r}")
        if not content.is_stored:
            raise Problem(Code.NOT_FOUND, f"the content of the file {name!r} has not come yet")
        etag = f'"{content.sha256}"'
        # Whatever it is, a browser keeps it, and runs nothing of it.
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Disposition": "attachment"}
        if is_unchanged(request.headers, etag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = OCTETS
        # A range is of what GET answers; HEAD says what the whole is.
        span = (
            span_of(request.headers, etag, content.size_bytes) if request.method == "GET" else None
        )
        start, stop = span or (0, content.size_bytes)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size_bytes}"
        response = web.StreamResponse(status=206 if span else 200, headers=headers)
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "GET":
            await self._send(request, response, content, start=start, stop=stop)
        await response.write_eof()
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        content: Content,
        *,
        start: int,
        stop: int,
    ) -> None:
        if content.whole is not None:
            await response.write(content.whole[start:stop])
            return
        try:
            for at in range(start, stop, _PIECE_BYTES):
                end = min(at + _PIECE_BYTES, stop)
                await response.write(await self._store.read(content.sha256, at, end))
        except StorageError as error:
            # The answer has begun: all that is left to say is that it ends early.
            _log.warning("%s: %s", request.path, error)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from error


__all__ = ["Contents"]
