"""A file that a run takes, once or more often."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from steplog import _folder
from steplog._blob_folder import signature

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from steplog._blob_folder import Blob, BlobFolder
    from steplog._save_paths import Policy
    from steplog._writer import Writer

SMALL_BYTES = 1 << 20
"""Up to this a file is in the log, whole; a larger one lies beside it."""
MOST_WRITTEN = 1_000
"""Files of the program's own in a run's folder that are looked at."""
_SMALL_AGAIN_BYTES = 16 << 10
"""The same of a file that was taken before: the log must not fill up with versions of one file."""
_FIRST_AGAIN_SECS, _MOST_AGAIN_SECS = 2.0, 60.0
"""A file that changes all the time is taken again after this; doubles."""


@dataclass
class TrackedFile:
    """A file that is taken.

    Attributes:
        path: Where it is.
        name: What it is called in the run.
        policy: When it is taken.
        is_own: Whether it lies in `run.dir`.
        seen: What it looked like when it was looked at last.
        taken: The same of when it was taken last.
        digest: Hash of what it held then.
        is_blob: Whether that lies beside the log.
        linked: What the copy in `run.dir` looked like, when it was made.
        due: It is not taken before this time of `time.monotonic` again.
    """

    path: Path
    name: str
    policy: Policy
    is_own: bool = False
    seen: tuple[int, ...] = ()
    taken: tuple[int, ...] = ()
    digest: bytes = b""
    is_blob: bool = False
    linked: tuple[int, ...] = ()
    due: float = 0.0
    _again_secs: float = _FIRST_AGAIN_SECS
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def found(self) -> tuple[int, ...]:
        """What tells whether it has changed; nothing where there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return signature(found) if stat.S_ISREG(found.st_mode) else ()

    def take(
        self,
        opened: BinaryIO,
        writer: Writer,
        *,
        files: Path,
        blobs: BlobFolder,
        used: Callable[[], Collection[bytes]],
        until: float,
    ) -> None:
        """Record what it holds, unless that is recorded already.

        Args:
            opened: The file, open.
            writer: The log.
            files: The run's folder of files.
            blobs: Keeps large contents.
            used: Hashes of what is kept of other files.
            until: Latest time of `time.monotonic`.

        Raises:
            OSError: It cannot be read, or there is no room.
            StorageError: The log has no room.
            TimeoutError: It is not done in time.
            RunClosedError: The run has ended.
            UsageError: Its name is none.
        """
        left_secs = min(max(until - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
        if not self._lock.acquire(timeout=left_secs):
            raise TimeoutError("another thread is at it")
        try:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                return
            old = self.digest if self.is_blob else b""
            content = self._small(opened, found.st_size)
            if content is None:
                self._take_large(opened, writer, files=files, blobs=blobs, used=used, until=until)
            else:
                self._take_small(content, writer, files)
            self.taken = signature(found)
            self.due = time.monotonic() + self._again_secs
            self._again_secs = min(2 * self._again_secs, _MOST_AGAIN_SECS)
            # The server takes the newer one only, too.
            if old and old not in used():
                blobs.forget(old)
        finally:
            self._lock.release()

    def _small(self, opened: BinaryIO, size: int) -> bytes | None:
        most = _SMALL_AGAIN_BYTES if self.digest else SMALL_BYTES
        content = opened.read(most + 1) if size <= most else b""
        return content if size <= most and len(content) <= most else None  # it may be growing

    def _take_small(self, content: bytes, writer: Writer, files: Path) -> None:
        digest = hashlib.sha256(content).digest()
        if digest != self.digest:
            if not self.is_own:
                copy = files / self.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                _folder.write_bytes(copy, content)
                self.linked = signature(copy.stat())
            writer.put_file(self.name, content)
        self.digest, self.is_blob = digest, False

    def _take_large(
        self,
        opened: BinaryIO,
        writer: Writer,
        *,
        files: Path,
        blobs: BlobFolder,
        used: Callable[[], Collection[bytes]],
        until: float,
    ) -> None:
        if self.is_own:
            blob = blobs.keep_link(self.path, until=until)
        else:
            blob = blobs.keep_copy(opened.fileno(), until=until)
        if blob.sha256 == self.digest and self.is_blob:
            return
        try:
            self._put(blob, writer, files=files, blobs=blobs)
        except BaseException:
            if blob.sha256 not in used():
                blobs.forget(blob.sha256)
            raise
        self.digest, self.is_blob = blob.sha256, True

    def _put(self, blob: Blob, writer: Writer, *, files: Path, blobs: BlobFolder) -> None:
        if not self.is_own:
            blobs.link_into(blob, files / self.name)
            self.linked = signature((files / self.name).stat())
        if blob.sha256 != self.digest:
            writer.put_blob(self.name, blob.sha256, blob.size)

    def written_into(self, files: Path) -> TrackedFile | None:
        """The copy in `run.dir`, when the program has written into it: it is a newer version.

        Of a large file the content that was kept is a link to it, and has changed as well.
        """
        path = files / self.name
        try:
            is_same = not self.linked or signature(path.stat()) == self.linked
        except OSError:
            return None
        if is_same:
            return None
        newer = TrackedFile(path, self.name, "live", is_own=True)
        newer.digest, newer.is_blob = self.digest, self.is_blob
        return newer


def written(base: Path) -> Iterator[Path]:
    """The files below a folder, but for what is hidden; links, pipes and devices are left alone."""
    for folder, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and _is_regular(path):
                yield path


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # it has just been removed
        return False
