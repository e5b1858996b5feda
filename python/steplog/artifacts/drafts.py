"""Folders of drafts: each process's own, that go with it, or after it where it was killed."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import threading
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from steplog._errors import StorageError
from steplog.artifacts.locks import is_same, lock

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDER", "begin", "end", "remove_left"]

FOLDER = "staging"
"""In the folder of a run, and in that of the cache.

There `ID/` is what a process has of drafts, each in a folder, and `ID.lock` a file that it holds
locked: who gets that lock knows that it is gone. So it is also between machines that share a disk.
"""


class _Own(NamedTuple):
    folder: Path
    file: BinaryIO


_lock = threading.RLock()
_own: dict[tuple[Path, int], _Own] = {}
"""By the base and the process. A forked child holds its parent's locks, too: it has its drafts."""


def begin(base: Path) -> Path:
    """A new folder for a draft, below a run's folder or the cache's.

    The first one there of this process also removes what processes that were killed have left.

    Raises:
        StorageError: It cannot be made.
    """
    staging = base / FOLDER
    try:
        with _lock:
            if (base, os.getpid()) not in _own:
                _remove_left_beside(base)
                _own[base, os.getpid()] = _make(staging)
            folder = _own[base, os.getpid()].folder / secrets.token_hex(4)
            folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise StorageError(error.errno, error.strerror, str(staging)) from error
    return folder


def _make(staging: Path) -> _Own:
    while True:
        folder = staging / f"{os.getpid()}-{secrets.token_hex(8)}"
        path = folder.with_name(f"{folder.name}.lock")
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            file = path.open("xb")
        except FileNotFoundError:  # another process has just left the folder
            continue
        with contextlib.suppress(OSError):  # without locks nobody removes it
            lock(file.fileno())
        if is_same(file.fileno(), path):
            folder.mkdir(mode=0o700)
            return _Own(folder, file)
        file.close()


def end(folder: Path, pid: int) -> None:
    """Remove a draft's folder, unless this is a forked child of the process that has it."""
    if os.getpid() != pid:
        return
    shutil.rmtree(folder, ignore_errors=True)
    base = folder.parent.parent.parent
    with _lock:
        own = _own.get((base, pid))
        if own is not None and own.folder == folder.parent:
            with contextlib.suppress(OSError):  # another draft has a folder there
                own.folder.rmdir()
                _give_up(base, own)


def _give_up(base: Path, own: _Own) -> None:
    del _own[base, os.getpid()]
    own.folder.with_name(f"{own.folder.name}.lock").unlink(missing_ok=True)
    own.file.close()
    with contextlib.suppress(OSError):  # another process has something there
        (base / FOLDER).rmdir()


@atexit.register
def _end_all() -> None:
    with _lock:
        for (base, pid), own in list(_own.items()):
            if pid == os.getpid():
                shutil.rmtree(own.folder, ignore_errors=True)
                _give_up(base, own)


def remove_left(base: Path) -> int:
    """Remove the drafts of processes that are gone; the bytes that were theirs.

    Those of live processes stay. No log needs one: it has links, or copies, of what it names.
    """
    removed = 0
    for path in (base / FOLDER).glob("*.lock"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if lock(file.fileno()) and is_same(file.fileno(), path):
                folder = path.with_suffix("")
                removed += sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
                shutil.rmtree(folder, ignore_errors=True)
                path.unlink()
    with contextlib.suppress(OSError):  # something is left, or there was nothing
        (base / FOLDER).rmdir()
    return removed


def _remove_left_beside(base: Path) -> None:
    """The same, and where that is a run's folder also of the runs beside it."""
    remove_left(base)
    if (base / "wal").is_dir():
        for staging in base.parent.glob(f"*/{FOLDER}"):
            remove_left(staging.parent)


def _begin_child() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
