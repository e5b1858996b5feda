"""`history`: whole rows of a run, as a msgpack stream or NDJSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from steplog.server.query import project_of
from steplog.server.schema import (
    API,
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
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_DEFAULT_LIMIT = 1000


class Rows:
    """The handler of a run's history."""

    def __init__(self, meta: MetaStore, series: SeriesStore) -> None:
        self._runs = RunRecords(meta)
        self._series = series

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.get(f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}/history", self.get)]

    async def get(self, request: web.Request) -> web.Response:
        """A page of rows; the header `Steplog-Cursor` leads to the next."""
        entity, project = project_of(request)
        run = check_run(request.match_info["run"])
        page = _page_of(request)
        found = (await self._runs.stored(entity, project, [run])).get(run)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no run {run!r} in {entity}/{project}")
        rows, last = await read_page(self._series, found.number, page)
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


def _page_of(request: web.Request) -> Page:
    keys = [key for text in request.query.getall("keys", []) for key in text.split(",") if key]
    return Page(
        first=_number(request, "min_step", 0, most=MAX_INT64),
        end=_number(request, "max_step", MAX_INT64, most=MAX_INT64),
        label=request.query.get("label"),
        keys=keys,
        after=_cursor(request.query.get("cursor", "")),
        limit=max(1, _number(request, "limit", _DEFAULT_LIMIT, most=MAX_HISTORY_PAGE)),
    )


def _number(request: web.Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):  # noqa: PLR2004  # digits of 2^63
        raise Problem(Code.INVALID, f"`{name}` is a number from 0 to {most}", field=name)
    return int(text)


def _cursor(text: str) -> tuple[str, int]:
    if not text:
        return "", -1
    try:
        label, step = orjson.loads(base64.urlsafe_b64decode(text))
        place = (label, int(step))
    except (OverflowError, TypeError, ValueError) as error:
        raise Problem(
            Code.INVALID, "`cursor` is what `Steplog-Cursor` gave", field="cursor"
        ) from error
    if not isinstance(label, str) or not -1 <= place[1] <= MAX_INT64:
        raise Problem(Code.INVALID, "`cursor` is what `Steplog-Cursor` gave", field="cursor")
    return place
