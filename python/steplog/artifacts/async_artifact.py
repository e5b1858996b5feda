"""`AsyncArtifact`: a version of an artifact, for programs that run an asyncio event loop."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog._errors import MissingEntryError, UsageError
from steplog.artifacts import names, reading
from steplog.artifacts.fetching import Fetching

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steplog.artifacts.manifest import Entry, Manifest
    from steplog.artifacts.version import Version
    from steplog.client.artifacts import ArtifactRequests

__all__ = ["AsyncArtifact"]


@dataclass
class AsyncArtifact:
    """A version that a server has.

    Attributes:
        version: What the server says of it, as of when it was read.
    """

    version: Version
    requests: ArtifactRequests = field(repr=False, compare=False)
    _manifest: Manifest | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def qualified_name(self) -> str:
        """`entity/project/name:version`."""
        return self.version.qualified

    async def manifest(self) -> Manifest:
        """What it holds; the server is asked once.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        if self._manifest is None:
            self._manifest = await self.requests.manifest(self.version)
        return self._manifest

    async def download(  # noqa: PLR0917  # as its twin
        self,
        root: str | os.PathLike[str] | None = None,
        allow_missing_references: bool = False,
        skip_cache: bool | None = None,
        path_prefix: str | None = None,
    ) -> Path:
        """Have all that it holds in a folder; see `Artifact.download`.

        Cancel: Safe. No file is there in part, and the next call goes on where this one was.
        """
        fetching = partial(
            Fetching,
            self.requests.connection,
            allow_missing_references=allow_missing_references,
            skip_cache=bool(skip_cache),
        )
        return await reading.download(
            await self.manifest(), self._root(root), fetching, path_prefix=path_prefix
        )

    async def fetch(
        self, path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
    ) -> Path:
        """Have one entry in a folder; where it is.

        Raises:
            MissingEntryError: There is none of that path.
            ServerError: As of `download`.
            OSError: The folder cannot be written.
        """
        entry = await self.get_entry(path)
        return await reading.fetch_entry(entry, self._root(root), self.requests.connection)

    async def get_entry(self, name: str | os.PathLike[str]) -> Entry:
        """An entry by its path.

        Raises:
            MissingEntryError: There is none.
        """
        found = (await self.manifest()).entries.get(os.fspath(name))
        if found is None:
            raise MissingEntryError(f"{self.qualified_name} has no entry {os.fspath(name)!r}")
        return found

    async def get(self, name: str) -> Any:  # noqa: ANN401  # a table, an image …
        """The object that was added under a name; see `Artifact.get`."""
        manifest = await self.manifest()
        return await reading.get(name, manifest, self._root(None), self.requests.connection)

    async def verify(self, root: str | os.PathLike[str] | None = None) -> None:
        """See that a folder holds what it holds, and nothing else.

        Raises:
            UsageError: It does not: says where.
        """
        await reading.check_folder(await self.manifest(), self._root(root))

    async def change(
        self,
        *,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        aliases: Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
    ) -> AsyncArtifact:
        """Change it at the server; what is None stays. Returns it as it is then.

        Raises:
            UsageError: Something of it cannot be.
            ServerError: The server refused or cannot be reached.
        """
        changes: dict[str, object] = {}
        if description is not None:
            changes["description"] = names.description_of(description)
        if metadata is not None:
            changes["metadata"] = names.metadata_of(metadata)
        if aliases is not None:
            changes["aliases"] = names.aliases_of(aliases)
        if tags is not None:
            changes["tags"] = names.tags_of(tags)
        return self._other(await self.requests.change(self.version, changes))

    async def delete(self, delete_aliases: bool = False) -> None:
        """Delete this version; see `Artifact.delete`."""
        await self.requests.delete(self.version, with_aliases=delete_aliases)

    async def link(self, target_path: str, aliases: Iterable[str] | None = None) -> AsyncArtifact:
        """Have it in another collection, too; see `Artifact.link`."""
        where = names.Place.parse(
            target_path, entity=self.version.entity, project=self.version.project
        )
        called = names.aliases_of(aliases)
        return self._other(await self.requests.link(self.version.id, where, called))

    async def unlink(self) -> None:
        """Take it out of the collection that it is linked into.

        Raises:
            UsageError: It is no link.
            ServerError: The server refused or cannot be reached.
        """
        if self.version.source is None:
            raise UsageError(f"{self.qualified_name} was logged there: delete() deletes it")
        await self.requests.unlink(self.version)

    async def whole(self) -> AsyncArtifact:
        """It with who logged and used it, which lists do not say.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return self._other(await self.requests.by_id(self.version.id))

    def _other(self, version: Version) -> AsyncArtifact:
        return AsyncArtifact(version, self.requests)

    def _root(self, root: str | os.PathLike[str] | None) -> Path:
        if root is not None:
            return Path(root)
        return reading.default_root(self.requests.connection, self.version)
