"""The files of runs out: which there are, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from steplog.server.downloads import send
from steplog.server.query import find_run, versioned
from steplog.server.schema import API, OCTETS, Code, Problem, check_writer
from steplog.server.store.run_files import RunFiles
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import RunFile


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
        # Whatever it is, a browser keeps it, and runs nothing of it.
        headers = {"Content-Type": OCTETS, "Content-Disposition": "attachment"}
        return await send(request, self._store, content, headers=headers)


__all__ = ["Contents"]
