"""Files that a download writes beside their places: how they are named, held, and removed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from typing import TYPE_CHECKING

from steplog.artifacts.locks import held, lock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["begun_of", "beside", "is_part", "remove_left", "write", "write_by"]

_PART = re.compile(r"\.steplog-[0-9a-f]{16,64}\.part(\.[0-9]+\.[0-9a-f]{8})?")


def is_part(name: str) -> bool:
    """Whether a file of that name is one of ours, that a download has begun."""
    return _PART.fullmatch(name) is not None


def begun_of(target: Path, sha256: str) -> Path:
    """Where what has come of a content is, that goes to a place; the next call goes on with it."""
    return target.with_name(f".steplog-{sha256}.part")


def beside(target: Path) -> AbstractContextManager[Path]:
    """A file beside a place, empty and this process's; it goes in the end if it is still there.

    Raises:
        OSError: The folder cannot be written.
    """
    return held(lambda: target.with_name(f".steplog-{secrets.token_hex(8)}.part"))


def write(target: Path, content: bytes) -> None:
    """Have a content in a place, whole or not at all; for many small ones.

    Raises:
        OSError: The folder cannot be written.
    """
    while True:
        path = os.fspath(target.with_name(f".steplog-{secrets.token_hex(8)}.part"))
        if write_by(path, target, content):
            return


def write_by(path: str, target: str | os.PathLike[str], content: bytes) -> bool:
    """The same by way of a path that nothing has; by few calls of the system.

    Returns:
        False, where somebody else removed what was written there: whoever removes what was left
        did so before it was locked; or the folder of the place is not there.

    Raises:
        OSError: A folder cannot be written; that of `path` is not there.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):
            lock(opened)
        left = memoryview(content)
        while left:
            left = left[os.write(opened, left) :]
        os.replace(path, target)  # noqa: PTH105  # it is a text
    except FileNotFoundError:
        return False
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108  # as above
        raise
    finally:
        os.close(opened)
    return True


def remove_left(folders: Iterable[Path]) -> None:
    """Remove what processes that were killed have left in folders.

    What a live one writes stays. What cannot be removed stays as well: it does no harm.
    """
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            for one in found:
                if is_part(one.name) and one.is_file(follow_symlinks=False):
                    _remove(one.path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError), open(path, "rb") as file:  # noqa: PTH123  # it is a text
        if lock(file.fileno()):
            os.unlink(path)  # noqa: PTH108  # as above
