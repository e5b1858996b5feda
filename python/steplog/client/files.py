"""The files of a run, read from a server."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

    from steplog.client.portal import Portal
    from steplog.client.reader import Facts, Reader


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileFacts:
    """A file of a run, as of when the list was read.

    Attributes:
        name: Its path in the run's folder `files`.
        size: Its length in bytes.
        logged: When it was logged, seconds since the epoch.
        writer: Id of the process that it is of.
        label: That one's label.
        sha256: Hash of what it holds, in hexadecimal.
        is_stored: Whether the server has what it holds: of a large file that comes later.
    """

    name: str
    size: int
    logged: float
    writer: str
    label: str
    sha256: str
    is_stored: bool

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Out of what the server says of a file.

        Raises:
            KeyError: It does not say all.
        """
        named = {field.name for field in dataclasses.fields(FileFacts)} - {"is_stored"}
        return cls(**{name: said[name] for name in named}, is_stored=said["state"] == "stored")


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(FileFacts):
    """A file of a run; its calls block."""

    run: Facts = dataclasses.field(repr=False, compare=False)
    portal: Portal = dataclasses.field(repr=False, compare=False)

    def read(self) -> bytes:
        """What it holds now, all of it in memory.

        Raises:
            NotFoundError: What it holds has not come to the server yet.
            ServerError: The server refused or cannot be reached.
        """
        return self.portal.call(self.portal.reader.file, self.run, self)

    def download(self, root: str | os.PathLike[str] = ".", *, replace: bool = False) -> Path:
        """Write what it holds now into a folder, under its name.

        Whatever its size, little of it is in memory at a time. It is checked against its hash and
        then put in its place: when this is interrupted or fails, nothing of it is there.

        Args:
            root: The folder; made where it is not there. No link in it is followed out of it.
            replace: Write over a file that is there.

        Returns:
            Where it is.

        Raises:
            FileExistsError: It is there, and not to be replaced.
            NotFoundError: What it holds has not come to the server yet.
            ServerError: The server refused or cannot be reached, or what it sent is something else.
            OSError: It cannot be written.
        """
        work = partial(self.portal.reader.download, root=root, replace=replace)
        return self.portal.call(work, self.run, self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsyncFile(FileFacts):
    """A file of a run."""

    run: Facts = dataclasses.field(repr=False, compare=False)
    reader: Reader = dataclasses.field(repr=False, compare=False)

    async def read(self) -> bytes:
        """What it holds now, all of it in memory.

        Raises:
            NotFoundError: What it holds has not come to the server yet.
            ServerError: The server refused or cannot be reached.
        """
        return await self.reader.file(self.run, self)

    async def download(self, root: str | os.PathLike[str] = ".", *, replace: bool = False) -> Path:
        """Write what it holds now into a folder, under its name; see `File.download`.

        Args:
            root: The folder; made where it is not there. No link in it is followed out of it.
            replace: Write over a file that is there.

        Returns:
            Where it is.

        Raises:
            FileExistsError: It is there, and not to be replaced.
            NotFoundError: What it holds has not come to the server yet.
            ServerError: The server refused or cannot be reached, or what it sent is something else.
            OSError: It cannot be written.

        Cancel: Safe. Nothing of it is there, or all.
        """
        return await self.reader.download(self.run, self, root=root, replace=replace)
