"""The files of an artifact from a server into a folder: each of them whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import anyio
import anyio.to_thread

from steplog._errors import NotFoundError, RefusedError, ServerError
from steplog._placing import place
from steplog._terminal import say
from steplog.artifacts import parts, references
from steplog.artifacts.cache import Cache, alone
from steplog.artifacts.manifest import md5_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from steplog.artifacts.manifest import Entry
    from steplog.client.connection import Connection

    _Placed = tuple[Entry, Path]

__all__ = ["Fetching", "differing", "is_right"]

_OCTETS = "application/octet-stream"
_UNKNOWN = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
"""Of a server, or a proxy before it, that knows no request for several contents."""
_WORKERS = 8
"""As many as the connection has."""
_PAUSES_SECS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Between tries of which none brings anything."""
_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 1 << 20
"""Up to this a content is asked for at once, and not gone on with in its middle."""
_TINY_BYTES = 64 << 10
"""Up to this contents are asked for together: the server gives no larger ones so."""
_TOGETHER = 256
"""Contents of a request: the request itself is then a hundredth of what it costs."""
_TOGETHER_BYTES = 4 << 20
"""Of the contents of a request: what is asked for again when the connection breaks."""


class Fetching:
    """Fetches entries of one artifact into a folder.

    What is there and right stays; everything else is written beside its place, checked by its hash
    and then put there. A connection that breaks is gone on with where it ended, also by the next
    call after this one was interrupted.

    Args:
        connection: To the server.
        root: The folder.
        allow_missing_references: Whether references may lead to nothing; that is said.
        skip_cache: Neither look into the cache nor keep anything there.
    """

    def __init__(
        self,
        connection: Connection,
        root: Path,
        *,
        allow_missing_references: bool = False,
        skip_cache: bool = False,
    ) -> None:
        self._connection = connection
        self._root = root
        self._may_be_missing = allow_missing_references
        cache = Cache.of(connection.settings)
        self._cache = None if skip_cache or not cache.most_bytes else cache
        self._has_admitted = False
        self._has_together = True
        # Threads that write many tiny files take the interpreter from each other at each of them.
        self._disk = anyio.CapacityLimiter(1)

    async def fetch(self, entries: Iterable[Entry]) -> None:
        """Have these entries in the folder.

        Raises:
            NotFoundError: A reference leads to nothing.
            ServerError: The server refused or stays away, a content is not what it should be, or a
                path leads out of the folder.
            OSError: The folder cannot be written.
        """
        wanted = list(entries)
        waiting = iter(_jobs_of(wanted))
        failed: list[Exception] = []

        async def work() -> None:
            for job in waiting:  # shared: each takes the next one
                if failed:
                    return
                try:
                    await self._do(job)
                except Exception as error:  # noqa: BLE001  # raised below, without a group around it
                    failed.append(error)

        await anyio.to_thread.run_sync(self._begin_cache)
        async with anyio.create_task_group() as tasks:
            for _ in range(_WORKERS):
                tasks.start_soon(work)
        if self._cache is not None and self._has_admitted:
            with contextlib.suppress(OSError):
                await anyio.to_thread.run_sync(self._cache.trim, self._cache.most_bytes)
        if failed:
            raise failed[0]
        folders = {(self._root / entry.path).parent for entry in wanted}
        await anyio.to_thread.run_sync(parts.remove_left, folders)

    def _begin_cache(self) -> None:
        """Look whether there is a cache; without one all is fetched."""
        if self._cache is None:
            return
        try:
            self._cache.begin()
        except OSError as error:
            folder, self._cache = self._cache.folder, None
            if folder not in _told:
                _told.add(folder)
                why = error.strerror or str(error)
                say(f"warning: the cache of artifacts is left out: {why}: {folder}")

    async def _do(self, job: list[Entry]) -> None:
        """Have one entry, or several that are tiny."""
        limiter = self._disk if len(job) > 1 else None  # large ones are hashed beside each other
        placed = await anyio.to_thread.run_sync(self._places, job, limiter=limiter)
        if len(placed) > 1 and self._has_together:
            placed = await self._together(placed)
        for entry, target in placed:
            await self._one(entry, target)

    def _places(self, job: list[Entry]) -> list[_Placed]:
        """Where entries go, those that are not there."""
        placed = [(entry, self._place(entry)) for entry in job]
        return [(entry, target) for entry, target in placed if target is not None]

    async def _together(self, placed: list[_Placed]) -> list[_Placed]:
        """Have tiny entries by one request; gives those that did not come by it."""
        contents = await self._tiny({entry.sha256 for entry, _ in placed})

        def keep() -> list[_Placed]:
            left = []
            for entry, target in placed:
                content = contents.get(entry.sha256)
                if content is None:
                    left.append((entry, target))
                else:
                    self._keep(entry, content, target)
            return left

        return await anyio.to_thread.run_sync(keep, limiter=self._disk)

    async def _one(self, entry: Entry, target: Path) -> None:
        if entry.ref is None and entry.size is not None and entry.size <= _SMALL_BYTES:
            content = await self._small(entry)
            await anyio.to_thread.run_sync(self._keep, entry, content, target)
            return
        if entry.ref is None:
            await self._from_server(entry, target)
        else:
            await anyio.to_thread.run_sync(self._reference, entry, target)

    def _place(self, entry: Entry) -> Path | None:
        """Where an entry goes; None where it is there, also as the cache had it."""
        target = place(self._root, entry.path, replace=True)
        is_hashed = entry.ref is None or entry.ref.startswith("file:")
        if is_hashed and is_right(target, entry):
            return None
        if entry.ref is None and self._cache is not None:
            try:
                if self._from_cache(self._cache, entry, target):
                    return None
            except PermissionError:  # of another user's cache
                self._cache = None
        return target

    def _from_cache(self, cache: Cache, entry: Entry, target: Path) -> bool:
        with parts.beside(target) as temporary:
            is_there = cache.copy_to(entry.sha256, temporary)
            if is_there:
                temporary.replace(target)
        return is_there

    async def _small(self, entry: Entry) -> bytes:
        """A content that is asked for at once, however often the connection breaks."""
        path = f"/blobs/{entry.sha256}"
        return await self._asked(partial(self._connection.ask, path, accept=_OCTETS))

    async def _tiny(self, hashes: set[str]) -> dict[str, bytes]:
        """Those contents that one request brings, by their hashes."""
        ask = partial(
            self._connection.ask, "/blobs:read", body={"sha256": sorted(hashes)}, accept=_OCTETS
        )
        try:
            return _contents_in(await self._asked(ask))
        except RefusedError as error:
            if error.status not in _UNKNOWN:
                raise
            self._has_together = False
            return {}

    async def _asked(self, ask: Callable[[], Awaitable[tuple[bytes, str | None]]]) -> bytes:
        """What a request brings, however often the connection breaks."""
        failures = 0
        while True:
            try:
                content, _ = await ask()
            except RefusedError:
                raise
            except ServerError:
                if failures == len(_PAUSES_SECS):
                    raise
                await anyio.sleep(_PAUSES_SECS[failures])
                failures += 1
            else:
                return content

    def _keep(self, entry: Entry, content: bytes, target: Path) -> None:
        """Check a content, and put it in its place and into the cache."""
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise _wrong(entry)
        parts.write(target, content)
        if self._cache is not None:
            try:
                self._cache.keep(content, entry.sha256)
                self._has_admitted = True
            except OSError:  # a cache that cannot be written is none
                self._cache = None

    def _reference(self, entry: Entry, target: Path) -> None:
        """Write what a reference leads to, unless that is nothing and need not be there."""
        try:
            with parts.beside(target) as temporary:
                with temporary.open("wb") as file:
                    references.fetch(entry, file.write)
                temporary.replace(target)
        except (NotFoundError, references.UnknownKindError):
            if not self._may_be_missing:
                raise
            say(f"warning: not downloaded, there is nothing at it: {entry.path}: {entry.ref}")

    async def _from_server(self, entry: Entry, target: Path) -> None:
        """Have a content in its place."""
        part, cache = parts.begun_of(target, entry.sha256), self._cache
        if cache is not None and (entry.size or 0) > cache.most_bytes:
            cache = None  # all else would go for it, and then it as well
        if cache is not None:
            try:
                part = await anyio.to_thread.run_sync(cache.part, entry.sha256)
            except OSError:  # a cache that cannot be written is none
                self._cache = cache = None
        async with _alone(part) as own:
            await self._load(entry, own)
            if cache is None:
                await anyio.to_thread.run_sync(own.replace, target)
                return
            await anyio.to_thread.run_sync(cache.admit, own, entry.sha256)
            self._has_admitted = True
            if not await anyio.to_thread.run_sync(self._from_cache, cache, entry, target):
                raise ServerError(f"the cache has lost what was put into it: {entry.path}")

    async def _load(self, entry: Entry, part: Path) -> None:
        """Load what is missing of a content, however often the connection breaks."""
        size = entry.size or 0
        begun = await anyio.to_thread.run_sync(_Part, part, size)
        was, failures = begun.size, 0
        try:
            while begun.size < size:
                before = begun.size
                try:
                    await self._load_rest(entry, begun)
                except RefusedError:
                    raise
                except ServerError:
                    failures = 0 if begun.size > before else failures + 1
                    if failures > len(_PAUSES_SECS):
                        raise
                    await anyio.sleep(_PAUSES_SECS[max(failures - 1, 0)])
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(begun.close)
        if begun.hexdigest == entry.sha256 and begun.size == size:
            return
        await anyio.to_thread.run_sync(partial(part.unlink, missing_ok=True))
        if was:  # what had come before was something else
            await self._load(entry, part)
            return
        raise _wrong(entry)

    async def _load_rest(self, entry: Entry, begun: _Part) -> None:
        before = begun.size
        async with self._connection.open(f"/blobs/{entry.sha256}", start=before) as body:
            async for piece in body.pieces():
                await anyio.to_thread.run_sync(begun.append, piece)
        if begun.size == before:
            raise ServerError(f"nothing came: {entry.path}")


def _jobs_of(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries one by one, and those together that are tiny."""
    tiny: list[Entry] = []
    size = 0
    for entry in entries:
        if entry.ref is not None or entry.size is None or entry.size > _TINY_BYTES:
            yield [entry]
            continue
        tiny.append(entry)
        size += entry.size
        if len(tiny) == _TOGETHER or size > _TOGETHER_BYTES - _TINY_BYTES:
            yield tiny
            tiny, size = [], 0
    yield tiny


def _contents_in(answer: bytes) -> dict[str, bytes]:
    """The contents of an answer; each is checked by its hash when it is kept.

    Raises:
        ServerError: It is none.
    """
    line, _, body = answer.partition(b"\n")
    try:
        listed = [(str(sha256), int(size)) for sha256, size in json.loads(line)["contents"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(f"the answer cannot be understood: {error!r}") from error
    contents, at = {}, 0
    for sha256, size in listed:
        contents[sha256] = body[at : at + size]
        at += size
    return contents


_told: set[Path] = set()
"""Folders of caches of which it was said that they cannot be used."""


def _wrong(entry: Entry) -> ServerError:
    return ServerError(f"what came is not what the artifact holds, its hash differs: {entry.path}")


class _Part:
    """What has come of a content so far, and its hash."""

    def __init__(self, path: Path, most: int) -> None:
        self._hashed = hashlib.sha256()
        self.size = 0
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        if os.fstat(self._file.fileno()).st_size > most:
            self._file.truncate(0)
        while piece := self._file.read(_PIECE_BYTES):
            self._hashed.update(piece)
            self.size += len(piece)

    @property
    def hexdigest(self) -> str:
        return self._hashed.hexdigest()

    def append(self, piece: bytes) -> None:
        self._file.write(piece)
        self._file.flush()
        self._hashed.update(piece)
        self.size += len(piece)

    def close(self) -> None:
        self._file.close()


@contextlib.asynccontextmanager
async def _alone(part: Path) -> AsyncIterator[Path]:
    """As of `alone`, with the disk on other threads."""
    held = alone(part)
    own = await anyio.to_thread.run_sync(held.__enter__)
    try:
        yield own
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(held.__exit__, None, None, None)


def is_right(path: Path, entry: Entry) -> bool:
    """Whether a path is the file of an entry: itself, and by its content."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or (entry.size is not None and found.st_size != entry.size):
        return False
    wanted = entry.sha256 or entry.digest
    hashed = hashlib.sha256() if entry.sha256 else hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)
    return wanted in {hashed.hexdigest(), md5_text(hashed.digest())}


def differing(root: Path, entries: Iterable[Entry]) -> list[str]:
    """Where a folder is not what an artifact holds; nothing where it is.

    References are looked at where their digest is a hash of a file; those of a kind that cannot be
    fetched may be missing. What downloads have begun there is left out.
    """
    found = []
    named = set()
    for entry in entries:
        path = root / entry.path
        named.add(entry.path)
        is_checked = entry.ref is None or entry.ref.startswith("file:")
        if not path.is_file():
            if entry.ref is not None and not references.is_fetchable(entry.ref):
                continue
            found.append(f"{entry.path} is missing")
        elif is_checked and entry.digest != entry.ref and not is_right(path, entry):
            found.append(f"{entry.path} is another content")
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            at = Path(folder, name).relative_to(root).as_posix()
            if at not in named and not parts.is_part(name):
                found.append(f"{at} is none of it")
    return found
