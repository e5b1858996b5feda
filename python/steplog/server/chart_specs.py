"""What people made of charts over HTTP: presets by name, and how single charts are drawn."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from steplog._names import CONTROL
from steplog.server.body import read_json
from steplog.server.query import project_of, versioned
from steplog.server.schema import API, MAX_CHART_BYTES, MAX_CHARTS, MAX_NESTING, Code, Problem
from steplog.server.store.chart_records import ChartRecords

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.chart_records import Kept, Kind
    from steplog.server.store.meta import MetaStore

BUILT_IN = "wandb/"
"""What the names of the presets begin with that every project has."""
_MAX_NAME_BYTES = 512
_CONTROL = re.compile(f"[{CONTROL}]")
_FIELDS: dict[Kind, str] = {"preset": "spec", "panel": "panel"}
_WORDS: dict[Kind, str] = {"preset": "preset", "panel": "panel of a chart"}


class ChartSpecs:
    """The handlers of presets and panels."""

    def __init__(self, meta: MetaStore, hub: Hub) -> None:
        self._records = ChartRecords(meta)
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        project = f"{API}/projects/{{entity}}/{{project}}"
        routes = []
        paths: list[tuple[str, Kind]] = [("chart-presets", "preset"), ("chart-panels", "panel")]
        for path, kind in paths:
            one = f"{project}/{path}/{{name:.+}}"
            routes += [
                web.get(f"{project}/{path}", partial(self._list, kind)),
                web.get(one, partial(self._get, kind)),
                web.put(one, partial(self._put, kind)),
                web.delete(one, partial(self._delete, kind)),
            ]
        return routes

    async def _list(self, kind: Kind, request: web.Request) -> web.Response:
        """All of a project, by name: of a preset only that it is there, a panel as it is."""
        project = await self._project(request)
        found = await self._records.all(project, kind)
        if kind == "panel":
            listed = [_answer(kind, one) for one in found]
        else:
            listed = [
                {"name": one.name, "size": len(one.body.encode()), "updated": one.updated}
                for one in found
            ]
        return versioned({f"{kind}s": listed}, self._hub.version)

    async def _get(self, kind: Kind, request: web.Request) -> web.Response:
        project = await self._project(request)
        name = request.match_info["name"]
        found = await self._records.get(project, kind, name)
        if found is None:
            raise _no_such(kind, name)
        return versioned(_answer(kind, found), self._hub.version)

    async def _put(self, kind: Kind, request: web.Request) -> web.Response:
        name = _name_of(kind, request.match_info["name"])
        body = _body_of(_FIELDS[kind], await read_json(request))
        project = await self._project(request)
        if not await self._records.put(project, kind, name, body=body, most=MAX_CHARTS):
            detail = f"a project has at most {MAX_CHARTS:,}: remove another {_WORDS[kind]} first"
            raise Problem(Code.OVER_LIMIT, detail, field="name")
        found = await self._records.get(project, kind, name)
        if found is None:  # somebody has removed it since
            raise _no_such(kind, name)
        return versioned(_answer(kind, found), self._hub.version)

    async def _delete(self, kind: Kind, request: web.Request) -> web.Response:
        project = await self._project(request)
        name = request.match_info["name"]
        if not await self._records.delete(project, kind, name):
            raise _no_such(kind, name)
        return web.Response(status=204)

    async def _project(self, request: web.Request) -> int:
        entity, project = project_of(request)
        found = await self._records.project(entity, project)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no project {entity}/{project}")
        return found


def _no_such(kind: Kind, name: str) -> Problem:
    return Problem(Code.NOT_FOUND, f"the project has no {_WORDS[kind]} {name!r:.200}")


def _answer(kind: Kind, found: Kept) -> dict[str, object]:
    body = orjson.loads(found.body)
    return {"name": found.name, _FIELDS[kind]: body, "updated": found.updated}


def _name_of(kind: Kind, name: str) -> str:
    problem = None
    if name != name.strip():
        problem = "begins or ends with a blank"
    elif _CONTROL.search(name):
        problem = "has control characters"
    elif len(name.encode()) > _MAX_NAME_BYTES:
        problem = f"is longer than {_MAX_NAME_BYTES} bytes"
    elif kind == "preset" and name.startswith(BUILT_IN):
        problem = f"begins with {BUILT_IN}: those presets cannot be replaced"
    if problem is not None:
        raise Problem(Code.INVALID, f"the name {problem}", field="name")
    return name


def _body_of(field: str, body: dict[str, Any]) -> str:
    """The JSON text of what a body keeps."""
    kept = body.get(field)
    if not isinstance(kept, dict):
        raise Problem(Code.INVALID, f"`{field}` is an object", field=field)
    if _is_deeper(kept, MAX_NESTING):
        detail = f"`{field}` has more than {MAX_NESTING} objects and lists in one another"
        raise Problem(Code.INVALID, detail, field=field)
    text = orjson.dumps(kept)
    if len(text) > MAX_CHART_BYTES:
        detail = f"`{field}` has {len(text):,} bytes, of {MAX_CHART_BYTES:,} at most"
        raise Problem(Code.TOO_LARGE, detail, field=field)
    return text.decode()


def _is_deeper(value: object, levels: int) -> bool:
    """Whether values are nested deeper; without a recursion that a body could exhaust."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[object] = []
        for one in layer:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        layer = inner
    return True


__all__ = ["BUILT_IN", "ChartSpecs"]
