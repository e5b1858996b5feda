"""Reads over HTTP, and the few changes of runs; bodies are checked here, never in the stores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from steplog._errors import UsageError
from steplog.server._decode import Pattern
from steplog.server.schema import (
    API,
    MAX_QUERY_BYTES,
    MAX_RUNS_PAGE,
    MSGPACK,
    STATES,
    Code,
    Problem,
    check_project,
    check_run,
    flatten,
    join_path,
    split_path,
)
from steplog.server.store.exact import pack, page_json
from steplog.server.store.runs import (
    COLUMN_NAMES,
    RunRecords,
    Search,
    Sort,
    config_of,
    run_value,
    summary_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_DEFAULT_LIMIT = 200
_MAX_SORTS = 8
_MAX_COLUMNS = 500


class Query:
    """The handlers of reads, and of changing and deleting a run."""

    def __init__(
        self,
        meta: MetaStore,
        series: SeriesStore,
        hub: Hub,
        *,
        drop: Callable[[str, str, str], None],
    ) -> None:
        self._runs = RunRecords(meta)
        self._series = series
        self._hub = hub
        self._drop = drop

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        project = f"{API}/projects/{{entity}}/{{project}}"
        run = f"{project}/runs/{{run}}"
        return [
            web.get(f"{API}/projects", self.projects),
            web.post(f"{project}/runs:query", self.query_runs),
            web.get(f"{project}/keys", self.project_keys),
            web.get(run, self.get_run),
            web.patch(run, self.change_run),
            web.delete(run, self.delete_run),
            web.get(f"{run}/keys", self.run_keys),
        ]

    def _json(self, value: object) -> web.Response:
        headers = {"X-Data-Version": str(self._hub.version)}
        return web.Response(body=page_json(value), content_type="application/json", headers=headers)

    async def projects(self, _: web.Request) -> web.Response:
        """Every project."""
        return self._json({"projects": await self._runs.projects()})

    async def query_runs(self, request: web.Request) -> web.Response:
        """A page of runs, columnar."""
        entity, project = project_of(request)
        return self._json(await self.runs_answer(entity, project, await read_json(request)))

    async def runs_answer(self, entity: str, project: str, body: dict[str, Any]) -> dict[str, Any]:
        """What `runs:query` answers to a body; the live channel sends the same.

        Raises:
            Problem: The body is not a query.
        """
        for name in ("filter", "group"):
            if body.get(name) is not None:
                raise Problem(Code.UNSUPPORTED, f"`{name}` is not supported yet", field=name)
        version = self._hub.version
        columns = _list_of_text(body, "columns", ["name", "state", "created"], most=_MAX_COLUMNS)
        total, matched, rows = await self._runs.query(
            entity,
            project,
            sort=_sorts(body),
            search=_search(body),
            limit=_number(body, "limit", _DEFAULT_LIMIT, most=MAX_RUNS_PAGE),
            offset=_number(body, "offset", 0, most=1 << 40),
        )
        return {
            "version": version,
            "total": total,
            "matched": matched,
            "next": None,
            "ids": [run_value(row, "id") for row in rows],
            "cols": _columns(columns, rows),
            "dict": {"state": list(STATES)} if "state" in columns else {},
            "truncated": None,
        }

    async def project_keys(self, request: web.Request) -> web.Response:
        """The keys of a project's runs, or of `?runs=a,b`."""
        entity, project = project_of(request)
        asked = [run for run in request.query.get("runs", "").split(",") if run]
        if not asked:
            _, _, rows = await self._runs.query(
                entity, project, sort=[], search=None, limit=MAX_RUNS_PAGE, offset=0
            )
            asked = [str(run_value(row, "id")) for row in rows]
        numbers = await self._runs.numbers(entity, project, asked[:MAX_RUNS_PAGE])
        found = [number for number, _ in numbers.values()]
        return self._json({"keys": await self._runs.keys(found)})

    async def _find(self, request: web.Request) -> sa.Row[tuple[Any, ...]]:
        entity, project = project_of(request)
        run = check_run(request.match_info["run"])
        found = await self._runs.find(entity, project, run)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"there is no run {run!r} in {entity}/{project}")
        return found

    async def get_run(self, request: web.Request) -> web.Response:
        """One run; exact with `Accept: application/msgpack`."""
        answer = await self.run_answer(await self._find(request))
        if MSGPACK in request.headers.get("Accept", ""):
            return web.Response(body=pack(answer), content_type=MSGPACK)
        return self._json(answer)

    async def run_answer(self, row: sa.Row[tuple[Any, ...]]) -> dict[str, object]:
        """What the API says of a run."""
        names = ("id", "name", "notes", "tags", "group", "job_type", "state", "created", "updated")
        return {
            "entity": row.entity,
            "project": row.project,
            **{name: run_value(row, name) for name in (*names, "duration")},
            "exit_code": row.exit_code,
            "config": config_of(row),
            "summary": summary_of(row),
            "writers": await self._runs.writers(row.id),
            "key_count": await self._runs.key_count(row.id),
            "last_step": row.last_step if row.last_step >= 0 else None,
            "records": row.records,
        }

    async def find_answer(self, entity: str, project: str, run: str) -> dict[str, object] | None:
        """`run_answer` of a run by its id, if it is there."""
        row = await self._runs.find(entity, project, run)
        return None if row is None else await self.run_answer(row)

    async def run_keys(self, request: web.Request) -> web.Response:
        """The keys of one run."""
        row = await self._find(request)
        return self._json({"keys": await self._runs.keys([row.id])})

    async def change_run(self, request: web.Request) -> web.Response:
        """Change a run's name, notes or tags."""
        row = await self._find(request)
        body = await read_json(request)
        values: dict[str, object] = {}
        for name, value in body.items():
            is_text = name in {"name", "notes"} and isinstance(value, str)
            is_tags = name == "tags" and isinstance(value, list)
            if is_tags and not all(isinstance(tag, str) for tag in value):
                is_tags = False
            if not (is_text or is_tags):
                raise Problem(
                    Code.INVALID, "name and notes are text, tags a list of texts", field=name
                )
            values[name] = value
        if values:
            await self._runs.change(row.id, values)
            self._hub.changed(row.entity, row.project, row.run)
        return self._json(await self.run_answer(await self._find(request)))

    async def delete_run(self, request: web.Request) -> web.Response:
        """Delete a run; its points go in the background."""
        row = await self._find(request)
        await self._runs.delete(row.id)
        self._drop(row.entity, row.project, row.run)
        self._hub.changed(row.entity, row.project, row.run)
        return web.Response(status=204)


def project_of(request: web.Request) -> tuple[str, str]:
    """Entity and project of a request's path, checked."""
    match = request.match_info
    return check_project(match["entity"], field="entity"), check_project(match["project"])


async def read_json(request: web.Request) -> dict[str, Any]:
    """A request's JSON object.

    Raises:
        Problem: It is too large, or no JSON object.
    """
    data = await request.read()
    if len(data) > MAX_QUERY_BYTES:
        raise Problem(Code.TOO_LARGE, f"a query has at most {MAX_QUERY_BYTES} bytes")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Problem(Code.MALFORMED, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Problem(Code.MALFORMED, "the body is not a JSON object")
    return body


def _number(body: dict[str, Any], name: str, default: int, *, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Problem(Code.INVALID, f"`{name}` is a number from 0 to {most}", field=name)
    return value


def _list_of_text(body: dict[str, Any], name: str, default: list[str], *, most: int) -> list[str]:
    value = body.get(name)
    if value is None:
        return default
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(isinstance(item, str) for item in value)
    ):
        raise Problem(Code.INVALID, f"`{name}` is a list of at most {most} texts", field=name)
    return value


def _sorts(body: dict[str, Any]) -> list[Sort]:
    given = body.get("sort")
    if given is None:
        return [Sort("created", descending=True)]
    if not isinstance(given, list) or len(given) > _MAX_SORTS:
        raise Problem(Code.INVALID, f"`sort` is a list of at most {_MAX_SORTS}", field="sort")
    return [_sort(one) for one in given]


def _sort(one: object) -> Sort:
    name = one.get("k") if isinstance(one, dict) else None
    direction = one.get("dir", "asc") if isinstance(one, dict) else None
    if not isinstance(name, str) or direction not in {"asc", "desc"}:
        raise Problem(Code.INVALID, 'a sort key is {"k": name, "dir": "asc|desc"}', field="sort")
    section, key = _section(name)
    return Sort(key, section, descending=direction == "desc")


def _section(name: str) -> tuple[str, str]:
    """The section and key of a column's name.

    Raises:
        Problem: There is no such column.
    """
    if name in COLUMN_NAMES:
        return "", name
    section, dot, rest = name.partition(".")
    if section in {"config", "summary"} and dot and rest:
        return section, join_path(_segments(rest))
    raise Problem(Code.INVALID, f"there is no column {name!r}", field="columns")


def _segments(text: str) -> list[str]:
    """Segments of a dotted name; those with dots or spaces stand in back-quotes."""
    if "`" not in text:
        return split_path(text)
    return [
        quoted or plain
        for quoted, plain in re.findall(r"`([^`]*)`|([^`.]+)", text)
        if quoted or plain
    ]


def _columns(names: list[str], rows: list[sa.Row[tuple[Any, ...]]]) -> dict[str, list[object]]:
    places = {name: _section(name) for name in names}
    columns: dict[str, list[object]] = {name: [] for name in names}
    sections = {section for section, _ in places.values()}
    for row in rows:
        trees = {
            "config": flatten(config_of(row)) if "config" in sections else {},
            "summary": flatten(summary_of(row)) if "summary" in sections else {},
        }
        for name, (section, key) in places.items():
            value = trees[section].get(key) if section else run_value(row, key)
            columns[name].append(STATES.index(str(value)) if name == "state" else value)
    return columns


def _search(body: dict[str, Any]) -> Search | None:
    given = body.get("search")
    if given is None:
        return None
    text = given.get("q") if isinstance(given, dict) else None
    mode = given.get("mode", "fuzzy") if isinstance(given, dict) else None
    if not isinstance(text, str) or mode not in {"regex", "exact", "fuzzy"}:
        raise Problem(
            Code.INVALID,
            '`search` is {"q": text, "mode": "regex|exact|fuzzy"}',
            field="search",
        )
    if not text:
        return None
    if mode == "regex":
        try:
            Pattern(text)
        except UsageError as error:
            raise Problem(Code.INVALID, str(error), field="search") from error
    return Search(text, mode)
