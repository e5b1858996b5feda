"""`Api`: the read side for programs without an event loop."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from steplog._errors import NotFoundError
from steplog.artifacts.artifact import Artifact
from steplog.artifacts.catalog import ArtifactCollection, ArtifactType, Catalog
from steplog.artifacts.names import Place, check_kind, check_type, tags_of
from steplog.artifacts.version import PAGE
from steplog.client.artifacts import ArtifactRequests
from steplog.client.connection import Connection
from steplog.client.files import File
from steplog.client.frames import frame_of
from steplog.client.portal import Portal
from steplog.client.reader import Facts, Reader, Row, Selection, check_runs_page
from steplog.client.tables import StoredTable, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Api", "Run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Facts):
    """A run as the server has it; the attributes are as of when it was read."""

    portal: Portal = dataclasses.field(repr=False, compare=False)

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        page_size: int = 10_000,
        *,
        min_step: int = 0,
        max_step: int | None = None,
    ) -> Iterator[Row]:
        r"""Iterate over the run's rows, every value exactly as it was logged.

        Pages are read while iterating, which blocks; rows come by writer label, then by step.
        Each row holds `_step`, `_timestamp` and `_runtime` (seconds), `_label` when the writer has
        one, and its values under dotted keys: `n.x` for a nested value.

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

    def _rows(self, selection: Selection) -> Iterator[Row]:
        cursor = None
        while True:
            rows, cursor = self.portal.call(self.portal.reader.rows_page, self, selection, cursor)
            yield from rows
            if cursor is None:
                return

    def history(
        self,
        keys: Sequence[str] | None = None,
        *,
        pandas: bool = True,
    ) -> Any:  # noqa: ANN401  # a DataFrame or a list of rows
        """Read all rows of the run; blocks. See `scan_history`.

        Args:
            keys: Only these, and only rows that hold all of them.
            pandas: Return a DataFrame when pandas is installed; a list of rows otherwise.

        Raises:
            UsageError: A key is empty.
            ArgumentTypeError: A key is no text.
            ServerError: The server refused or cannot be reached.
        """
        rows = list(self.scan_history(keys, 10_000))
        return frame_of(rows) if pandas else rows

    def table(self, key: str, step: int | None = None) -> StoredTable:
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
        work = partial(read_table, key=key, step=step)
        return self.portal.call(work, self.portal.reader, self)

    def logged_artifacts(self) -> list[Artifact]:
        """The versions of artifacts that the run logged, and the server has committed.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return self._artifacts("logged")

    def used_artifacts(self) -> list[Artifact]:
        """The versions of artifacts that the run used.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return self._artifacts("used")

    def _artifacts(self, how: str) -> list[Artifact]:
        requests = ArtifactRequests(self.portal.reader.connection)
        found = self.portal.call(requests.of_run, self)
        return [Artifact.of(version, self.portal) for version in found[how] if version.version]

    def files(self, *, all_writers: bool = False) -> list[File]:
        """The files of the run by name, each name once: of several processes' the latest.

        Args:
            all_writers: List what each process and attempt has under a name, the latest first:
                `writer` and `label` say whose a file is.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        work = partial(self.portal.reader.files, all_writers=all_writers)
        found = self.portal.call(work, self)
        return [File(**vars(facts), run=self, portal=self.portal) for facts in found]

    def file(self, name: str) -> File:
        """A file of the run; of the same name in several processes the latest.

        Args:
            name: Its path in the run's folder `files`.

        Raises:
            NotFoundError: The run has none of that name.
            ArgumentTypeError: The name is no text.
            ServerError: The server refused or cannot be reached.
        """
        facts = self.portal.call(self.portal.reader.named, self, name)
        return File(**vars(facts), run=self, portal=self.portal)


class Api:
    """Reads runs from a server; calls block, and may come from any thread.

    Its event loop runs in a thread of its own, so it works wherever another loop already runs.
    Use it with `with`, or call `close`. Nothing is read or connected before the first call.

    Args:
        base_url: The server; STEPLOG_BASE_URL by default.
        api_key: Its key; STEPLOG_API_KEY or the user's key file by default.

    Raises:
        UsageError: The address is no HTTP address.
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        self._portal = Portal(Reader(Connection(base_url, api_key)))
        connection = self._portal.reader.connection
        self._catalog = Catalog(self._portal, ArtifactRequests(connection))

    def runs(
        self, project: str, entity: str | None = None, *, page_size: int = 100
    ) -> Iterator[Run]:
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
        place = self._portal.reader.project(project, entity)
        return self._runs(place, check_runs_page(page_size))

    def _runs(self, place: tuple[str, str], page_size: int) -> Iterator[Run]:
        start: int | None = 0
        while start is not None:
            page, start = self._portal.call(self._portal.reader.runs_page, place, start, page_size)
            for facts in page:
                yield Run(**vars(facts), portal=self._portal)

    def run(self, path: str) -> Run:
        """Read one run.

        Args:
            path: `project/id` or `entity/project/id`.

        Raises:
            UsageError: `path` is neither.
            ArgumentTypeError: `path` is no text.
            ServerError: There is no such run, or the server refused or cannot be reached.
        """
        facts = self._portal.call(self._portal.reader.run, path)
        return Run(**vars(facts), portal=self._portal)

    def artifact(self, name: str, type: str | None = None) -> Artifact:
        """Read one version of an artifact.

        Args:
            name: `name:alias`, `project/name:alias` or `entity/project/name:v3`; without an alias
                the latest, without a project that of the settings.
            type: What it has to be.

        Raises:
            UsageError: The name is none, or it is of another type.
            ArgumentTypeError: The name is no text.
            NotFoundError: There is none.
            ServerError: The server refused or cannot be reached.
        """
        found = self._catalog.artifact(self._place(name))
        check_kind(found.type, type, name)
        return found

    def artifact_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is a version of that name, and type; see `artifact`."""
        try:
            found = self._catalog.artifact(self._place(name))
        except NotFoundError:
            return False
        return type is None or found.type == type

    def artifacts(
        self,
        type_name: str | None,
        name: str,
        *,
        per_page: int = PAGE,
        tags: Iterable[str] | None = None,
    ) -> Iterator[Artifact]:
        """Iterate over the versions of a collection, newest first.

        Pages are read while iterating.

        Args:
            type_name: What they have to be; None for whatever they are.
            name: `name`, `project/name` or `entity/project/name`.
            per_page: Versions of a page, 1 to 1,000.
            tags: Only versions that have all of these.

        Raises:
            UsageError: The name is none, or a number out of range.
            ArgumentTypeError: An argument is of a wrong type.
            NotFoundError: There is no such collection of that type.
            ServerError: Also while iterating: the server refused or cannot be reached.
        """
        wanted = set(tags_of(tags))
        place = self._catalog.collection(self._place(name), type_name).place
        found = self._catalog.versions(place, check_runs_page(per_page))
        return (one for one in found if wanted <= set(one.tags))

    def artifact_collection(self, type_name: str | None, name: str) -> ArtifactCollection:
        """A collection; see `artifacts`."""
        return self._catalog.collection(self._place(name), type_name)

    def artifact_collection_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is a collection of that name, and type; see `artifacts`."""
        try:
            self._catalog.collection(self._place(name), type)
        except NotFoundError:
            return False
        return True

    def artifact_collections(
        self, project_name: str, type_name: str | None = None
    ) -> list[ArtifactCollection]:
        """The collections of a project, by name.

        Args:
            project_name: `project` or `entity/project`.
            type_name: Only those of this type.

        Raises:
            UsageError: The name is none.
            NotFoundError: There is no such project.
            ServerError: The server refused or cannot be reached.
        """
        return self._catalog.collections(self._project(project_name), type_name)

    def artifact_types(self, project: str | None = None) -> list[ArtifactType]:
        """The types of artifacts that a project has, by name.

        Args:
            project: `project` or `entity/project`; that of the settings by default.

        Raises:
            UsageError: The name is none.
            ServerError: The server refused or cannot be reached.
        """
        return self._catalog.types(self._project(project))

    def artifact_type(self, type_name: str, project: str | None = None) -> ArtifactType:
        """A type of artifacts; see `artifact_types`. The server is not asked."""
        return ArtifactType(*self._project(project), check_type(type_name), self._catalog)

    def _place(self, name: str) -> Place:
        settings = self._portal.reader.connection.settings
        return Place.parse(name, entity=settings.entity, project=settings.project)

    def _project(self, project: str | None) -> tuple[str, str]:
        settings = self._portal.reader.connection.settings
        return self._portal.reader.project(settings.project if project is None else project, None)

    def close(self) -> None:
        """Close the connections and end the thread; a second call does nothing."""
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
