"""What artifacts a project has: its types, its collections and their versions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steplog._errors import NotFoundError
from steplog.artifacts import names
from steplog.artifacts.artifact import Artifact
from steplog.artifacts.version import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from steplog.client.artifacts import ArtifactRequests
    from steplog.client.portal import Portal

__all__ = ["ArtifactCollection", "ArtifactType", "Catalog", "CollectionFacts"]


@dataclass(kw_only=True)
class CollectionFacts:
    """What the server says of a collection, as of when it was read.

    Attributes:
        entity: Owner of the project.
        project: The project.
        name: What all its versions are called.
        type: Their kind.
        description: A text about it.
        tags: Labels.
        created: When it began, seconds since the epoch.
        versions: How many it has.
        latest: Of the version with that alias: `version`, `aliases`, `created`, `size`, `count` and
            `digest`; None where there is none.
    """

    entity: str
    project: str
    name: str
    type: str
    description: str
    tags: list[str]
    created: float
    versions: int
    latest: Mapping[str, Any] | None

    @classmethod
    def fields_of(cls, said: Mapping[str, Any], project: tuple[str, str]) -> dict[str, Any]:
        """Its fields, out of what the server says."""
        versions = said.get("versions")
        return {
            "entity": project[0],
            "project": project[1],
            "name": str(said["name"]),
            "type": str(said["type"]),
            "description": str(said.get("description") or ""),
            "tags": list(said.get("tags") or ()),
            "created": float(said.get("created") or 0.0),
            "versions": versions if isinstance(versions, int) else len(said.get("list") or ()),
            "latest": said.get("latest"),
        }

    @property
    def created_at(self) -> str:
        """When it began, as ISO 8601 in UTC."""
        made = dt.datetime.fromtimestamp(self.created, dt.timezone.utc)
        return made.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def place(self) -> names.Place:
        """Where it is."""
        return names.Place(self.entity, self.project, self.name, "")


_CHECKS: dict[str, Callable[[object], object]] = {
    "name": names.check_name,
    "type": names.check_type,
    "description": names.description_of,
    "tags": names.tags_of,
}
"""Of what can be changed of a collection."""


@dataclass(kw_only=True)
class ArtifactCollection(CollectionFacts):
    """All versions of a name; its calls block.

    `name`, `type`, `description` and `tags` can be set; `save` has the server know.
    """

    catalog: Catalog = field(repr=False, compare=False)
    _saved: dict[str, object] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._saved = self._now()

    def _now(self) -> dict[str, object]:
        """What can be changed of it."""
        return {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "tags": list(self.tags),
        }

    @property
    def place(self) -> names.Place:
        """Where it is, whatever its name was set to since."""
        return names.Place(self.entity, self.project, str(self._saved["name"]), "")

    def save(self) -> None:
        """Have the server know what has changed; there when it returns.

        Raises:
            UsageError: Something of it cannot be.
            ServerError: The server refused or cannot be reached.
        """
        now = self._now()
        changed = {name: value for name, value in now.items() if value != self._saved[name]}
        if changed:
            self.catalog.change(
                self, {name: _CHECKS[name](value) for name, value in changed.items()}
            )
            self._saved = now

    def artifacts(self) -> Iterator[Artifact]:
        """Iterate over its versions, newest first; pages are read meanwhile.

        Raises:
            ServerError: While iterating: the server refused or cannot be reached.
        """
        return self.catalog.versions(self.place)

    def change(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> ArtifactCollection:
        """Change it at the server; what is None stays. Returns it as it is then.

        Raises:
            UsageError: Something of it cannot be.
            ServerError: The server refused or cannot be reached.
        """
        given = {"name": name, "type": type, "description": description, "tags": tags}
        changes = {what: _CHECKS[what](value) for what, value in given.items() if value is not None}
        return self.catalog.change(self, changes)

    def delete(self) -> None:
        """Delete it with all its versions.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        self.catalog.delete(self)


@dataclass(frozen=True)
class ArtifactType:
    """A kind of artifacts of a project; its calls block.

    Attributes:
        entity: Owner of the project.
        project: The project.
        name: The type.
    """

    entity: str
    project: str
    name: str
    catalog: Catalog = field(repr=False, compare=False)

    def collections(self) -> list[ArtifactCollection]:
        """The collections of that type, by name.

        Raises:
            ServerError: The server refused or cannot be reached.
        """
        return self.catalog.collections((self.entity, self.project), self.name)

    def collection(self, name: str) -> ArtifactCollection:
        """A collection of that type.

        Raises:
            NotFoundError: There is none.
            ServerError: The server refused or cannot be reached.
        """
        return self.catalog.collection(names.Place(self.entity, self.project, name, ""), self.name)


class Catalog:
    """Reads what a project has, by blocking calls."""

    def __init__(self, portal: Portal, requests: ArtifactRequests) -> None:
        self._portal = portal
        self._requests = requests

    def artifact(self, place: names.Place) -> Artifact:
        """A version."""
        return Artifact.of(self._portal.call(self._requests.version, place), self._portal)

    def versions(self, place: names.Place, page_size: int = PAGE) -> Iterator[Artifact]:
        """The committed versions of a collection, newest first."""
        cursor = None
        while True:
            page, cursor = self._portal.call(self._requests.versions_page, place, cursor, page_size)
            yield from (Artifact.of(one, self._portal) for one in page if one.version)
            if cursor is None:
                return

    def collections(self, project: tuple[str, str], kind: str | None) -> list[ArtifactCollection]:
        """The collections of a project, of one type or all, by name."""
        found = self._portal.call(self._requests.collections, project, kind)
        made = [
            ArtifactCollection(**CollectionFacts.fields_of(said, project), catalog=self)
            for said in found
        ]
        return sorted(made, key=lambda one: one.name)

    def collection(self, place: names.Place, kind: str | None) -> ArtifactCollection:
        """A collection, which has to be of a type.

        Raises:
            NotFoundError: There is none of that type.
        """
        said = self._portal.call(self._requests.collection, place)
        fields = CollectionFacts.fields_of(said, (place.entity, place.project))
        if kind is not None and fields["type"] != kind:
            raise no_collection(place, kind)
        return ArtifactCollection(**fields, catalog=self)

    def types(self, project: tuple[str, str]) -> list[ArtifactType]:
        """The types of a project, by name."""
        found = {one.type for one in self.collections(project, None)}
        return [ArtifactType(*project, name, self) for name in sorted(found)]

    def change(
        self, collection: CollectionFacts, changes: Mapping[str, object]
    ) -> ArtifactCollection:
        """Change a collection."""
        place = collection.place
        said = self._portal.call(self._requests.change_collection, place, changes)
        fields = CollectionFacts.fields_of(said, (place.entity, place.project))
        return ArtifactCollection(**fields, catalog=self)

    def delete(self, collection: CollectionFacts) -> None:
        """Delete a collection."""
        self._portal.call(self._requests.delete_collection, collection.place)


def no_collection(place: names.Place, kind: str) -> NotFoundError:
    """The error of a collection of another type."""
    where = f"{place.entity}/{place.project}/{place.name}"
    return NotFoundError(f"{where} is no collection of type {kind!r}", status=404)
