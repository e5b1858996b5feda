"""The contents of artifacts that this machine has had, by their hashes, up to a bound."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from steplog import _settings
from steplog._blob_folder import clone
from steplog.artifacts import drafts, parts
from steplog.artifacts.locks import held, is_same, lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from steplog._settings import Settings

__all__ = ["Cache", "Cleaned", "alone"]

_PIECE_BYTES = 1 << 20
_TRIES = 5
"""To write a content while cleanups of other processes go on: one of them comes between rarely."""


class Cleaned(NamedTuple):
    """What a cleanup did.

    Attributes:
        removed_bytes: So much is gone.
        kept_bytes: So much is still there.
    """

    removed_bytes: int
    kept_bytes: int


class Cache:
    """A folder of contents. Several processes may use it; what one removes another fetches anew.

    Attributes:
        folder: Where it is.
        most_bytes: Its bound; 0 for no cache.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that settings speak of."""
        return cls(_settings.cache_dir(settings), settings.artifact_cache_bytes)

    def begin(self) -> None:
        """Have its folder.

        Raises:
            OSError: There can be none, such as where a file has its name.
        """
        (self.folder / "contents").mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a content is, if it is there."""
        return self.folder / "contents" / sha256[:2] / sha256

    def part(self, sha256: str) -> Path:
        """Where what has come of a content so far is kept; its folder is made.

        Raises:
            OSError: The cache cannot be written.
        """
        path = self.folder / "partial" / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def admit(self, part: Path, sha256: str) -> None:
        """Keep a content that is whole, and has been checked.

        Raises:
            OSError: The cache cannot be written.
        """
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)

    def keep(self, content: bytes, sha256: str) -> None:
        """Keep a content that has been checked.

        Raises:
            OSError: The cache cannot be written.
        """
        path = self.path(sha256)
        for _ in range(_TRIES):
            name = f"{sha256}.{os.getpid()}.{os.urandom(4).hex()}"
            with contextlib.suppress(FileNotFoundError):
                if parts.write_by(os.fspath(self.folder / "partial" / name), path, content):
                    return
            self.part(name)  # makes its folder
            path.parent.mkdir(parents=True, exist_ok=True)
        raise FileNotFoundError(errno.ENOENT, "somebody removes what is written", str(path))

    def copy_to(self, sha256: str, target: Path) -> bool:
        """Copy a content, and check it; false, where it is not there or is not what it was."""
        try:
            with self.path(sha256).open("rb") as source, target.open("wb") as copy:
                hashed = hashlib.sha256()
                is_shared = clone(source.fileno(), copy.fileno())
                while piece := source.read(_PIECE_BYTES):
                    hashed.update(piece)
                    if not is_shared:
                        copy.write(piece)
        except FileNotFoundError:
            return False
        if hashed.hexdigest() == sha256:
            with contextlib.suppress(OSError):  # another one's cache, read by this user
                os.utime(self.path(sha256))
            return True
        self.path(sha256).unlink(missing_ok=True)
        return False

    def trim(self, most_bytes: int) -> Cleaned:
        """Remove what was not used for the longest time, until at most so many bytes are there."""
        found = sorted(self._contents(), key=lambda one: one[1].st_mtime_ns)
        kept = sum(one.st_size for _, one in found)
        removed = 0
        for path, one in found:
            if kept <= most_bytes:
                break
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            kept -= one.st_size
            removed += one.st_size
        return Cleaned(removed, kept)

    def clean(self, most_bytes: int) -> Cleaned:
        """The same, and remove what was begun and given up, of downloads and of drafts."""
        removed = 0
        for part in self._folders("partial"):
            with contextlib.suppress(FileNotFoundError), part.open("rb") as file:
                if lock(file.fileno()):
                    removed += os.fstat(file.fileno()).st_size
                    part.unlink()
        removed += drafts.remove_left(self.folder)
        cleaned = self.trim(most_bytes)
        return Cleaned(cleaned.removed_bytes + removed, cleaned.kept_bytes)

    def _folders(self, name: str) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return list((self.folder / name).iterdir())
        return []

    def _contents(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder in self._folders("contents"):
            for path in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.stat()


@contextlib.contextmanager
def alone(path: Path) -> Iterator[Path]:
    """What has come so far, for nobody else meanwhile; where another one is at it, another path.

    That one goes in the end.

    Raises:
        OSError: It cannot be written.
    """
    with path.open("ab") as file:
        if lock(file.fileno()) and is_same(file.fileno(), path):
            yield path
            return
    with held(lambda: path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")) as own:
        yield own
