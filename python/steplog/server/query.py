"""Reads of projects and runs over HTTP, and the few changes of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from steplog.server.body import changes_of, read_json, runs_query
from steplog.server.layout import layout
from steplog.server.schema import (
    API,
    MAX_INT64,
    MAX_RUNS_PAGE,
    MSGPACK,
    STATES,
    Code,
    Problem,
    check_project,
    check_run,
    flatten,
)
from steplog.server.store import alerts
from steplog.server.store.exact import pack, page_json
from steplog.server.store.keys import KeyRecords
from steplog.server.store.moment import summary_before
from steplog.server.store.runs import (
    RunRecords,
    config_of,
    run_value,
    summary_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import sqlalchemy as sa

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore


class Query:
    """The handlers of reads, and of changing and deleting a run."""

    def __init__(
        self,
        meta: MetaStore,
        series: SeriesStore,
        hub: Hub,
        *,
        drop: Callable[[str, str, str], None],
        settle: Callable[[int], Awaitable[None]],
    ) -> None:
        self._settle = settle
        self._meta = meta
        self._runs = RunRecords(meta)
        self._keys = KeyRecords(meta)
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
            web.get(f"{run}/system/layout", self.system_layout),
        ]

    def _json(self, value: object) -> web.Response:
        return versioned(value, self._hub.version)

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
        asked = runs_query(body)
        version = self._hub.version
        total, matched, rows = await self._runs.query(
            entity,
            project,
            sort=asked.sort,
            search=asked.search,
            limit=asked.limit,
            offset=asked.offset,
        )
        return {
            "version": version,
            "total": total,
            "matched": matched,
            "next": None,
            "ids": [run_value(row, "id") for row in rows],
            "cols": _columns(asked.columns, rows),
            "dict": {"state": list(STATES)} if "state" in asked.columns else {},
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
        found = await self._runs.stored(entity, project, asked[:MAX_RUNS_PAGE])
        lineage = await self._runs.lineage([run.number for run in found.values()])
        return self._json({"keys": await self._keys.of_runs(lineage.sources)})

    async def _find(self, request: web.Request) -> sa.Row[tuple[Any, ...]]:
        return await find_run(self._runs, request)

    async def get_run(self, request: web.Request) -> web.Response:
        """One run; exact with `Accept: application/msgpack`."""
        row = await self._find(request)
        answer = await self.run_answer(row)
        if MSGPACK in request.headers.get("Accept", ""):
            states = await self._summary_states(row, request.query)
            return web.Response(
                body=pack({**answer, "summary_states": states}), content_type=MSGPACK
            )
        return self._json(answer)

    async def _summary_states(
        self, row: sa.Row[tuple[Any, ...]], asked: Mapping[str, str]
    ) -> list[list[str]]:
        """What a run's writers have come to, by label, for one that goes on.

        With `before` what they had come to before that step; with `label` only those of it had.
        """
        attempts = await self._runs.attempts(row.id)
        if "before" not in asked:
            return [[label, state.hex()] for label, state in attempts.summary_states()]
        text, label = asked["before"], asked.get("label")
        if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_INT64):
            raise Problem(Code.INVALID, "`before` is a step", field="before")
        lineage = await self._runs.lineage([row.id])
        state = await summary_before(
            *(self._series, row.id, int(text)),
            label=label,
            metrics=row.metrics,
            lineage=lineage.params,
        )
        others = [] if label is None else attempts.summary_states(without=label)
        return [[label or "", state.hex()], *([other, one.hex()] for other, one in others)]

    async def run_answer(self, row: sa.Row[tuple[Any, ...]]) -> dict[str, object]:
        """What the API says of a run."""
        attempts = await self._runs.attempts(row.id)
        lineage = await self._runs.lineage([row.id])
        last_step = max(attempts.last_step, row.forked_step)
        names = ("id", "name", "notes", "tags", "group", "job_type", "state", "created", "updated")
        return {
            "entity": row.entity,
            "project": row.project,
            **{name: run_value(row, name) for name in (*names, "duration")},
            "exit_code": row.exit_code,
            "relative_zero": lineage.created[row.id] / 1e9,
            "config": config_of(row),
            "summary": summary_of(row),
            "metrics": row.metrics,
            "writers": [one.answer() for one in attempts.all],
            "first_bad": attempts.first_bad,
            "forked_from": {"run": row.forked_run, "step": row.forked_step}
            if row.forked_run
            else None,
            "key_count": await self._keys.count(lineage.sources[row.id]),
            "last_step": last_step if last_step >= 0 else None,
            "records": row.records,
            "alerts": [alert.answer() for alert in await alerts.of_run(self._meta, row.id)],
        }

    async def find_answer(self, entity: str, project: str, run: str) -> dict[str, object] | None:
        """`run_answer` of a run by its id, if it is there."""
        row = await self._runs.find(entity, project, run)
        return None if row is None else await self.run_answer(row)

    async def run_keys(self, request: web.Request) -> web.Response:
        """The keys of one run."""
        row = await self._find(request)
        lineage = await self._runs.lineage([row.id])
        return self._json({"keys": await self._keys.of_runs(lineage.sources)})

    async def system_layout(self, request: web.Request) -> web.Response:
        """What samples of the system a run has."""
        row = await self._find(request)
        return self._json({"hosts": layout(await self._series.sampled(row.id))})

    async def change_run(self, request: web.Request) -> web.Response:
        """Change a run's name, notes or tags."""
        row = await self._find(request)
        values = changes_of(await read_json(request))
        if values:
            await self._runs.change(row.id, values)
            self._hub.changed(row.entity, row.project, row.run)
        return self._json(await self.run_answer(await self._find(request)))

    async def delete_run(self, request: web.Request) -> web.Response:
        """Delete a run; its points go in the background.

        Its artifacts stay, those that are no version yet excepted; with `artifacts=1` those that no
        other run has logged go along.
        """
        row = await self._find(request)
        text = request.query.get("artifacts", "0")
        if text not in {"0", "1"}:
            raise Problem(Code.INVALID, "`artifacts` is 0 or 1", field="artifacts")
        # What has all that it needs is a version, and stays.
        await self._settle(row.id)
        await self._runs.delete(row.id, artifacts=text == "1")
        self._drop(row.entity, row.project, row.run)
        self._hub.changed(row.entity, row.project, row.run)
        return web.Response(status=204)


def versioned(value: object, version: int, request: web.Request | None = None) -> web.Response:
    """JSON of what there is at a version of the data; exact msgpack if a request asks for that."""
    headers = {"X-Data-Version": str(version)}
    if request is not None and MSGPACK in request.headers.get("Accept", ""):
        return web.Response(body=pack(value), content_type=MSGPACK, headers=headers)
    return web.Response(body=page_json(value), content_type="application/json", headers=headers)


async def find_run(runs: RunRecords, request: web.Request) -> sa.Row[tuple[Any, ...]]:
    """The run that a request's path names.

    Raises:
        Problem: There is none.
    """
    entity, project = project_of(request)
    run = check_run(request.match_info["run"])
    found = await runs.find(entity, project, run)
    if found is None:
        raise Problem(Code.NOT_FOUND, f"there is no run {run!r} in {entity}/{project}")
    return found


def project_of(request: web.Request) -> tuple[str, str]:
    """Entity and project of a request's path, checked."""
    match = request.match_info
    return check_project(match["entity"], field="entity"), check_project(match["project"])


def _columns(
    places: Mapping[str, tuple[str, str]], rows: list[sa.Row[tuple[Any, ...]]]
) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [] for name in places}
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
