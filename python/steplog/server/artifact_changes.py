"""Artifacts changed: what people say of versions, links, and what is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from steplog.server.artifacts import collection_of, find_version
from steplog.server.body import read_exact, read_json
from steplog.server.query import versioned
from steplog.server.schema import API, Code, Problem
from steplog.server.store import artifact_rules as rules
from steplog.server.store.artifact_edits import (
    ArtifactEdits,
    CollectionChange,
    VersionChange,
    Words,
)
from steplog.server.store.artifact_reads import ArtifactReads

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog.server.hub import Hub
    from steplog.server.store.artifact_edits import Where
    from steplog.server.store.meta import MetaStore

_LISTS = ("", "_add", "_remove")


class ArtifactChanges:
    """The handlers of changes of artifacts."""

    def __init__(self, meta: MetaStore, hub: Hub) -> None:
        self._edits = ArtifactEdits(meta)
        self._reads = ArtifactReads(meta)
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        collection = f"{API}/projects/{{entity}}/{{project}}/artifacts/{{name}}"
        return [
            web.patch(f"{collection}/{{ref}}", self.change),
            web.delete(f"{collection}/{{ref}}", self.delete),
            web.patch(collection, self.change_collection),
            web.delete(collection, self.delete_collection),
            web.post(f"{collection}/links", self.link),
            web.delete(f"{collection}/links/{{ref}}", self.unlink),
        ]

    def _changed(self, where: Where) -> None:
        entity, project, _ = where
        self._hub.changed(entity, project, "")  # it is of the project, of no run

    async def change(self, request: web.Request) -> web.Response:
        """Change what is said of a version, its aliases and its tags."""
        where, ref = collection_of(request), request.match_info["ref"]
        change = _version_change(await read_exact(request))
        # Its aliases may be those that it is named by.
        row = await find_version(self._reads, request)
        if row.version is None:
            raise Problem(Code.INVALID, f"the artifact is {row.state}, no version", field="ref")
        await self._edits.change(where, f"v{row.version}", change)
        self._changed(where)
        found = await self._reads.find(where, f"v{row.version}")
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no artifact {'/'.join(where)}:{ref:.200}")
        return versioned(await self._reads.version(found), self._hub.version, request)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a version."""
        where = collection_of(request)
        text = request.query.get("aliases", "0")
        if text not in {"0", "1"}:
            raise Problem(Code.INVALID, "`aliases` is 0 or 1", field="aliases")
        await self._edits.delete(where, request.match_info["ref"], with_aliases=text == "1")
        self._changed(where)
        return web.Response(status=204)

    async def change_collection(self, request: web.Request) -> web.Response:
        """Change a collection's name, description, tags or type."""
        entity, project, name = collection_of(request)
        change = _collection_change(await read_json(request))
        renamed = await self._edits.change_collection((entity, project, name), change)
        self._changed((entity, project, name))
        found = await self._reads.collection((entity, project, renamed), limit=1, before=None)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no artifact {renamed!r}")
        answer = {key: one for key, one in found.items() if key not in _OF_LISTS}
        return versioned(answer, self._hub.version)

    async def delete_collection(self, request: web.Request) -> web.Response:
        """Delete a collection and the artifacts that were logged to it."""
        where = collection_of(request)
        await self._edits.delete_collection(where)
        self._changed(where)
        return web.Response(status=204)

    async def link(self, request: web.Request) -> web.Response:
        """Make an artifact a version of the collection."""
        where = collection_of(request)
        body = await read_json(request)
        _check_known(body, ("artifact", "aliases"))
        key = rules.check_key(body.get("artifact"), field="artifact")
        aliases = rules.check_aliases(body.get("aliases") or [])
        version = await self._edits.link(where, key, aliases)
        self._changed(where)
        row = await self._reads.find(where, version)
        if row is None:
            raise Problem(Code.NOT_FOUND, f"there is no artifact {'/'.join(where)}:{version}")
        return versioned(await self._reads.version(row), self._hub.version, request)

    async def unlink(self, request: web.Request) -> web.Response:
        """Remove a link."""
        where = collection_of(request)
        await self._edits.unlink(where, request.match_info["ref"])
        self._changed(where)
        return web.Response(status=204)


_OF_LISTS = ("list", "next", "unfinished")
_COLLECTION: dict[str, Callable[[Any], object]] = {
    "name": rules.check_name,
    "description": rules.check_text,
    "type": rules.check_type,
}
_VERSION: dict[str, Callable[[Any], object]] = {
    "description": rules.check_text,
    "metadata": rules.check_metadata,
}


def _check_known(body: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in body:
        if name not in names:
            detail = f"{name!r:.60} is none of {', '.join(names)}"
            raise Problem(Code.INVALID, detail, field=name)


def _checked(body: dict[str, Any], rules_of: dict[str, Callable[[Any], object]]) -> dict[str, Any]:
    return {name: rule(body[name]) for name, rule in rules_of.items() if name in body}


def _collection_change(body: dict[str, Any]) -> CollectionChange:
    _check_known(body, (*_COLLECTION, *(f"tags{how}" for how in _LISTS)))
    tags = _words(body, "tags", rules.check_tags)
    return CollectionChange(_checked(body, _COLLECTION), tags)


def _version_change(body: dict[str, Any]) -> VersionChange:
    lists = [f"{what}{how}" for what in ("aliases", "tags") for how in _LISTS]
    _check_known(body, (*_VERSION, *lists))
    return VersionChange(
        values=_checked(body, _VERSION),
        aliases=_words(body, "aliases", rules.check_aliases),
        tags=_words(body, "tags", rules.check_tags),
    )


def _words(body: dict[str, Any], what: str, rule: Callable[..., list[str]]) -> Words:
    given = [
        rule(body[name], field=name) if body.get(name) is not None else None
        for name in (f"{what}{how}" for how in _LISTS)
    ]
    return Words(given[0], given[1] or (), given[2] or ())


__all__ = ["ArtifactChanges"]
