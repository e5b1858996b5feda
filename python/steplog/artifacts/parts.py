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

__all__ = ["begun_of", "beside", "is_part", "remove_left"]

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
