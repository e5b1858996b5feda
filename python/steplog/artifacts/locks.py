"""Locks of files, which go with the process that holds them, whatever ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["held", "is_same", "lock"]


def lock(opened: int) -> bool:
    """Lock an open file until it is closed; false where another one has it.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_same(opened: int, path: Path) -> bool:
    """Whether an open file is still of that name: who had its lock may have moved it away."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def held(path_of: Callable[[], Path]) -> Iterator[Path]:
    """A new file, locked by this process; it goes in the end if it is still there.

    Where the file system has no locks it is there all the same.

    Args:
        path_of: Gives a path that nothing has, another one each time.

    Raises:
        OSError: The folder cannot be written.
    """
    while True:
        path = path_of()
        with path.open("xb") as file:
            with contextlib.suppress(OSError):
                lock(file.fileno())
            if not is_same(file.fileno(), path):
                continue  # whoever removes what was left took it before it was locked
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)
            return
