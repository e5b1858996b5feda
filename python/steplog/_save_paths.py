"""Which files a call of `save` means, and what they are called in the run."""

from __future__ import annotations

import glob as globs
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steplog import _folder
from steplog._errors import ArgumentTypeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Policy = Literal["live", "now", "end"]
POLICIES = ("live", "now", "end")
_REMOTE = ("s3://", "gs://")


@dataclass(frozen=True)
class Found:
    """A file to save.

    Attributes:
        path: Where it is.
        name: What it is called in the run.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Wish:
    """What a call of `save` asks for, checked.

    Attributes:
        pattern: Pattern of absolute paths.
        base: The folder that names are relative to.
        policy: When the files are taken.
        is_literal: Whether the pattern is a path.
        is_short: Whether of a path only its last folder is kept, since no base was given.
    """

    pattern: str
    base: Path
    policy: Policy
    is_literal: bool
    is_short: bool

    def find(self) -> tuple[list[Found], list[Path]]:
        """The files that there are now, by path, and those that links lead out of the base to."""
        paths = [self.pattern] if self.is_literal else _matches(self.pattern)
        found: dict[Path, Found] = {}
        outside = []
        base = self.base.resolve()
        for path in _files(sorted(map(Path, paths))):
            if not path.resolve().is_relative_to(base):
                outside.append(path)
                continue
            found[path] = Found(path, path.relative_to(self.base).as_posix())
        return sorted(found.values(), key=lambda one: one.name), outside


def wish(
    pattern: object, base_path: object, *, policy: object, is_glob: bool, run_dir: str
) -> Wish | None:
    """Check what `save` is asked for; None for what is in a cloud's storage.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: There is no such policy, or the pattern leads out of its base.
    """
    given = _text("glob_str", pattern)
    if policy not in POLICIES:
        raise UsageError(f"policy must be {' or '.join(POLICIES)}, got {policy!r}")
    if not given:
        raise UsageError("glob_str is empty: it is a path, or a pattern of paths")
    if given.startswith(_REMOTE):
        return None
    is_short = False
    absolute = os.path.normpath(Path.cwd() / given)
    if base_path is not None:
        base = Path(os.path.normpath(Path.cwd() / _text("base_path", base_path)))
    elif run_dir and Path(absolute).is_relative_to(run_dir):
        base = Path(run_dir)
    elif Path(given).is_absolute():
        is_short = len(Path(absolute).parents) > 1
        base = Path(absolute).parent.parent
    else:
        base = Path.cwd()
    if not Path(absolute).is_relative_to(base):
        raise UsageError(f"save({given!r}) may not walk above {str(base)!r}: give a base_path")
    return Wish(absolute, base, _policy(policy), is_literal=not is_glob, is_short=is_short)


def _policy(policy: object) -> Policy:
    return "now" if policy == "now" else "end" if policy == "end" else "live"


def _matches(pattern: str) -> list[str]:
    if os.path.lexists(pattern):  # a path, whatever is in its name
        return [pattern]
    return globs.glob(pattern, recursive=True)  # noqa: PTH207  # pathlib's finds hidden files, too


def _text(what: str, value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentTypeError(f"{what} must be a path, got {type(value).__name__}")
    return os.fsdecode(os.fspath(value))


def _files(paths: list[Path]) -> Iterator[Path]:
    """The files among paths and in folders; of these not what is hidden, nor the folders of runs.

    Links to folders are not followed.
    """
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir() and not path.is_symlink():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not _is_left_out(name))
                inside = (Path(folder, name) for name in sorted(names) if name[0] != ".")
                yield from (one for one in inside if one.is_file())


def _is_left_out(folder: str) -> bool:
    return folder.startswith(".") or folder == _folder.ROOT
