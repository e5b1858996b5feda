"""A content on its way out: whole, a part of it, or that it is unchanged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from steplog._errors import StorageError
from steplog.server.ranges import is_unchanged, span_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.run_files import Content

_log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
"""What a download holds in memory."""


async def send(
    request: web.Request, store: BlobStore, content: Content, *, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer a GET or HEAD of a content that is stored, conditions and ranges as RFC 9110 has them.

    Args:
        request: What asks.
        store: Where large contents are.
        content: What is asked for.
        headers: Of the answer, `Content-Type` among them.

    Raises:
        Problem: The content ends before the range that is asked for.
    """
    etag = f'"{content.sha256}"'
    headers = {**headers, "ETag": etag, "Accept-Ranges": "bytes"}
    if is_unchanged(request.headers, etag):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    # A range is of what GET answers; HEAD says what the whole is.
    span = span_of(request.headers, etag, content.size_bytes) if request.method == "GET" else None
    start, stop = span or (0, content.size_bytes)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size_bytes}"
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_length = stop - start
    await response.prepare(request)
    if request.method == "GET":
        await _write(request, response, store, content=content, span=(start, stop))
    await response.write_eof()
    return response


async def _write(
    request: web.Request,
    response: web.StreamResponse,
    store: BlobStore,
    *,
    content: Content,
    span: tuple[int, int],
) -> None:
    start, stop = span
    if content.whole is not None:
        await response.write(content.whole[start:stop])
        return
    try:
        for at in range(start, stop, _PIECE_BYTES):
            end = min(at + _PIECE_BYTES, stop)
            await response.write(await store.read(content.sha256, at, end))
    except StorageError as error:
        # The answer has begun: all that is left to say is that it ends early.
        _log.warning("%s: %s", request.path, error)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from error


__all__ = ["send"]
