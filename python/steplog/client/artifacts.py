"""Requests for artifacts: the part that the blocking and the async side share."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import msgpack  # type: ignore[import-untyped]  # it has no stubs

from steplog._errors import NotFoundError, RefusedError, ServerError
from steplog.artifacts.manifest import Entry, Manifest
from steplog.artifacts.version import PAGE, Version
from steplog.client.connection import MSGPACK, OCTETS
from steplog.client.reader import project_path, run_path, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog.artifacts.names import Place
    from steplog.client.connection import Connection
    from steplog.client.reader import Facts

__all__ = ["ArtifactRequests"]

_ENTRIES = 1_000
T = TypeVar("T")


class ArtifactRequests:
    """Asks a server for artifacts, and changes them.

    Each call raises:
        NotFoundError: There is no such artifact.
        ServerError: The server refused or cannot be reached.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def version(self, place: Place) -> Version:
        """A version by its name and alias."""
        return await self._version(_path(place, place.ref))

    async def by_id(self, id: str) -> Version:
        """A version by the id that it was logged with."""
        return await self._version(f"/artifacts/{quote(id, safe='')}")

    async def whole(self, version: Version) -> Version:
        """A version with all that lists do not say."""
        return version if version.manifest else await self._version(_path_of(version))

    async def manifest(self, version: Version) -> Manifest:
        """What a version holds."""
        whole = await self.whole(version)
        if not whole.manifest:  # it was put together from several
            return Manifest(await self._entries(whole))
        data, _ = await self.connection.ask(f"/blobs/{whole.manifest}", accept=OCTETS)
        if hashlib.sha256(data).hexdigest() != whole.manifest:
            raise ServerError(f"the manifest that came is not the one of {version.qualified}")
        return Manifest.decode(data)

    async def _entries(self, version: Version) -> list[Entry]:
        found, cursor = [], None
        while True:
            asked = {"limit": str(_ENTRIES), **({} if cursor is None else {"cursor": cursor})}

            def read(said: Any) -> tuple[list[Entry], str | None]:  # noqa: ANN401  # JSON
                page = [Entry.from_json(one["path"], one) for one in said["entries"]]
                return page, said.get("next") or None

            page, cursor = await self._read(f"{_path_of(version)}/entries?{urlencode(asked)}", read)
            found += page
            if cursor is None:
                return found

    async def change(self, version: Version, changes: Mapping[str, object]) -> Version:
        """Change what a version is called and said to be."""
        packed: bytes = msgpack.packb(dict(changes))  # JSON has no NaN
        return await self._version(_path_of(version), body=packed, method="PATCH")

    async def delete(self, version: Version, *, with_aliases: bool) -> None:
        """Delete a version; one with aliases only if they may go, too."""
        where = _path_of(version) + ("?aliases=1" if with_aliases else "")
        await self.connection.ask(where, method="DELETE")

    async def link(self, id: str, to: Place, aliases: list[str]) -> Version:
        """Have a version in another collection, too; as it is there."""
        body: dict[str, object] = {"artifact": id, "aliases": aliases}
        return await self._version(f"{_path(to)}/links", body=body)

    async def refusal(
        self, run: tuple[str, str, str], writer: str, sha256: str
    ) -> RefusedError | None:
        """How a server refuses a content that it wants of a run's writer; None: it does not.

        Nothing is sent of it.
        """
        where = f"{run_path(*run)}/writers/{quote(writer, safe='')}/blobs/{sha256}?from=0"
        try:
            await self.connection.ask(where, body=b"", kind=OCTETS, method="PUT")
        except RefusedError as error:
            return error if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else None
        return None

    async def unlink(self, version: Version) -> None:
        """Take a linked version out of its collection."""
        where = f"{_collection_path(version)}/links/{quote(version.version, safe='')}"
        await self.connection.ask(where, method="DELETE")

    async def collections(
        self, project: tuple[str, str], type_name: str | None
    ) -> list[dict[str, Any]]:
        """The collections of a project, of one type or all."""
        where = f"{project_path(*project)}/artifacts"
        where += f"?{urlencode({'type': type_name})}" if type_name is not None else ""
        found: list[dict[str, Any]] = await self._read(where, lambda said: said["collections"])
        if not found:
            await self._check_project(project)
        return found

    async def _check_project(self, project: tuple[str, str]) -> None:
        def read(said: Any) -> set[tuple[str, str]]:  # noqa: ANN401  # JSON
            return {(one["entity"], one["project"]) for one in said["projects"]}

        if project not in await self._read("/projects", read):
            raise NotFoundError(f"there is no project {'/'.join(project)}", status=404)

    async def collection(self, place: Place) -> dict[str, Any]:
        """A collection."""
        return await self._read(f"{_path(place)}?limit=1", dict)

    async def versions_page(
        self, place: Place, cursor: str | None, page_size: int = PAGE
    ) -> tuple[list[Version], str | None]:
        """Versions of a collection, newest first, and the cursor of the next page."""
        asked = {"limit": str(page_size), **({} if cursor is None else {"cursor": cursor})}

        def read(said: Any) -> tuple[list[Version], str | None]:  # noqa: ANN401  # JSON
            return [Version.of(one) for one in said["list"]], said.get("next") or None

        return await self._read(f"{_path(place)}?{urlencode(asked)}", read)

    async def change_collection(
        self, place: Place, changes: Mapping[str, object]
    ) -> dict[str, Any]:
        """Change a collection."""
        return await self._read(_path(place), dict, body=dict(changes), method="PATCH")

    async def delete_collection(self, place: Place) -> None:
        """Delete a collection with all its versions."""
        await self.connection.ask(_path(place), method="DELETE")

    async def of_run(self, run: Facts) -> dict[str, list[Version]]:
        """The versions that a run logged, and those that it used."""

        def read(said: Any) -> dict[str, list[Version]]:  # noqa: ANN401  # JSON
            return {how: [Version.of(one) for one in said[how]] for how in ("logged", "used")}

        where = f"{run_path(run.entity, run.project, run.id)}/artifacts"
        return await self._read(where, read)

    async def _version(
        self,
        where: str,
        *,
        body: dict[str, object] | bytes | None = None,
        method: str | None = None,
    ) -> Version:
        return await self._read(where, Version.of, body=body, method=method)

    async def _read(
        self,
        where: str,
        read: Callable[[Any], T],
        *,
        body: dict[str, object] | bytes | None = None,
        method: str | None = None,
    ) -> T:
        data, _ = await self.connection.ask(where, body=body, method=method, accept=MSGPACK)
        try:
            # Some answers are JSON all the same; no object of msgpack begins so.
            return read(json.loads(data) if data[:1] == b"{" else unpack(data)[0])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            url = self.connection.url_of(where)
            raise ServerError(f"the server's answer cannot be understood: {url}") from error


def _path(place: Place, ref: str = "") -> str:
    where = f"{project_path(place.entity, place.project)}/artifacts/{quote(place.name, safe='')}"
    return f"{where}/{quote(ref, safe='')}" if ref else where


def _collection_path(version: Version) -> str:
    where = project_path(version.entity, version.project)
    return f"{where}/artifacts/{quote(version.name, safe='')}"


def _path_of(version: Version) -> str:
    ref = version.version or version.id
    return f"{_collection_path(version)}/{quote(ref, safe='')}"
