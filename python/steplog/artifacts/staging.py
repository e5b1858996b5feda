"""Files of drafts: copied when they are added, whatever becomes of them later."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from steplog import _settings
from steplog._blob_folder import clone, signature
from steplog._errors import StorageError, UsageError
from steplog._later_pool import POOL
from steplog._spool import SPOOL
from steplog.artifacts import drafts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Staged", "Staging", "cache_dir"]

_PIECE_BYTES = 1 << 20
_TRIES = 3


class Staged(NamedTuple):
    """A file as it was when it was read.

    Attributes:
        path: Where that is now; of an immutable file its own path.
        size: In bytes.
        md5: Its hash.
        sha256: Its hash.
        signature: What tells that an immutable file has changed since; empty of a copy.
    """

    path: Path
    size: int
    md5: bytes
    sha256: str
    signature: tuple[int, ...] = ()

    def check(self) -> None:
        """See that an immutable file is what it was.

        Raises:
            UsageError: It has changed since it was added.
        """
        if self.signature and signature(self.path.stat()) != self.signature:
            raise UsageError(
                f'{self.path} has changed since it was added with policy="immutable": add it with '
                'policy="mutable", which copies it'
            )


class Staging:
    """Copies of one draft's files, in a folder that goes when the draft goes.

    It lies in the folder of this process's run, whose log then takes the files over by links; else
    in the cache.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def take(self, path: Path, *, is_mutable: bool) -> Staged:
        """Read a file once, for both hashes, and keep a copy if it is mutable.

        Where the file system can share blocks (XFS, Btrfs), the copy takes no room.

        Raises:
            UsageError: It is no file, cannot be read, or changes while it is read.
            StorageError: There is no room for the copy.
        """
        try:
            # A pipe would hold the caller up until somebody writes into it.
            opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"it cannot be read: {why}: {path}") from error
        try:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise UsageError(f"an artifact holds files alone, and this is none: {path}")
            for _ in range(_TRIES):
                before = signature(os.fstat(opened))
                staged = self._copy(opened) if is_mutable else _hash(opened, path.absolute())
                if before == signature(os.fstat(opened)):
                    return staged if is_mutable else staged._replace(signature=before)
                if is_mutable:
                    staged.path.unlink()
        finally:
            os.close(opened)
        raise UsageError(f"it changes while it is read: {path}")

    def keep(self, content: bytes) -> Staged:
        """Keep a content.

        Raises:
            StorageError: There is no room.
        """
        path = self.new_path()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise StorageError(error.errno, error.strerror, str(path)) from error
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        return Staged(path, len(content), md5, hashlib.sha256(content).hexdigest())

    def new_path(self) -> Path:
        """Where another file can be put.

        Raises:
            StorageError: The folder cannot be made.
        """
        with self._lock:
            return self._open() / str(next(self._numbers))

    def _open(self) -> Path:
        if self._folder is None:
            base = SPOOL.folder if SPOOL.folder is not None and SPOOL.folder.is_dir() else None
            folder = drafts.begin(base or cache_dir())
            self._folder = folder
            # On a thread of the pool: this may be collected in an event loop, and the disk waits.
            weakref.finalize(
                self, POOL.submit, partial(drafts.end, folder, os.getpid())
            ).atexit = False
        return self._folder

    def _copy(self, opened: int) -> Staged:
        path = self.new_path()
        try:
            with path.open("xb") as copy:
                if clone(opened, copy.fileno()):
                    return _hash_of(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path)
                return _hash(opened, path, copy.write)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageError(error.errno, error.strerror, str(path)) from error


def _hash_of(opened: int, path: Path) -> Staged:
    try:
        return _hash(opened, path)
    finally:
        os.close(opened)


def _hash(opened: int, path: Path, write: Callable[[bytes], object] | None = None) -> Staged:
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    while piece := os.pread(opened, _PIECE_BYTES, size):
        md5.update(piece)
        sha256.update(piece)
        if write is not None:
            write(piece)
        size += len(piece)
    return Staged(path, size, md5.digest(), sha256.hexdigest())


def cache_dir() -> Path:
    """The folder of contents that this machine has had, as the settings say."""
    return _settings.cache_dir(_settings.resolve(None))
