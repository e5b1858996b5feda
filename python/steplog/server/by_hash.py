"""Contents out by their SHA-256, as what they are, or as a thumbnail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from steplog.server.body import read_json, texts_of
from steplog.server.downloads import send
from steplog.server.ranges import is_unchanged
from steplog.server.schema import (
    API,
    MAX_SMALL_BLOB_BYTES,
    MAX_SMALL_BLOBS,
    MAX_SMALL_BLOBS_BYTES,
    OCTETS,
    Code,
    Problem,
    check_sha256,
)
from steplog.server.sniff import HEAD_BYTES, kind_of
from steplog.server.store.run_files import RunFiles
from steplog.server.thumbnails import asked_of

if TYPE_CHECKING:
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import Content
    from steplog.server.thumbnails import Asked, Thumbnails

_CACHED = "private, max-age=31536000, immutable"
# In an origin of its own: it reads no cookie, no storage and nothing of the page around it.
_SANDBOX = "sandbox; frame-ancestors 'self'"
_PAGES = {
    "html": ("text/html; charset=utf-8", "sandbox allow-scripts; frame-ancestors 'self'"),
    "svg": (
        "image/svg+xml",
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " + _SANDBOX,
    ),
}
"""Of `as`: the content type, and what the browser lets it do."""


class ByHash:
    """The handler of contents by their hash."""

    def __init__(self, meta: MetaStore, store: BlobStore, thumbnails: Thumbnails) -> None:
        self._files = RunFiles(meta)
        self._store = store
        self._thumbnails = thumbnails

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get(f"{API}/blobs/{{sha256}}", self.get),
            web.post(f"{API}/blobs:read", self.read),
        ]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """What files of that hash hold, while some run names one."""
        sha256 = check_sha256(request.match_info["sha256"])
        page, asked = request.query.get("as"), asked_of(request.query)
        if page is not None and (page not in _PAGES or asked is not None):
            raise Problem(Code.INVALID, "`as` is html or svg, without `w`", field="as")
        content = await self._files.by_hash(sha256)
        if content is None:
            raise Problem(Code.NOT_FOUND, "no run has a file with that content")
        if not content.is_stored:
            raise Problem(Code.NOT_FOUND, "the content has not come yet")
        if asked is not None:
            return await self._thumbnail(request, content, asked)
        headers = {"Cache-Control": _CACHED, "Content-Security-Policy": _SANDBOX}
        if page is None:
            headers["Content-Type"] = await self._kind(content)
            if headers["Content-Type"] == OCTETS:
                headers["Content-Disposition"] = "attachment"
        else:
            headers["Content-Type"], headers["Content-Security-Policy"] = _PAGES[page]
        return await send(request, self._store, content, headers=headers)

    async def read(self, request: web.Request) -> web.Response:
        """Many small contents at once: a line of JSON that says which, and all of them behind it.

        What is large, not here or beyond the bound of an answer is left out: `get` has it, or says
        why not.
        """
        asked = texts_of(await read_json(request), "sha256", [], most=MAX_SMALL_BLOBS)
        found = await self._files.small_ones(
            {check_sha256(one) for one in asked},
            most_bytes=MAX_SMALL_BLOB_BYTES,
            most_in_all=MAX_SMALL_BLOBS_BYTES,
        )
        head = orjson.dumps({"contents": [[one, len(found[one])] for one in found]})
        headers = {"Content-Security-Policy": _SANDBOX, "Content-Disposition": "attachment"}
        body = b"".join([head, b"\n", *found.values()])
        return web.Response(body=body, content_type=OCTETS, headers=headers)

    async def _kind(self, content: Content) -> str:
        stop = min(HEAD_BYTES, content.size_bytes)
        if content.whole is not None:
            return kind_of(content.whole[:stop])
        return kind_of(await self._store.read(content.sha256, 0, stop) if stop else b"")

    async def _thumbnail(
        self, request: web.Request, content: Content, asked: Asked
    ) -> web.Response:
        etag = f'"{content.sha256}-{asked.name}"'
        headers = {"Cache-Control": _CACHED, "ETag": etag}
        if is_unchanged(request.headers, etag):
            return web.Response(status=304, headers=headers)
        made = await self._thumbnails.of(content, await self._kind(content), asked)
        return web.Response(body=made, content_type="image/webp", headers=headers)


__all__ = ["ByHash"]
