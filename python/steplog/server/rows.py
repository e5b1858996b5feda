"""`history`: whole rows of a run, as a msgpack stream or NDJSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from steplog.server.body import is_whole, number_of, read_json, texts_of
from steplog.server.query import project_of
from steplog.server.schema import (
    API,
    MAX_HISTORY_KEYS,
    MAX_HISTORY_PAGE,
    MAX_INT64,
    MSGPACK,
    NDJSON,
    Code,
    Problem,
    check_run,
)
from steplog.server.store.exact import pack
from steplog.server.store.history import Page, read_page
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_DEFAULT_LIMIT = 1000
_INT64_DIGITS = 19


class Rows:
    """The handlers of a run's history."""

    def __init__(self, meta: MetaStore, series: SeriesStore) -> None:
        self._runs = RunRecords(meta)
        self._series = series

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        path = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}/history"
        return [web.get(path, self.get), web.post(f"{path}:query", self.query)]

    async def get(self, request: web.Request) -> web.Response:
        """A page of rows; the header `Steplog-Cursor` leads to the next."""
        return await self._answer(request, _page_of(_asked(request)))

    async def query(self, request: web.Request) -> web.Response:
        """As `get`, asked by a body: for many keys, and for keys with commas."""
        return await self._answer(request, _page_of(await read_json(request)))

    async def _answer(self, request: web.Request, page: Page) -> web.Response:
        entity, project = project_of(request)
        run = check_run(request.match_info["run"])
        found = (await self._runs.stored(entity, project, [run])).get(run)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no run {run!r} in {entity}/{project}")
        lineage = await self._runs.lineage([found.number], is_whole=page.is_whole)
        rows, last = await read_page(self._series, found.number, page, lineage=lineage.params)
        headers = {"Vary": "Accept"}
        if last is not None:
            place = orjson.dumps([last[0], str(last[1])])
            headers["Steplog-Cursor"] = base64.urlsafe_b64encode(place).decode()
        if MSGPACK in request.headers.get("Accept", ""):
            body = b"".join(pack(row) for row in rows)
            return web.Response(body=body, content_type=MSGPACK, headers=headers)
        # Python's own writer: bare NaN, floats with a point, integers of any size.
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return web.Response(body=text.encode(), content_type=NDJSON, headers=headers)


def _asked(request: web.Request) -> dict[str, object]:
    """The body that would ask for the same as an address."""
    body: dict[str, object] = dict(request.query)
    for name in ("min_step", "max_step", "limit"):
        text = request.query.get(name, "")
        if text.isascii() and text.isdigit() and len(text) <= _INT64_DIGITS:
            body[name] = int(text)
    body["keys"] = [
        key for text in request.query.getall("keys", []) for key in text.split(",") if key
    ]
    return body


def _page_of(body: Mapping[str, Any]) -> Page:
    keys = texts_of(body, "keys", [], most=MAX_HISTORY_KEYS)
    if "" in keys:
        raise Problem(Code.INVALID, "a key is not empty", field="keys")
    label = body.get("label")
    if not isinstance(label, (str, type(None))):
        raise Problem(Code.INVALID, "`label` is text", field="label")
    return Page(
        first=number_of(body, "min_step", 0, most=MAX_INT64),
        end=number_of(body, "max_step", MAX_INT64, most=MAX_INT64),
        label=label,
        keys=keys,
        after=_cursor(body.get("cursor")),
        limit=number_of(body, "limit", _DEFAULT_LIMIT, least=1, most=MAX_HISTORY_PAGE),
        is_whole=is_whole(body),
    )


def _cursor(text: object) -> tuple[str, int]:
    if text is None or text == "":
        return "", -1
    try:
        label, step = orjson.loads(base64.urlsafe_b64decode(text))  # type: ignore[arg-type]  # refused below
        place = (label, int(step))
    except (OverflowError, TypeError, ValueError) as error:
        raise Problem(
            Code.INVALID, "`cursor` is what `Steplog-Cursor` gave", field="cursor"
        ) from error
    if not isinstance(label, str) or not -1 <= place[1] <= MAX_INT64:
        raise Problem(Code.INVALID, "`cursor` is what `Steplog-Cursor` gave", field="cursor")
    return place
