"""The data folder: who holds it, and where each store lies in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

from steplog._errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class DataFolder:
    """A data folder held by this process alone, from creation to `close`.

    Raises:
        StorageError: Another process holds the folder (its pid is named), or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                error.errno or 0, f"cannot use the data folder: {error.strerror}", str(path)
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise StorageError(
                error.errno, f"the data folder is in use by process {holder}", str(path)
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode("ascii"), 0)
        self.series.mkdir(exist_ok=True, mode=0o700)
        self.blobs.mkdir(exist_ok=True, mode=0o700)

    @property
    def meta(self) -> Path:
        """The metadata store's file."""
        return self.path / "meta.db"

    @property
    def series(self) -> Path:
        """The series store's folder."""
        return self.path / "series"

    @property
    def blobs(self) -> Path:
        """The blob store's folder."""
        return self.path / "blobs"

    @property
    def thumbnails(self) -> Path:
        """The folder of the thumbnails that were made."""
        return self.path / "thumbnails"

    @property
    def tables(self) -> Path:
        """The folder that says which tables were made ready for queries."""
        return self.path / "tables"

    def keep_blobs_in(self, place: str) -> None:
        """Remember where contents are kept: `place_of`, or empty for this folder.

        Raises:
            StorageError: They are kept elsewhere, or it cannot be written.
        """
        path = self.path / "blobs_in"
        try:
            # Before there was a choice they were kept here.
            known = path.read_text() if path.exists() else "" if self.meta.exists() else place
            if not path.exists():
                new = path.with_suffix(".new")
                new.write_text(known)
                new.replace(path)
        except OSError as error:
            raise StorageError(
                error.errno or 0, f"cannot use the data folder: {error.strerror}", str(self.path)
            ) from error
        if known != place:
            said = [f"in {where}" if where else "in the folder itself" for where in (known, place)]
            hint = f"say --blobs {known}" if known else "leave --blobs out"
            raise StorageError(
                errno.EINVAL,
                f"the data folder keeps its contents {said[0]}, not {said[1]}: {hint}, or take "
                "another folder",
                str(self.path),
            )

    def close(self) -> None:
        """Let others have the folder; harmless when called again."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):  # the descriptor is gone either way
                os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
