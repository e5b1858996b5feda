"""Contents of large files: one object each, named by its SHA-256, and the parts of what comes."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from steplog._errors import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO, TypeVar

    from obstore.store import ObjectStore
    from typing_extensions import Buffer

    from steplog.server.store.run_files import Content

    T = TypeVar("T")

_INCOMING = "incoming"
_OWNER = "steplog-server"
"""The object that says whose the place is."""
_THREADS = 6
_COMPLETIONS = 2
"""At once: each reads and writes a whole content, and must leave threads for the small work."""
_PIECE_BYTES = 4 << 20
"""Of a part, read at once."""
_OPENED_BYTES = 1 << 20
"""Of a content that is open as a file."""
_CHUNK_BYTES = 8 << 20
"""Of an object that is written; S3 asks for 5 MiB at least,"""
_MOST_CHUNKS = 9_000
"""and for 10,000 of an object at most."""


class WrongContentError(Exception):
    """What came does not have the hash that it is named by."""


class _StoppedError(Exception):
    """The server stops: the content is completed when it runs again."""


class BlobStore:
    """Objects in an object store of any kind; nothing is renamed or appended to.

    A content is put together from parts, which are objects as well: `incoming/<sha256>/<offset>`.
    It is written as a whole under `<first two digits>/<sha256>`, and is there or is not. Whoever
    changes one content must be alone at that: the callers hold a lock for each hash.

    Args:
        store: Where the objects are.
        fsync: Whether a content that is complete survives power loss. Parts need not: what is
            put together from them is checked. In a local folder only; an object store of the
            network does what it promises.
    """

    def __init__(self, store: ObjectStore, *, fsync: bool = True) -> None:
        self._store = store
        self._fsync = fsync
        self._stops = threading.Event()
        self._completions = asyncio.Semaphore(_COMPLETIONS)
        self._threads = ThreadPoolExecutor(_THREADS, "steplog-blobs")

    @classmethod
    def at(cls, path: Path, *, fsync: bool = True) -> BlobStore:
        """The embedded store in a folder that this process holds."""
        # What a killed process was writing has such a name, and nobody goes on with it.
        for left in path.glob("**/*#*"):
            left.unlink()
        return cls(LocalStore(path, automatic_cleanup=True), fsync=fsync)

    async def claim(self, owner: str) -> None:
        """Take the place for a server: another one would remove what it does not know.

        Raises:
            StorageError: It is another server's, or cannot be reached.
        """

        def work() -> str:
            try:
                return bytes(obstore.get(self._store, _OWNER).bytes()).decode("utf-8", "replace")
            except FileNotFoundError:
                obstore.put(self._store, _OWNER, owner.encode())
                return owner

        found = await self._run(work)
        if found != owner:
            raise StorageError(
                errno.EBUSY,
                f"the contents there are of another server, {found:.40}: each needs a place of its "
                "own",
            )

    async def have(self, sha256: str) -> int:
        """How many bytes of a content came, from its begin on without a gap."""
        return await self._run(lambda: sum(size for _, size in self._parts(sha256)))

    async def put_part(self, sha256: str, start: int, content: bytes | bytearray) -> None:
        """Store a part of a content that begins at `start`; not empty."""
        path = f"{_INCOMING}/{sha256}/{start}"
        await self._run(lambda: obstore.put(self._store, path, content, use_multipart=False))

    async def complete(self, sha256: str) -> None:
        """Put a content together from its parts, which stay.

        Raises:
            WrongContentError: It has another hash: nothing was stored.
        """
        path, hashed = _path(sha256), hashlib.sha256()

        def piece_of(part: str, start: int, stop: int) -> bytes:
            if self._stops.is_set():
                raise _StoppedError
            piece = bytes(obstore.get_range(self._store, part, start=start, end=stop))
            hashed.update(piece)
            return piece

        parts = await self._run(lambda: list(self._parts(sha256)))
        whole = sum(size for _, size in parts)
        chunk = max(_CHUNK_BYTES, -(-whole // _MOST_CHUNKS))

        async def pieces() -> AsyncIterator[bytes]:
            for part, size in parts:
                for at in range(0, size, _PIECE_BYTES):
                    stop = min(at + _PIECE_BYTES, size)
                    yield await self._run(partial(piece_of, part, at, stop))
            # What is raised here leaves nothing under the name.
            if hashed.hexdigest() != sha256:
                raise WrongContentError

        async with self._completions:
            if (
                whole <= chunk
            ):  # S3 has no upload of no parts, and one of one part is three requests
                content = b"".join([piece async for piece in pieces()])
                await self._run(
                    lambda: obstore.put(self._store, path, content, use_multipart=False)
                )
            else:
                with _translated():
                    await obstore.put_async(
                        self._store, path, pieces(), chunk_size=chunk, max_concurrency=2
                    )
            await self._run(lambda: self._sync(path))

    async def read(self, sha256: str, start: int, stop: int) -> bytes:
        """A piece of a content that is stored, not an empty one."""
        path = _path(sha256)
        return await self._run(
            lambda: bytes(obstore.get_range(self._store, path, start=start, end=stop))
        )

    def open(self, content: Content) -> BinaryIO:
        """A content that is stored, as a file to read in a thread; in memory is a piece of it."""
        return io.BufferedReader(_Opened(self._store, content), _OPENED_BYTES)

    async def remove(self, sha256: str) -> None:
        """Remove a content and its parts, whichever there are."""
        await self._run(lambda: self._delete([_path(sha256)]))
        await self.remove_parts(sha256)

    async def remove_parts(self, sha256: str) -> None:
        """Remove the parts of a content: none of it has come."""
        await self._run(lambda: self._delete(list(self._listed(f"{_INCOMING}/{sha256}"))))

    async def incoming(self) -> set[str]:
        """The contents of which there are parts."""
        return {path.split("/")[1] for path in await self._run(lambda: self._listed(_INCOMING))}

    async def newest_part(self, sha256: str) -> float:
        """When the last part of a content came, seconds since the epoch; 0 where none has."""
        found = await self._run(lambda: self._listed(f"{_INCOMING}/{sha256}"))
        return max((time for _, time in found.values()), default=0.0)

    def stop(self) -> None:
        """What is being put together is left for the next start."""
        self._stops.set()

    async def aclose(self) -> None:
        """Wait for what is being written."""
        self.stop()
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with _translated():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, guarded)

    def _listed(self, prefix: str) -> dict[str, tuple[int, float]]:
        """The size and time of each object below a prefix."""
        found = obstore.list(self._store, prefix)
        return {
            one["path"]: (one["size"], one["last_modified"].timestamp())
            for some in found
            for one in some
        }

    def _parts(self, sha256: str) -> Iterator[tuple[str, int]]:
        """Path and size of each part, from the begin on without a gap."""
        folder = f"{_INCOMING}/{sha256}"
        found, end = self._listed(folder), 0
        while size := found.get(f"{folder}/{end}", (0, 0.0))[0]:
            yield f"{folder}/{end}", size
            end += size

    def _sync(self, path: str) -> None:
        if self._fsync and isinstance(self._store, LocalStore) and self._store.prefix:
            written = self._store.prefix / path
            for one in (written, written.parent, written.parent.parent):
                _sync(one)

    def _delete(self, paths: list[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, path)


class _Opened(io.RawIOBase):
    """A content of a store, read by ranges."""

    def __init__(self, store: ObjectStore, content: Content) -> None:
        self._store, self._content, self._at = store, content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._content.size_bytes}
        self._at = max(0, start[whence] + offset)
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._at + len(view), self._content.size_bytes)
        if stop <= self._at:
            return 0
        path, start = _path(self._content.sha256), self._at
        with _translated():
            view[: stop - start] = obstore.get_range(self._store, path, start=start, end=stop)
        self._at = stop
        return stop - start


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (BaseError, OSError, _StoppedError) as error:
        # Behind an empty line the library adds what is for its own people.
        reason = " ".join(str(error).split("\n\n")[0].split()) or "the server stops"
        number = errno.ENOSPC if "No space left" in reason else errno.EIO
        raise StorageError(number, f"the blob store failed: {reason}") from error


__all__ = ["BlobStore", "WrongContentError"]
