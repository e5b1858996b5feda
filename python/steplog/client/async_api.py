"""`AsyncApi`: the read side for programs that run an asyncio event loop."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from steplog._errors import NotFoundError
from steplog.artifacts.async_artifact import AsyncArtifact
from steplog.artifacts.catalog import CollectionFacts, no_collection
from steplog.artifacts.names import Place, check_kind, tags_of
from steplog.artifacts.version import PAGE
from steplog.client.artifacts import ArtifactRequests
from steplog.client.connection import Connection
from steplog.client.files import AsyncFile
from steplog.client.frames import frame_of
from steplog.client.reader import Facts, Reader, Row, Selection, check_runs_page
from steplog.client.tables import StoredTable, read_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["AsyncApi", "AsyncRun"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsyncRun(Facts):
    """A run as the server has it; the attributes are as of when it was read."""

    reader: Reader = dataclasses.field(repr=False, compare=False)

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        page_size: int = 10_000,
        *,
        min_step: int = 0,
        max_step: int | None = None,
    ) -> AsyncIterator[Row]:
        r"""Iterate over the run's rows, every value exactly as it was logged.

        Pages are read while iterating; rows come by writer label, then by step. Each row holds
        `_step`, `_timestamp` and `_runtime` (seconds), `_label` when the writer has one, and its
        values under dotted keys: `n.x` for a nested value.

        Args:
            keys: Only these, and only rows that hold all of them. `a.b` is `b` inside `a`; write
                `a\.b` for a key with a literal dot.
            page_size: Rows of a request, 1 to 50,000.
            min_step: First step.
            max_step: Step after the last; none by default.

        Raises:
            UsageError: An argument is out of range.
            ArgumentTypeError: An argument is of a type that it cannot have.
            ServerError: While iterating: the server refused or cannot be reached.
        """
        return self._rows(Selection.of(keys, page_size, min_step=min_step, max_step=max_step))

    async def _rows(self, selection: Selection) -> AsyncIterator[Row]:
        cursor = None
        while True:
            rows, cursor = await self.reader.rows_page(self, selection, cursor)
            for row in rows:
                yield row
            if cursor is None:
                return

    async def history(
        self,
        keys: Sequence[str] | None = None,
        *,
        pandas: bool = True,
    ) -> Any:  # noqa: ANN401  # a DataFrame or a list of rows
        """Read all rows of the run; see `scan_history`.

        Args:
            keys: Only these, and only rows that hold all of them.
            pandas: Return a DataFrame when pandas is installed; a list of rows otherwise.

        Raises:
            UsageError: A key is empty.
            ArgumentTypeError: A key is no text.
            ServerError: The server refused or cannot be reached.
        """
        rows = [row async for row in self.scan_history(keys, 10_000)]
        return await anyio.to_thread.run_sync(frame_of, rows) if pandas else rows

    async def table(self, key: str, step: int | None = None) -> StoredTable:
        """A table that was logged under a key; of an incremental one all rows up to there.

        Args:
            key: As for `scan_history`; that of a chart's table ends in `_table`.
            step: Its row; the last one by default.

        Raises:
            NotFoundError: There is none, or its file has not come to the server yet.
            UsageError: What stands there is no table.
            ArgumentTypeError: An argument is of a wrong type.
            ServerError: The server refused or cannot be reached.
        """
        return await read_table(self.reader, self, key=key, step=step)

    async def logged_artifacts(self) -> list[AsyncArtifact]:
        """The versions of artifacts that the run logged, and the server has committed.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return await self._artifacts("logged")

    async def used_artifacts(self) -> list[AsyncArtifact]:
        """The versions of artifacts that the run used.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return await self._artifacts("used")

    async def _artifacts(self, how: str) -> list[AsyncArtifact]:
        requests = ArtifactRequests(self.reader.connection)
        found = await requests.of_run(self)
        return [AsyncArtifact(version, requests) for version in found[how] if version.version]

    async def files(self, *, all_writers: bool = False) -> list[AsyncFile]:
        """The files of the run by name, each name once: of several processes' the latest.

        Args:
            all_writers: List what each process and attempt has under a name, the latest first:
                `writer` and `label` say whose a file is.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        found = await self.reader.files(self, all_writers=all_writers)
        return [AsyncFile(**vars(facts), run=self, reader=self.reader) for facts in found]

    async def file(self, name: str) -> AsyncFile:
        """A file of the run; of the same name in several processes the latest.

        Args:
            name: Its path in the run's folder `files`.

        Raises:
            NotFoundError: The run has none of that name.
            ArgumentTypeError: The name is no text.
            ServerError: The server refused or cannot be reached.
        """
        facts = await self.reader.named(self, name)
        return AsyncFile(**vars(facts), run=self, reader=self.reader)


class AsyncApi:
    """Reads runs from a server. Use it in one asyncio event loop, with `async with` or `aclose`.

    It needs asyncio: on trio, use `Api` in a thread.
    Nothing is read or connected before the first call.

    Args:
        base_url: The server; STEPLOG_BASE_URL by default.
        api_key: Its key; STEPLOG_API_KEY or the user's key file by default.

    Raises:
        UsageError: The address is no HTTP address.
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        self._reader = Reader(Connection(base_url, api_key))
        self._artifacts = ArtifactRequests(self._reader.connection)

    def runs(
        self, project: str, entity: str | None = None, *, page_size: int = 100
    ) -> AsyncIterator[AsyncRun]:
        """Iterate over the runs of a project, oldest first.

        Pages are read while iterating.

        Args:
            project: `project` or `entity/project`.
            entity: Owner of the project; `local` by default.
            page_size: Runs of a page, 1 to 1,000.

        Raises:
            UsageError: A name or number is out of range.
            ArgumentTypeError: An argument is of a type that it cannot have.
            ServerError: While iterating: the server refused or cannot be reached.
        """
        place = self._reader.project(project, entity)
        return self._runs(place, check_runs_page(page_size))

    async def _runs(self, place: tuple[str, str], page_size: int) -> AsyncIterator[AsyncRun]:
        start: int | None = 0
        while start is not None:
            page, start = await self._reader.runs_page(place, start, page_size)
            for facts in page:
                yield AsyncRun(**vars(facts), reader=self._reader)

    async def run(self, path: str) -> AsyncRun:
        """Read one run.

        Args:
            path: `project/id` or `entity/project/id`.

        Raises:
            UsageError: `path` is neither.
            ArgumentTypeError: `path` is no text.
            ServerError: There is no such run, or the server refused or cannot be reached.
        """
        return AsyncRun(**vars(await self._reader.run(path)), reader=self._reader)

    async def artifact(self, name: str, type: str | None = None) -> AsyncArtifact:
        """Read one version of an artifact; see `Api.artifact`.

        Raises:
            UsageError: The name is none, or it is of another type.
            ArgumentTypeError: The name is no text.
            NotFoundError: There is none.
            ServerError: The server refused or cannot be reached.
        """
        version = await self._artifacts.version(self._place(name))
        check_kind(version.type, type, name)
        return AsyncArtifact(version, self._artifacts)

    async def artifact_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is a version of that name, and type."""
        try:
            version = await self._artifacts.version(self._place(name))
        except NotFoundError:
            return False
        return type is None or version.type == type

    async def artifacts(
        self,
        type_name: str | None,
        name: str,
        *,
        per_page: int = PAGE,
        tags: Iterable[str] | None = None,
    ) -> AsyncIterator[AsyncArtifact]:
        """Iterate over the versions of a collection, newest first; see `Api.artifacts`.

        Raises:
            UsageError: While iterating: the name is none, or a number out of range.
            NotFoundError: While iterating: there is no such collection of that type.
            ServerError: While iterating: the server refused or cannot be reached.
        """
        place, wanted, size = self._place(name), set(tags_of(tags)), check_runs_page(per_page)
        await self.artifact_collection(type_name, name)
        cursor = None
        while True:
            page, cursor = await self._artifacts.versions_page(place, cursor, size)
            for version in page:
                if version.version and wanted <= set(version.tags):
                    yield AsyncArtifact(version, self._artifacts)
            if cursor is None:
                return

    async def artifact_collection(self, type_name: str | None, name: str) -> CollectionFacts:
        """What there is to say of a collection; see `Api.artifact_collection`.

        Raises:
            NotFoundError: There is none of that type.
            ServerError: The server refused or cannot be reached.
        """
        place = self._place(name)
        said = await self._artifacts.collection(place)
        fields = CollectionFacts.fields_of(said, (place.entity, place.project))
        if type_name is not None and fields["type"] != type_name:
            raise no_collection(place, type_name)
        return CollectionFacts(**fields)

    async def artifact_collections(
        self, project_name: str, type_name: str | None = None
    ) -> list[CollectionFacts]:
        """What there is to say of the collections of a project, by name.

        Raises:
            UsageError: The project's name is none.
            ServerError: The server refused or cannot be reached.
        """
        project = self._reader.project(project_name, None)
        found = await self._artifacts.collections(project, type_name)
        made = [CollectionFacts(**CollectionFacts.fields_of(said, project)) for said in found]
        return sorted(made, key=lambda one: one.name)

    async def artifact_collection_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is a collection of that name, and type."""
        try:
            await self.artifact_collection(type, name)
        except NotFoundError:
            return False
        return True

    async def artifact_types(self, project: str | None = None) -> list[str]:
        """The types of artifacts that a project has, by name; see `Api.artifact_types`.

        Raises:
            UsageError: The project's name is none.
            ServerError: The server refused or cannot be reached.
        """
        where = self._reader.connection.settings.project if project is None else project
        return sorted({one.type for one in await self.artifact_collections(where)})

    def _place(self, name: str) -> Place:
        settings = self._reader.connection.settings
        return Place.parse(name, entity=settings.entity, project=settings.project)

    async def aclose(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._reader.connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
