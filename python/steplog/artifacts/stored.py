"""An artifact that is logged: what the server has made of it, and what can be changed of that."""

from __future__ import annotations

import copy
import datetime as dt
import importlib
import time
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from steplog._errors import (
    ArtifactNotLoggedError,
    InternalError,
    NotFoundError,
    RefusedError,
    ServerError,
    UsageError,
    WaitTimeoutError,
)
from steplog.artifacts import names
from steplog.artifacts.draft import Draft
from steplog.artifacts.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

    from steplog._settings import Settings
    from steplog.artifacts.artifact import Artifact
    from steplog.artifacts.manifest import Manifest
    from steplog.client.api import Run
    from steplog.client.artifacts import ArtifactRequests
    from steplog.client.portal import Portal

    class LoggedBy(Protocol):
        """What a run knows of an artifact that it has logged."""

        def portal(self) -> Portal:
            """The way to the server.

            Raises:
                ArtifactNotLoggedError: The run is offline.
            """

        def why_never(self, awaits: str | None) -> str:
            """Why it will not come to the server as it is; empty if it may.

            Args:
                awaits: What the server says that it waits for; None while it does not know it.
            """

        def why_not_yet(self) -> str:
            """Why the upload does not go on just now; empty if it does."""


__all__ = ["Stored"]

_FIRST_PAUSE_SECS, _MOST_PAUSE_SECS = 0.02, 1.0


class Stored(Draft):
    """The side of an artifact that the server knows."""

    _version: Version | None = None
    _portal: Portal | None = None
    _logged_by: LoggedBy | None = None
    _is_awaited = False
    _aliases: list[str]
    _tags: list[str]
    _is_manifest_here = True

    @classmethod
    def of(cls, version: Version, portal: Portal) -> Self:
        """A version that the server has."""
        made = cls._other(version.name, version.type)
        made._adopt(version, portal)  # noqa: SLF001  # of the same class
        made._is_manifest_here = False  # noqa: SLF001  # as above
        return made

    def _adopt(self, version: Version, portal: Portal) -> None:
        if self._is_manifest_here and self._manifest.digest() != version.digest:
            self._is_manifest_here = False  # the server has put it together with others
        self._version, self._portal, self._is_awaited = version, portal, False
        self._name, self._type = version.name, version.type
        self._description = version.description
        self._metadata = copy.deepcopy(version.metadata)
        self._aliases, self._tags = list(version.aliases), list(version.tags)
        self.finalize()

    def take_log(self, logged_by: LoggedBy) -> None:
        """It is in a run's log: nothing more goes into it.

        What it comes to is not known yet; one that the server had stays that version until `wait`.
        """
        self._logged_by, self._is_awaited = logged_by, True
        self.finalize()

    # ---- when it is committed -----------------------------------------------------------------

    def is_draft(self) -> bool:
        """Whether the server has not committed it, as far as this object knows."""
        return self._version is None

    @property
    def is_logged(self) -> bool:
        """Whether it is in a run's log, or at the server."""
        return self._version is not None or self._logged_by is not None

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until the server has committed it: until all that it holds is there.

        Blocks. Returns at once for one that was read from the server and not logged since.

        Args:
            timeout: Longest time in seconds; by default as long as the run can still send it.

        Raises:
            ArtifactNotLoggedError: It is not logged, or by an offline run.
            WaitTimeoutError: It has not come in time; it may still.
            ServerError: The server has refused it, or the run cannot send it any more; also since
                an immutable file has changed before it was sent, or a file is over the server's
                limits.
        """
        if self._version is not None and not self._is_awaited:
            return self
        logged_by = self._not_none(self._logged_by, "wait()")
        portal = logged_by.portal()
        until = None if timeout is None else time.monotonic() + timeout
        pause_secs = _FIRST_PAUSE_SECS
        while True:
            version = self._look(portal)
            if version is not None and version.state == "committed":
                self._adopt(version, portal)
                return self
            if version is not None and version.state != "pending":
                why = version.reason or version.state
                raise ServerError(f"the server has refused the artifact {self._name}: {why}")
            never = logged_by.why_never(None if version is None else version.reason)
            if never:
                raise ServerError(f"the artifact {self._name} does not come to the server: {never}")
            if until is not None and time.monotonic() + pause_secs > until:
                why = logged_by.why_not_yet() or ("" if version is None else version.reason)
                raise WaitTimeoutError(
                    f"the artifact {self._name} is not committed after {timeout:g} s"
                    f"{why and f': {why}'}"
                )
            time.sleep(pause_secs)
            pause_secs = min(2 * pause_secs, _MOST_PAUSE_SECS)

    async def await_committed(self, timeout: float | None = None) -> Self:
        """`wait`, without blocking the event loop.

        Cancel: Safe; nothing is undone.
        """
        import anyio.to_thread  # noqa: PLC0415  # only a program that waits pays for it

        return await anyio.to_thread.run_sync(self.wait, timeout, abandon_on_cancel=True)

    def _look(self, portal: Portal) -> Version | None:
        """What the server says of it now; None where it does not know it, or does not answer."""
        from steplog.client.artifacts import ArtifactRequests  # noqa: PLC0415  # with its libraries

        try:
            return portal.call(ArtifactRequests(portal.reader.connection).by_id, self.client_id)
        except NotFoundError:
            return None
        except RefusedError:
            raise
        except ServerError:  # it cannot be reached now
            return None

    def _not_none(self, value: LoggedBy | None, what: str) -> LoggedBy:
        if value is None:
            raise ArtifactNotLoggedError(
                f"{what} of an artifact is there once it is logged: log_artifact() logs it"
            )
        return value

    def _known(self, what: str) -> Version:
        if self._version is None:
            self._not_none(self._logged_by, what)
            raise ArtifactNotLoggedError(
                f"{what} of the artifact {self._name} is not known before the server has committed "
                "it: wait() waits for that"
            )
        return self._version

    def _requests(self) -> tuple[Portal, ArtifactRequests]:
        self._known("this")
        portal = self._portal
        if portal is None:
            raise InternalError("an artifact is known, but not of which server")
        from steplog.client.artifacts import ArtifactRequests  # noqa: PLC0415  # with its libraries

        return portal, ArtifactRequests(portal.reader.connection)

    # ---- what it is called --------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """Its id; None while it is a draft."""
        return None if self._version is None else self._version.id

    @property
    def name(self) -> str:
        """Its name, with its version once that is known: `model:v3`."""
        version = self._version
        return self._name if version is None else f"{self._name}:{version.version}"

    @property
    def version(self) -> str:
        """Its version, such as `v3`."""
        return self._known("version").version

    @property
    def entity(self) -> str:
        """Owner of the project that it is in."""
        return self._known("entity").entity

    @property
    def project(self) -> str:
        """The project that it is in."""
        return self._known("project").project

    @property
    def qualified_name(self) -> str:
        """`entity/project/name:version`."""
        return self._known("qualified_name").qualified

    @property
    def url(self) -> str:
        """Its page."""
        version = self._known("url")
        portal, _ = self._requests()
        parts = (version.entity, version.project, "artifacts", version.name, version.version)
        where = "/".join(quote(part, safe="") for part in parts)
        return f"{portal.reader.connection.base_url}/p/{where}"

    @property
    def is_link(self) -> bool:
        """Whether it is in this collection by a link."""
        return self._known("is_link").source is not None

    @property
    def source_entity(self) -> str:
        """Where it was logged: the entity."""
        return self._source["entity"]

    @property
    def source_project(self) -> str:
        """Where it was logged: the project."""
        return self._source["project"]

    @property
    def source_version(self) -> str:
        """Its version there."""
        return self._source["version"]

    @property
    def source_name(self) -> str:
        """Its name and version there."""
        return f"{self._source['name']}:{self._source['version']}"

    @property
    def source_qualified_name(self) -> str:
        """All of where it was logged: `entity/project/name:version`."""
        return f"{self.source_entity}/{self.source_project}/{self.source_name}"

    @property
    def source_artifact(self) -> Self:
        """It as it is where it was logged; itself where it is no link.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        if not self.is_link:
            return self
        portal, requests = self._requests()
        place = names.Place.parse(self.source_qualified_name, entity="", project="")
        return type(self).of(portal.call(requests.version, place), portal)

    @property
    def _source(self) -> Mapping[str, str]:
        version = self._known("its source")
        own = {name: getattr(version, name) for name in ("entity", "project", "name", "version")}
        return own if version.source is None else version.source

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest:
        """What it holds; of a version that was read the server is asked once.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        if not self._is_manifest_here:
            portal, requests = self._requests()
            self._manifest = portal.call(requests.manifest, self._known("manifest"))
            self._is_manifest_here = True
        return self._manifest

    @property
    def digest(self) -> str:
        """Of all that it holds: versions of equal digests are one."""
        return self._manifest.digest() if self._version is None else self._version.digest

    @property
    def size(self) -> int:
        """Bytes of all entries of which that is known."""
        return self._manifest.size() if self._version is None else self._version.size

    @property
    def file_count(self) -> int:
        """How many entries it has."""
        return len(self._manifest) if self._version is None else self._version.count

    @property
    def state(self) -> str:
        """`PENDING`, `COMMITTED`, `FAILED` or `DELETED`."""
        return "PENDING" if self._version is None else self._version.state.upper()

    @property
    def created_at(self) -> str:
        """When it was logged, as ISO 8601 in UTC."""
        made = dt.datetime.fromtimestamp(self._known("created_at").created, dt.timezone.utc)
        return made.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def aliases(self) -> list[str]:
        """Its names besides the version; set or change the list, then `save`."""
        self._known("aliases")
        return self._aliases

    @aliases.setter
    def aliases(self, aliases: Iterable[str]) -> None:
        self._known("aliases")
        self._aliases = names.aliases_of(aliases)

    @property
    def tags(self) -> list[str]:
        """Its labels; set or change the list, then `save`."""
        self._known("tags")
        return self._tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._known("tags")
        self._tags = names.tags_of(tags)

    def save(
        self, project: str | None = None, settings: Settings | Mapping[str, Any] | None = None
    ) -> None:
        """Have the server know what has changed: description, metadata, aliases and tags.

        At the server when it returns. One that is not logged yet is logged by the current run; if
        there is none by a run of its own, which has sent it when this returns, if the server can be
        reached. See `Run.log_artifact`.

        Args:
            project: Of a run of its own.
            settings: Of a run of its own.

        Raises:
            ArtifactNotLoggedError: It is logged, and not committed yet.
            UsageError: Something of it cannot be.
            ServerError: The server refused or cannot be reached.
        """
        if not self.is_logged:
            self._log_alone(project, settings)
            return
        version = self._known("save()")
        portal, requests = self._requests()
        now = {
            "description": self._description,
            "metadata": names.metadata_of(self._metadata),
            "aliases": names.aliases_of(self._aliases),
            "tags": names.tags_of(self._tags),
        }
        was = {
            "description": version.description,
            "metadata": version.metadata,
            "aliases": list(version.aliases),
            "tags": list(version.tags),
        }
        changes = {name: value for name, value in now.items() if value != was[name]}
        if changes:
            self._adopt(portal.call(requests.change, version, changes), portal)

    def _log_alone(
        self, project: str | None, settings: Settings | Mapping[str, Any] | None
    ) -> None:
        # The public names, as a program has them: nothing here knows what a run is.
        steplog = importlib.import_module("steplog")
        made = cast("Artifact", self)
        run = steplog.run
        if run is not None:
            run.log_artifact(made)
            return
        with steplog.init(project=project, job_type="auto", settings=settings) as own:
            own.log_artifact(made)

    def delete(self, delete_aliases: bool = False) -> None:
        """Delete this version; its contents go once nothing else has them.

        Args:
            delete_aliases: Whether aliases other than `latest` may go, too.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            ServerError: It has aliases; or the server refused or cannot be reached.
        """
        version = self._known("delete()")
        portal, requests = self._requests()

        async def delete() -> None:
            await requests.delete(version, with_aliases=delete_aliases)

        portal.call(delete)

    def link(self, target_path: str, aliases: Iterable[str] | None = None) -> Self:
        """Have it in another collection, too.

        Args:
            target_path: `collection`, `project/collection` or `entity/project/collection`.
            aliases: Its names there.

        Returns:
            It as it is there.

        Raises:
            ArtifactNotLoggedError: It is not committed.
            UsageError: The path or an alias is none.
            ServerError: The server refused or cannot be reached.
        """
        version = self._known("link()")
        portal, requests = self._requests()
        to = names.Place.parse(target_path, entity=version.entity, project=version.project)
        found = portal.call(requests.link, version.id, to, names.aliases_of(aliases))
        return type(self).of(found, portal)

    def unlink(self) -> None:
        """Take it out of the collection that it is linked into.

        Raises:
            UsageError: It is no link.
            ServerError: The server refused or cannot be reached.
        """
        version = self._known("unlink()")
        if version.source is None:
            raise UsageError(f"{version.qualified} was logged there: delete() deletes it")
        portal, requests = self._requests()
        portal.call(requests.unlink, version)

    # ---- who had to do with it ------------------------------------------------------------------

    def logged_by(self) -> Run | None:
        """The run that logged it first; None where that is gone.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        version = self._known("logged_by()")
        found = self._runs([version.run] if version.run is not None else [])
        return found[0] if found else None

    def used_by(self) -> list[Run]:
        """The runs that have used it.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        portal, requests = self._requests()
        source = portal.call(requests.by_id, self._known("used_by()").id)
        return self._runs(source.used_by)

    def _runs(self, named: Iterable[Mapping[str, Any]]) -> list[Run]:
        from steplog.client.api import Run  # noqa: PLC0415  # with its libraries

        portal, _ = self._requests()
        found = []
        for one in named:
            try:
                facts = portal.call(
                    portal.reader.run, f"{one['entity']}/{one['project']}/{one['run']}"
                )
            except NotFoundError:
                continue  # deleted since
            found.append(Run(**vars(facts), portal=portal))
        return found
