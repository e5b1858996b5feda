"""Thumbnails for the page: what is asked for, made once, and kept."""

from __future__ import annotations

import asyncio
import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from steplog.server.hub import Locks
from steplog.server.picture import FORMATS, NoPictureError, thumbnail
from steplog.server.schema import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.run_files import Content
    from steplog.server.store.thumbnail_cache import ThumbnailCache

_THREADS = 2
"""At once: each may hold a picture of `MAX_PIXELS` of half a gigabyte, large ones one at a time."""
_WAITING = 1000
"""Requests that wait for a thumbnail: more than any page asks for."""
_SECS = 30.0
_LEAST, _MOST = 16, 2048
_MAX_FILE_BYTES = 256 << 20
_SIZE = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class Asked:
    """What is asked for: a box, and whether the picture covers it."""

    width: int
    height: int
    is_cover: bool

    @property
    def name(self) -> str:
        """Tells it from other thumbnails of a content."""
        return f"{self.width}x{self.height}{'-cover' if self.is_cover else ''}"


def asked_of(query: Mapping[str, str]) -> Asked | None:
    """What an address asks for: `w`, and if they are there `h` and `fit`; None: no thumbnail.

    Sizes are rounded up to powers of two, so that few are kept.

    Raises:
        Problem: One of them cannot be that.
    """
    if "w" not in query:
        for name in ("h", "fit"):
            if name in query:
                raise Problem(Code.INVALID, f"`{name}` is asked for with `w`", field=name)
        return None
    fit = query.get("fit", "contain")
    if fit not in {"contain", "cover"}:
        raise Problem(Code.INVALID, "`fit` is contain or cover", field="fit")
    width = _rounded(query["w"], field="w")
    height = _rounded(query["h"], field="h") if "h" in query else width
    return Asked(width, height, fit == "cover")


def _rounded(text: str, *, field: str) -> int:
    if not _SIZE.fullmatch(text) or not _LEAST <= int(text) <= _MOST:
        raise Problem(
            Code.INVALID, f"`{field}` is a number from {_LEAST} to {_MOST:,}", field=field
        )
    return 1 << (int(text) - 1).bit_length()


class Thumbnails:
    """Makes thumbnails on threads of its own."""

    def __init__(self, store: BlobStore, cache: ThumbnailCache) -> None:
        self._store = store
        self._cache = cache
        self._threads = ThreadPoolExecutor(_THREADS, "steplog-thumbnails")
        self._locks = Locks()
        self._waiting = 0

    async def of(self, content: Content, kind: str, asked: Asked) -> bytes:
        """A WebP of a content of a type; from the cache where it was made before.

        Raises:
            Problem: It is no picture, or none can be made of it, or not now.
        """
        if kind not in FORMATS:
            raise Problem(Code.NO_PICTURE, "it is no PNG, JPEG, GIF, WebP or BMP")
        if content.size_bytes > _MAX_FILE_BYTES:
            limit = f"{_MAX_FILE_BYTES >> 20} MiB"
            raise Problem(Code.NO_PICTURE, f"the file of the picture is larger than {limit}")
        if self._waiting >= _WAITING:
            raise _busy("too many thumbnails are asked for at once")
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._of(content, kind, asked), _SECS)
        except asyncio.TimeoutError as error:
            raise _busy(f"the thumbnail was not made within {_SECS:.0f} s") from error
        finally:
            self._waiting -= 1

    async def _of(self, content: Content, kind: str, asked: Asked) -> bytes:
        name = f"{content.sha256}-{asked.name}.webp"
        # Whoever asks for the same waits for who makes it.
        async with self._locks.of(name):
            found = await asyncio.to_thread(self._cache.get, name)
            if found is not None:
                return found
            make = partial(self._make, content, kind, asked)
            loop = asyncio.get_running_loop()
            try:
                made = await loop.run_in_executor(self._threads, make)
            except NoPictureError as error:
                raise Problem(Code.NO_PICTURE, str(error)) from error
            await asyncio.to_thread(self._cache.put, name, made)
            return made

    def _make(self, content: Content, kind: str, asked: Asked) -> bytes:
        whole = content.whole
        with self._store.open(content) if whole is None else io.BytesIO(whole) as file:
            return thumbnail(
                file, kind, width=asked.width, height=asked.height, is_cover=asked.is_cover
            )

    async def aclose(self) -> None:
        """Wait for what is being made; what waits is not made."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)


def _busy(why: str) -> Problem:
    return Problem(Code.BUSY, why, headers={"Retry-After": "2"})


__all__ = ["Asked", "Thumbnails", "asked_of"]
