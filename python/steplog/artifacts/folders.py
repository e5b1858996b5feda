"""The files below a folder that is added: all of them, and no other ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["files_below"]


def files_below(base: Path) -> Iterator[tuple[str, Path]]:
    """Each file's path below the folder, with slashes, and where it is; by path.

    A link to a file in the folder is that file; one to a folder in it is left out, whose files are
    there by their own names.

    Raises:
        UsageError: A link leads out of the folder or nowhere, something is no file, or a folder
            cannot be read.
    """
    top = base.resolve()
    for folder, folders, names in os.walk(base, onerror=_refuse):
        here = Path(folder)
        folders.sort()
        for name in [*folders, *names]:
            path = here / name
            if path.is_symlink():
                _check_link(path, top)
        for name in sorted(names):
            path = here / name
            if not path.is_file():
                raise UsageError(f"a folder that is added holds files alone, this is none: {path}")
            yield path.relative_to(base).as_posix(), path


def _check_link(path: Path, top: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(top):
        raise UsageError(
            f"a link leads out of the folder that is added, and is not followed: {path} -> "
            f"{target}; add_file() adds what it leads to"
        )
    if not target.exists():
        raise UsageError(f"a link leads nowhere: {path}")


def _refuse(error: OSError) -> None:
    raise UsageError(f"the folder cannot be read: {error.strerror}: {error.filename}") from error
