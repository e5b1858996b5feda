"""`Artifact`: a version of files and references, from its draft to its download."""

from __future__ import annotations

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError
from steplog.artifacts.manifest import Entry
from steplog.artifacts.stored import Stored
from steplog.data.media import Value

if TYPE_CHECKING:
    from typing_extensions import Self

    from steplog.artifacts.catalog import ArtifactCollection
    from steplog.artifacts.version import Version
    from steplog.client.connection import Connection
    from steplog.client.portal import Portal

__all__ = ["Artifact", "LoggedEntry"]


@dataclasses.dataclass(frozen=True)
class LoggedEntry(Entry):
    """An entry of a version that the server has."""

    artifact: Artifact = dataclasses.field(kw_only=True, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its path in the artifact."""
        return self.path

    def download(self, root: str | os.PathLike[str] | None = None) -> str:
        """Have it in a folder, as of `Artifact.download`; returns where it is."""
        return self.artifact.fetch(self, root)

    def ref_target(self) -> str:
        """The address of a reference.

        Raises:
            ValueError: It is a file.
        """
        if self.ref is None:
            raise ValueError(f"{self.path} is no reference")
        return self.ref

    ref_url = ref_target


class Artifact(Stored, Value):
    """A version of a set of files: a dataset, a model, or what a program has made.

    Make one, put files into it, and give it to `run.log_artifact`; from then on it does not change.
    `run.use_artifact` and `Api.artifact` give such that were logged. Calls that ask the server
    block; `AsyncApi` has twins of them. Not for several threads at once.

    Args:
        name: What all its versions are called: 1 to 128 letters, digits, `_`, `.` and `-`.
        type: Its kind, such as `dataset` or `model`; one name has one type.
        description: A text about it.
        metadata: Facts about it, at most 100 keys.
        incremental: Whether its entries are added to those of the latest version.
        use_as: Accepted, and kept.

    Attributes:
        client_id: Its id in the log.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: An argument is out of range.
    """

    def __repr__(self) -> str:
        return f"<Artifact {self._version.qualified if self._version else self._name}>"

    def taken(self) -> object:
        """As of `Value`.

        Raises:
            ArgumentTypeError: Always: an artifact is no value of a row.
        """
        raise ArgumentTypeError("an artifact is logged by log_artifact(), and stands in no row")

    # ---- reading --------------------------------------------------------------------------------

    def download(  # noqa: PLR0917  # as in the reference
        self,
        root: str | os.PathLike[str] | None = None,
        allow_missing_references: bool = False,
        skip_cache: bool | None = None,
        path_prefix: str | None = None,
    ) -> str:
        """Have all that it holds in a folder.

        Several files at once. Each is checked by its hash and then put in its place: when this is
        interrupted or fails, none is there in part, and the next call goes on where it was. A file
        that is there and right stays; another one under its name is replaced. Nothing is written
        outside of the folder. References are fetched from where they are, and checked.

        Args:
            root: The folder; `artifacts/name:vN`, or below the setting `artifact_dir`, by default.
            allow_missing_references: Leave out references that lead to nothing, and say so.
            skip_cache: Whether the cache of contents is let alone.
            path_prefix: Only entries whose paths begin so.

        Returns:
            The folder.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            NotFoundError: A reference leads to nothing.
            ServerError: The server refused or stays away; what came, or a reference holds, is
                something else; or a path leads out of the folder.
            OSError: The folder cannot be written.
        """
        from steplog.artifacts import reading  # noqa: PLC0415  # with the client's libraries
        from steplog.artifacts.fetching import Fetching  # noqa: PLC0415

        version, portal, connection = self._reached()
        fetching = partial(
            Fetching,
            connection,
            allow_missing_references=allow_missing_references,
            skip_cache=bool(skip_cache),
        )
        to = reading.default_root(connection, version) if root is None else Path(root)
        work = partial(reading.download, path_prefix=path_prefix)
        return os.fspath(portal.call(work, self.manifest, to, fetching))

    def get(self, name: str) -> Any:  # noqa: ANN401  # a table, an image …
        """The object that was added under a name, as `add` took it: a `Table`, or an `Image`.

        Its files come into the folder of `download`. None where there is no such object.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            MissingEntryError: A file of it is not in the artifact.
            ServerError: It cannot be understood, or as of `download`.
            OSError: The folder cannot be written.
        """
        from steplog.artifacts import reading  # noqa: PLC0415  # with the client's libraries

        version, portal, connection = self._reached()
        root = reading.default_root(connection, version)
        return portal.call(reading.get, name, self.manifest, root, connection)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  # as of `get`
        """As of `get`."""
        return self.get(name)

    def __setitem__(self, name: str, obj: object) -> None:
        """As of `add`."""
        self.add(obj, name)

    def get_entry(self, name: str | os.PathLike[str]) -> LoggedEntry:
        """An entry by its path.

        Raises:
            MissingEntryError: There is none.
        """
        return self._logged(super().get_entry(name))

    def get_path(self, name: str | os.PathLike[str]) -> LoggedEntry:
        """An older name of `get_entry`."""
        return self.get_entry(name)

    def files(self, names: list[str] | None = None) -> list[LoggedEntry]:
        """Its entries, by path; of these names or all.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        entries = self.manifest.entries
        return [
            self._logged(entries[path])
            for path in sorted(entries)
            if names is None or path in names
        ]

    def file(self, root: str | os.PathLike[str] | None = None) -> str:
        """Have its only entry in a folder, as of `download`; returns where it is.

        Raises:
            UsageError: It has more than one entry, or none.
        """
        from steplog.artifacts import reading  # noqa: PLC0415  # with the client's libraries

        return self.fetch(reading.only_entry(self.manifest), root)

    def fetch(self, entry: Entry, root: str | os.PathLike[str] | None = None) -> str:
        """Have one entry in a folder, as of `download`; returns where it is."""
        from steplog.artifacts import reading  # noqa: PLC0415  # with the client's libraries

        version, portal, connection = self._reached()
        to = reading.default_root(connection, version) if root is None else Path(root)
        return os.fspath(portal.call(reading.fetch_entry, entry, to, connection))

    def verify(self, root: str | os.PathLike[str] | None = None) -> None:
        """See that a folder holds what it holds, and nothing else.

        Args:
            root: The folder; that of `download` by default.

        Raises:
            UsageError: It does not: says where.
        """
        from steplog.artifacts import reading  # noqa: PLC0415  # with the client's libraries

        version, portal, connection = self._reached()
        to = reading.default_root(connection, version) if root is None else Path(root)
        portal.call(reading.check_folder, self.manifest, to)

    @property
    def collection(self) -> ArtifactCollection:
        """The collection that it is in, as of now; blocks.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            ServerError: The server refused or cannot be reached.
        """
        version = self._known("collection")
        return self._collection(version.entity, version.project, version.name)

    @property
    def source_collection(self) -> ArtifactCollection:
        """The collection that it was logged to, as of now; blocks. As of `collection`."""
        source = self._source
        return self._collection(source["entity"], source["project"], source["name"])

    def _collection(self, entity: str, project: str, name: str) -> ArtifactCollection:
        from steplog.artifacts.catalog import Catalog  # noqa: PLC0415  # it knows artifacts
        from steplog.artifacts.names import Place  # noqa: PLC0415

        portal, requests = self._requests()
        return Catalog(portal, requests).collection(Place(entity, project, name, ""), None)

    def new_draft(self) -> Self:
        """A draft of the next version: with all that this one holds, which is not sent again.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            ServerError: The server refused or cannot be reached.
        """
        self._known("new_draft()")
        draft = self._other(self._name, self._type)
        draft.description, draft.metadata = self._description, self._metadata
        draft.begin_from(self.id)
        draft.take_over(self.manifest)
        return draft

    def _logged(self, entry: Entry) -> LoggedEntry:
        fields = {one.name: getattr(entry, one.name) for one in dataclasses.fields(Entry)}
        return LoggedEntry(**fields, artifact=self)

    def _reached(self) -> tuple[Version, Portal, Connection]:
        portal, requests = self._requests()
        return self._known("this"), portal, requests.connection
