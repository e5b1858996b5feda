"""Copies of arrays that wait to be read, on disk: memory is the program's."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_HELD_BYTES = 192 << 20
"""Of copies in memory, of all runs of the process; what comes then is on disk."""
_FILE_BYTES = 256 << 20
"""After so much another file is begun: one is given back to the disk when all in it was read."""


class Spool:
    """The copies of this process's arrays that have not been read.

    Files have no names, so nothing is left of them, whatever ends the process.

    Attributes:
        folder: Where they are; None: all is in memory.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.begin()

    def begin(self) -> None:
        """Start anew: a forked child would write into its parent's files."""
        self._lock = threading.Lock()
        self._held_bytes = 0
        self._file: _File | None = None
        self._end = 0

    def copy(self, array: Any, size_bytes: int) -> tuple[Callable[[], Any], int]:  # noqa: ANN401  # NumPy's
        """A copy of an array of NumPy's: what gives it, and how much memory it takes until then."""
        if self.folder is not None and self._held_bytes + size_bytes > MOST_HELD_BYTES:
            try:
                return self._write(array), 0
            except OSError:  # where there is no room on disk there may be some in memory
                pass
        copied = array.copy()
        self._hold(size_bytes)
        # By the copy's life: whoever has read it drops it.
        weakref.finalize(copied, self._hold, -size_bytes).atexit = False
        return lambda: copied, size_bytes

    def _hold(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes  # a little off where threads meet, and none waits

    def _write(self, array: Any) -> Callable[[], Any]:  # noqa: ANN401  # NumPy's
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        whole = np.ascontiguousarray(array)
        shape, dtype = whole.shape, whole.dtype
        data = whole.reshape(-1).view(np.uint8).data
        file, start = self._room(len(data))
        _write_all(file.number, data, start)

        def read() -> Any:  # noqa: ANN401  # NumPy's
            found = np.empty(shape, dtype)
            _read_all(file.number, found.reshape(-1).view(np.uint8).data, start)
            return found

        return read

    def _room(self, size_bytes: int) -> tuple[_File, int]:
        with self._lock:
            if self._file is None or self._end > _FILE_BYTES:
                self._file, self._end = _File(_open_unnamed(self.folder)), 0
            start, self._end = self._end, self._end + size_bytes
            return self._file, start


class _File:
    """A file without a name; closed when nobody is left who would read what is in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._close = os.close

    def __del__(self) -> None:
        self._close(self.number)


def _open_unnamed(folder: Path | None) -> int:
    number, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)  # noqa: PTH108  # it is a text
    return number


def _write_all(file: int, data: memoryview, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written


def _read_all(file: int, into: memoryview, at: int) -> None:
    while into:
        count = os.preadv(file, [into], at)
        if not count:
            raise OSError(0, "the copy of an array on disk is not whole")
        into, at = into[count:], at + count


SPOOL = Spool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SPOOL.begin)
