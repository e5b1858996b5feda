"""Thumbnails that were made, as files of the data folder: the longest unused go first."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 30
_RIFF_HEADER = 8


class ThumbnailCache:
    """Files below a folder that nobody else writes into; every method is for any thread.

    What a full or failing disk does not take is made again the next time.

    Args:
        path: The folder.
        max_bytes: What the files come to at most.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """From the longest unused to the last used."""
        self._bytes = 0

    def open(self) -> None:
        """Find what is there; remove what a killed process was writing."""
        self._path.mkdir(exist_ok=True, mode=0o700)
        found = []
        for path in self._path.iterdir():
            if path.suffix != ".webp":
                path.unlink(missing_ok=True)
                continue
            state = path.stat()
            found.append((state.st_mtime_ns, path.name, state.st_size))
        with self._lock:
            for _, name, size in sorted(found):
                self._sizes[name] = size
                self._bytes += size
            self._shrink()

    def get(self, name: str) -> bytes | None:
        """One that was put, whole; None where there is none."""
        with self._lock:
            if name not in self._sizes:
                return None
            self._sizes.move_to_end(name)
        path = self._path / name
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            content = b""
        # Power loss may have cut it.
        size = int.from_bytes(content[4:_RIFF_HEADER], "little") + _RIFF_HEADER
        if content and size == len(content):
            return content
        with self._lock:
            self._forget(name)
        return None

    def put(self, name: str, content: bytes) -> None:
        """Keep one."""
        path = self._path / name
        new = self._path / f"{secrets.token_hex(8)}.new"
        try:
            new.write_bytes(content)
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            return
        with self._lock:
            self._bytes += len(content) - self._sizes.pop(name, 0)
            self._sizes[name] = len(content)
            self._shrink()

    def _shrink(self) -> None:
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._sizes)))

    def _forget(self, name: str) -> None:
        self._bytes -= self._sizes.pop(name, 0)
        with contextlib.suppress(OSError):
            (self._path / name).unlink()


__all__ = ["ThumbnailCache"]
