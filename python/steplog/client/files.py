"""The files of a run, read from a server."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from steplog.client.api import Portal
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
    """

    name: str
    size: int
    logged: float
    writer: str
    label: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(FileFacts):
    """A file of a run; its calls block."""

    run: Facts = dataclasses.field(repr=False, compare=False)
    portal: Portal = dataclasses.field(repr=False, compare=False)

    def read(self) -> bytes:
        """What it holds now.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return self.portal.call(self.portal.reader.file, self.run, self)

    def download(self, root: str | os.PathLike[str] = ".", *, replace: bool = False) -> Path:
        """Write it into a folder, under its name.

        Args:
            root: The folder; made where it is not there.
            replace: Write over a file that is there.

        Returns:
            Where it is.

        Raises:
            FileExistsError: It is there, and not to be replaced.
            ServerError: The server refused or cannot be reached.
        """
        path = Path(root) / self.name
        content = self.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if replace else "xb") as file:
            file.write(content)
        return path


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsyncFile(FileFacts):
    """A file of a run."""

    run: Facts = dataclasses.field(repr=False, compare=False)
    reader: Reader = dataclasses.field(repr=False, compare=False)

    async def read(self) -> bytes:
        """What it holds now.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return await self.reader.file(self.run, self)
