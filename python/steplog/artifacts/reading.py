"""What is read of a version: the part that the blocking and the async side share."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from steplog._errors import MissingEntryError, ServerError, UsageError
from steplog._names import CONTROL
from steplog.artifacts import objects
from steplog.artifacts.fetching import Fetching, differing

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog.artifacts.manifest import Entry, Manifest
    from steplog.artifacts.version import Version
    from steplog.client.connection import Connection

__all__ = ["check_folder", "default_root", "download", "fetch_entry", "get", "only_entry"]

_FOLDER = re.compile(rf"[^/\\{CONTROL}]{{1,255}}")


def default_root(connection: Connection, version: Version) -> Path:
    """Where a version is downloaded to: `artifacts/name:vN`, or below the setting's folder.

    Raises:
        ServerError: The server's name of it is no name of a folder.
    """
    folder, name = connection.settings.artifact_dir or "artifacts", version.name
    if not _FOLDER.fullmatch(f"{name}:{version.version}"):
        raise ServerError(f"the server's name of an artifact is none: {name!r}")
    return Path(folder, f"{name}:{version.version}")


async def download(
    manifest: Manifest,
    root: Path,
    fetching: Callable[[Path], Fetching],
    *,
    path_prefix: str | None = None,
) -> Path:
    """Have all entries in a folder, or those whose paths begin with something.

    Raises:
        NotFoundError: A reference leads to nothing.
        ServerError: As of `Fetching`.
        OSError: The folder cannot be written.
    """
    under = path_prefix or ""
    entries = [entry for path, entry in manifest.entries.items() if path.startswith(under)]
    await anyio.to_thread.run_sync(partial(root.mkdir, parents=True, exist_ok=True))
    await fetching(root).fetch(entries)
    return root


async def fetch_entry(entry: Entry, root: Path, connection: Connection) -> Path:
    """Have one entry in a folder; where it is."""
    await Fetching(connection, root).fetch([entry])
    return root / entry.path


async def get(  # noqa: PLR0917  # a portal gives them by place
    name: str, manifest: Manifest, root: Path, connection: Connection
) -> Any:  # noqa: ANN401  # a table, an image …
    """The object of a name, with its files in a folder; None where there is none.

    Raises:
        MissingEntryError: A file of it is not in the artifact.
        ServerError: It cannot be understood, or as of `Fetching`.
        UsageError: A file of it cannot be read.
        OSError: The folder cannot be written.
    """
    paths = manifest.entries.keys()
    path = objects.entry_of(name, paths)
    if path is None:
        return None
    fetching = Fetching(connection, root)
    waiting, seen = {path}, set[str]()
    files = set[str]()
    while waiting:  # a joined table is of tables, which may be of several parts
        await fetching.fetch(manifest.entries[one] for one in sorted(waiting))
        seen |= waiting
        named = [
            await anyio.to_thread.run_sync(objects.named_in, root / one, paths) for one in waiting
        ]
        waiting = set[str]().union(*(one.objects for one in named)) - seen
        files.update(*(one.files for one in named))
        # What it names and the artifact does not hold is no file of it, whoever says so.
        missing = (files | waiting) - paths
        if missing:
            raise MissingEntryError(
                f"the object {name!r} names files that are not there: {', '.join(sorted(missing))}"
            )
    await fetching.fetch(manifest.entries[one] for one in sorted(files))
    return await anyio.to_thread.run_sync(objects.read, path, root, paths)


async def check_folder(manifest: Manifest, root: Path) -> None:
    """See that a folder is what the artifact holds.

    Raises:
        UsageError: It is not: says where.
    """
    found = await anyio.to_thread.run_sync(differing, root, manifest.entries.values())
    if found:
        more = f", and {len(found) - 5} more" if len(found) > 5 else ""  # noqa: PLR2004  # enough to see what it is
        raise UsageError(f"{root} is not what the artifact holds: {', '.join(found[:5])}{more}")


def only_entry(manifest: Manifest) -> Entry:
    """The only entry.

    Raises:
        UsageError: There are more, or none.
    """
    if len(manifest) != 1:
        raise UsageError(f"the artifact has {len(manifest)} entries, not one: use download()")
    return next(iter(manifest.entries.values()))
