"""Which files a call of `save` means, and what they are called in the run."""

from __future__ import annotations

import fnmatch
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
        """The files that there are now, by name, and the links that lead out of the base.

        Folders that such links lead to are not looked into.
        """
        walk = Walk(self.base)
        if self.is_literal or os.path.lexists(self.pattern):  # a path, whatever is in its name
            paths = iter([Path(self.pattern)])
        else:
            paths = walk.matches(Path(self.pattern).relative_to(self.base).parts)
        found: dict[Path, Found] = {}
        for path in walk.files(sorted(paths)):
            found[path] = Found(path, path.relative_to(self.base).as_posix())
        return sorted(found.values(), key=lambda one: one.name), sorted(walk.outside)

    @property
    def is_no_plain_file(self) -> bool:
        """Whether it is the path of a device, a pipe or a socket."""
        path = Path(self.pattern)
        return path.exists() and not path.is_file() and not path.is_dir()


class Walk:
    """Looks for files below a base, and into no folder that a link leads out of it to.

    Attributes:
        outside: The links that lead out of it, of those that were met.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._real = base.resolve()
        self.outside: set[Path] = set()

    def matches(self, parts: tuple[str, ...]) -> Iterator[Path]:
        """What a pattern, relative to the base, stands for now, as `glob.glob` has it."""
        return self._below(self._base, parts, (self._real,)) if parts else iter(())

    def _below(
        self, folder: Path, parts: tuple[str, ...], above: tuple[Path, ...]
    ) -> Iterator[Path]:
        part, rest = parts[0], parts[1:]
        if not globs.has_magic(part):
            named = folder / part
            if os.path.lexists(named):
                yield from self._further(named, rest, above)
            return
        entries = _entries(folder)
        if part == "**":
            if rest:
                yield from self._below(folder, rest, above)
            for name in entries:
                if name[0] != ".":
                    yield from [] if rest else [folder / name]
                    yield from self._further(folder / name, parts, above)
            return
        for name in entries:
            if fnmatch.fnmatchcase(name, part) and (name[0] != "." or part[0] == "."):
                yield from self._further(folder / name, rest, above)

    def _further(
        self, path: Path, rest: tuple[str, ...], above: tuple[Path, ...]
    ) -> Iterator[Path]:
        if not rest:
            yield path
        elif path.is_dir():
            real = path.resolve()
            if not real.is_relative_to(self._real):
                self.outside.add(path)
            elif real not in above:  # a link up would lead here again
                yield from self._below(path, rest, (*above, real))

    def files(self, paths: list[Path]) -> Iterator[Path]:
        """The files among paths and in folders; of these not what is hidden, nor folders of runs.

        Links to folders are not followed.
        """
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                yield from filter(self._is_inside, _files(path))
            elif path.is_file() or path.is_dir():
                yield from [path] if self._is_inside(path) and path.is_file() else []

    def _is_inside(self, path: Path) -> bool:
        is_inside = path.resolve().is_relative_to(self._real)
        if not is_inside:
            self.outside.add(path)
        return is_inside


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  # names are matched
    except OSError:  # as for `glob`: nothing can be found there
        return []


def _files(folder: Path) -> Iterator[Path]:
    for below, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        inside = (Path(below, name) for name in sorted(names) if name[0] != ".")
        yield from (one for one in inside if one.is_file())


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
        if base_path is not None:
            raise UsageError(f"save({given!r}) is not below its base_path {str(base)!r}")
        raise UsageError(f"save({given!r}) may not walk above {str(base)!r}: give a base_path")
    return Wish(absolute, base, _policy(policy), is_literal=not is_glob, is_short=is_short)


def _policy(policy: object) -> Policy:
    return "now" if policy == "now" else "end" if policy == "end" else "live"


def _text(what: str, value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentTypeError(f"{what} must be a path, got {type(value).__name__}")
    return os.fsdecode(os.fspath(value))


def _is_left_out(folder: str) -> bool:
    return folder.startswith(".") or folder == _folder.ROOT
