"""The contents of large files, kept beside a writer's log by their hashes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog import _folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE_BYTES = 1 << 20
_CLONE = 0x40049409
"""FICLONE of linux/fs.h: a copy that shares its blocks until one of the two changes."""
_TRIES = 3
_CHANGES = "it changes while it is read"


@dataclass(frozen=True)
class Blob:
    """A content that is kept.

    Attributes:
        sha256: The 32 bytes of its hash.
        size: Its length in bytes.
    """

    sha256: bytes
    size: int


class BlobFolder:
    """Keeps contents in a writer's folder."""

    def __init__(self, writer_dir: Path) -> None:
        self._folder = writer_dir / "blobs"

    def path(self, sha256: bytes) -> Path:
        """Where a content is."""
        return self._folder / sha256.hex()

    def keep(self, content: bytes, sha256: bytes) -> None:
        """Keep a content whose hash is known.

        Raises:
            OSError: There is no room.
        """
        kept = self.path(sha256)
        if kept.exists():
            return
        with self._temporary() as path:
            with path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            path.replace(kept)

    def keep_copy(self, source: int, *, until: float) -> Blob:
        """Keep what an open file holds; what becomes of it later does not matter.

        Raises:
            OSError: It cannot be read, changes all the time, or there is no room.
            TimeoutError: It is not done at `until`, a time of `time.monotonic`.
        """
        for _ in range(_TRIES):
            before = signature(os.fstat(source))
            with self._temporary() as path:
                blob = _copy(source, path, until=until)
                if before == signature(os.fstat(source)):
                    path.replace(self.path(blob.sha256))
                    return blob
        raise OSError(0, _CHANGES)

    def keep_link(self, path: Path, *, until: float) -> Blob:
        """Keep a file of the run's own folder without a copy, where the file system has links.

        If it is changed in place before the server has it, it is not what was recorded any more.

        Raises:
            OSError: It cannot be read, or changes all the time.
            TimeoutError: It is not done at `until`, a time of `time.monotonic`.
        """
        for _ in range(_TRIES):
            with path.open("rb") as file, self._temporary() as link:
                try:
                    os.link(path, link)
                except OSError:
                    return self.keep_copy(file.fileno(), until=until)
                before = signature(os.fstat(file.fileno()))
                blob = _read(file.fileno(), until=until)
                # The link is of the file that was read, and nobody wrote into it meanwhile.
                if before == signature(os.fstat(file.fileno())) == signature(link.stat()):
                    link.replace(self.path(blob.sha256))
                    return blob
        raise OSError(0, _CHANGES)

    def take(self, path: Path, sha256: bytes) -> None:
        """Keep a file of which nobody else knows, and whose hash is known, by another name of it.

        On another file system, or one without links, it is copied.

        Raises:
            OSError: There is no room, or it is not what it was when it was hashed.
        """
        with self._temporary() as name:
            try:
                os.link(path, name)
            except OSError:
                with path.open("rb") as source:
                    blob = _copy(source.fileno(), name, until=math.inf)
                if blob.sha256 != sha256:
                    raise OSError(0, "it is not what it was", str(path)) from None
            else:
                with name.open("rb") as file:
                    os.fsync(file.fileno())
            # Also over what is there: that may be a link to a file that is written into.
            name.replace(self.path(sha256))

    def link_into(self, blob: Blob, path: Path) -> None:
        """Let a path name a content that is kept, too.

        Raises:
            OSError: The folder cannot be written.
        """
        try:
            link_over(self.path(blob.sha256), path)
        except OSError:
            import shutil  # noqa: PLC0415  # 2 ms, for file systems without links

            shutil.copyfile(self.path(blob.sha256), path)

    def forget(self, sha256: bytes) -> None:
        """Keep a content no longer; harmless when it is not there."""
        with contextlib.suppress(OSError):
            self.path(sha256).unlink()

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f".{os.getpid()}.{threading.get_ident()}"
        path.unlink(missing_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def link_over(source: Path, path: Path) -> None:
    """Give a file another name, in place of what has it.

    Raises:
        OSError: The folder cannot be written, is on another disk, or its file system has no links.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _folder.beside(path)
    try:
        os.link(source, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def signature(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells that a file has changed."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _copy(source: int, path: Path, *, until: float) -> Blob:
    with path.open("xb") as copy:
        if clone(source, copy.fileno()):
            with path.open("rb") as cloned:
                blob = _read(cloned.fileno(), until=until)
        else:
            blob = _read(source, copy.write, until=until)
        copy.flush()
        os.fsync(copy.fileno())
    return blob


def clone(source: int, target: int) -> bool:
    """Have an open file share the blocks of another one, where the file system can; else false."""
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError:
        return False
    return True


def _read(source: int, write: Callable[[bytes], object] | None = None, *, until: float) -> Blob:
    """Read a file from its beginning, once, and hash it."""
    digest, size = hashlib.sha256(), 0
    while piece := os.pread(source, _PIECE_BYTES, size):
        digest.update(piece)
        if write is not None:
            write(piece)
        size += len(piece)
        if time.monotonic() > until:
            raise TimeoutError("it was not read in time")
    return Blob(digest.digest(), size)
