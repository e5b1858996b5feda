"""Artifacts out: collections, versions, what they hold, and who has to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from steplog.server.query import find_run, project_of, versioned
from steplog.server.schema import API, Code, Problem, whole_number
from steplog.server.store.artifact_lineage import ArtifactLineage
from steplog.server.store.artifact_reads import ArtifactReads
from steplog.server.store.artifact_rules import check_key, check_name
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.artifact_names import Row
    from steplog.server.store.meta import MetaStore

_MAX_VERSIONS = 1_000
_MAX_ENTRIES = 10_000
_MAX_DEPTH = 20


class Artifacts:
    """The handlers of reads of artifacts."""

    def __init__(self, meta: MetaStore, hub: Hub) -> None:
        self._reads = ArtifactReads(meta)
        self._lineage = ArtifactLineage(meta)
        self._runs = RunRecords(meta)
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        project = f"{API}/projects/{{entity}}/{{project}}"
        version = f"{project}/artifacts/{{name}}/{{ref}}"
        return [
            web.get(f"{project}/artifacts", self.collections),
            web.get(f"{project}/artifacts/{{name}}", self.collection),
            web.get(version, self.version),
            web.get(f"{version}/entries", self.entries),
            web.get(f"{version}/lineage", self.lineage),
            web.get(f"{API}/artifacts/{{id}}", self.by_id),
            web.get(f"{project}/runs/{{run}}/artifacts", self.of_run),
        ]

    async def collections(self, request: web.Request) -> web.Response:
        """The collections of a project, or those of a type."""
        entity, project = project_of(request)
        version = self._hub.version
        found = await self._reads.collections(entity, project, kind=request.query.get("type"))
        return versioned({"collections": found}, version)

    async def collection(self, request: web.Request) -> web.Response:
        """A collection and its versions, the newest first."""
        where = collection_of(request)
        limit = _limit(request, 100, most=_MAX_VERSIONS)
        cursor = request.query.get("cursor")
        before = None if cursor is None else whole_number(cursor, field="cursor")
        version = self._hub.version
        found = await self._reads.collection(where, limit=limit, before=before)
        if found is None:
            raise no_collection(where)
        return versioned(found, version, request)

    async def version(self, request: web.Request) -> web.Response:
        """One version."""
        version = self._hub.version
        row = await find_version(self._reads, request)
        return versioned(await self._reads.version(row), version, request)

    async def by_id(self, request: web.Request) -> web.Response:
        """One artifact by its id, whatever became of it."""
        key = check_key(request.match_info["id"])
        version = self._hub.version
        row = await self._reads.by_key(key)
        if row is None:
            raise Problem(Code.NOT_FOUND, f"there is no artifact {key}")
        return versioned(await self._reads.version(row), version, request)

    async def entries(self, request: web.Request) -> web.Response:
        """What a version holds."""
        limit = _limit(request, 1_000, most=_MAX_ENTRIES)
        row = await find_version(self._reads, request)
        found = await self._reads.entries(
            row.id,
            prefix=request.query.get("prefix", ""),
            limit=limit,
            after=request.query.get("cursor"),
        )
        return versioned(found, self._hub.version)

    async def lineage(self, request: web.Request) -> web.Response:
        """Which runs made a version of what, and used it for what."""
        depth = whole_number(request.query.get("depth", "2"), field="depth")
        if not 1 <= depth <= _MAX_DEPTH:
            detail = f"`depth` is a number from 1 to {_MAX_DEPTH}"
            raise Problem(Code.INVALID, detail, field="depth")
        version = self._hub.version
        row = await find_version(self._reads, request)
        return versioned(await self._lineage.of(row.id, depth), version)

    async def of_run(self, request: web.Request) -> web.Response:
        """What a run has logged and used."""
        version = self._hub.version
        row = await find_run(self._runs, request)
        return versioned(await self._reads.of_run(row.id), version, request)


def collection_of(request: web.Request) -> tuple[str, str, str]:
    """Entity, project and name of a collection of a request's path, checked."""
    return *project_of(request), check_name(request.match_info["name"])


def no_collection(where: tuple[str, str, str]) -> Problem:
    """There is none of that name."""
    entity, project, name = where
    return Problem(Code.NOT_FOUND, f"there is no artifact {name!r} in {entity}/{project}")


async def find_version(reads: ArtifactReads, request: web.Request) -> Row:
    """The version that a request's path names.

    Raises:
        Problem: There is none.
    """
    where = collection_of(request)
    ref = request.match_info["ref"]
    row = await reads.find(where, ref)
    if row is None:
        raise Problem(Code.NOT_FOUND, f"there is no artifact {'/'.join(where)}:{ref:.200}")
    return row


def _limit(request: web.Request, default: int, *, most: int) -> int:
    limit = whole_number(request.query.get("limit", str(default)), field="limit")
    if not 1 <= limit <= most:
        raise Problem(Code.INVALID, f"`limit` is a number from 1 to {most:,}", field="limit")
    return limit


__all__ = ["Artifacts", "collection_of", "find_version", "no_collection"]
