"""Tables of runs: which there are, and their rows (`tables:query`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from steplog._errors import StorageError
from steplog.server.arrow import cells_stream
from steplog.server.body import read_json
from steplog.server.query import find_run, project_of, versioned
from steplog.server.schema import API, ARROW, KIND_OBJECT, MAX_INT64, Code, Problem, join_path
from steplog.server.store.keys import KeyRecords
from steplog.server.store.objects import Asked as Wanted
from steplog.server.store.objects import Objects, Place, TooMuchError
from steplog.server.store.run_files import RunFiles
from steplog.server.store.runs import RunRecords
from steplog.server.store.table_expr import ExprError
from steplog.server.store.table_groups import groups
from steplog.server.store.table_query import Asked, TableQueries
from steplog.server.store.table_stats import stats
from steplog.server.store.table_view import JoinError, Source, View, concat, join, one
from steplog.server.table_body import MAX_STATS, TableBody, table_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import Content
    from steplog.server.store.series import SeriesStore
    from steplog.server.store.table_query import Values
    from steplog.server.table_body import SourceBody
    from steplog.server.table_files import TableFiles

_WHOLE, _INCREMENTAL = "table-file", "incremental-table-file"
_KINDS = (_WHOLE, _INCREMENTAL)


@dataclass(frozen=True)
class _Run:
    """A run, and what it goes back to."""

    objects: Objects
    sources: Sequence[int]
    is_any: bool


class Tables:
    """The handlers of tables.

    Attributes:
        queries: Also of who asks for rows of tables elsewhere: what is found out is kept once.
    """

    def __init__(
        self, meta: MetaStore, series: SeriesStore, hub: Hub, *, files: TableFiles
    ) -> None:
        self._runs = RunRecords(meta)
        self._keys = KeyRecords(meta)
        self._files = RunFiles(meta)
        self._series = series
        self._hub = hub
        self._tables = files
        self.queries = TableQueries(series)

    async def aclose(self) -> None:
        """Leave what queries have begun in the background."""
        await self.queries.aclose()

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        project = f"{API}/projects/{{entity}}/{{project}}"
        return [
            web.get(f"{project}/runs/{{run}}/tables", self.index),
            web.get(f"{project}/runs/{{run}}/tables/{{key:.+}}", self.get),
            web.post(f"{project}/tables:query", self.post),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """The keys of a run that hold tables."""
        version = self._hub.version
        await find_run(self._runs, request)
        found = await self._logged(project_of(request), request.match_info["run"], None)
        last = await _values(found.objects, [_last(one) for one in found.series])
        tables = [
            {
                "key": one.key,
                "label": one.label,
                "steps": one.steps,
                **_shape(last.get(_last(one))),
            }
            for one in found.series
        ]
        return versioned({"tables": tables}, version)

    async def get(self, request: web.Request) -> web.Response:
        """The versions of a table: what was logged at each step."""
        version = self._hub.version
        await find_run(self._runs, request)
        key = request.match_info["key"]
        found = await self._logged(project_of(request), request.match_info["run"], key)
        places = [
            Place(one.run, one.key, one.label, step) for one in found.series for step in one.steps
        ]
        if not places:
            raise Problem(Code.NOT_FOUND, f"the run has no table {key!r}")
        values = await _values(found.objects, places)
        versions = [
            {"step": place.step, "label": place.label, **_shape(values.get(place))}
            for place in places
        ]
        return versioned({"key": key, "versions": versions}, version)

    async def _logged(self, where: tuple[str, str], of_run: str, key: str | None) -> _Logged:
        run = await self._run(where, of_run, key)
        if not run.is_any:
            return _Logged(run.objects, [])
        try:
            series, _ = await run.objects.index()
        except TooMuchError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error
        return _Logged(run.objects, [one for one in series if one.kind in _KINDS])

    async def places(self, where: tuple[str, str], run: str, key: str) -> list[Place]:
        """Where a run has tables under a key: by label and step.

        Raises:
            Problem: There is no such run, or the run has too many to look into.
        """
        found = await self._logged(where, run, key)
        return [Place(one.run, one.key, one.label, at) for one in found.series for at in one.steps]

    async def post(self, request: web.Request) -> web.Response:
        """Rows, or groups, or what columns hold."""
        project = project_of(request)
        body = table_body(await read_json(request))
        version = self._hub.version
        sources = [
            await self.source(project, source, field=f"sources.{number}")
            for number, source in enumerate(body.sources)
        ]
        asked = _asked(body, _view(body, sources))
        try:
            answer, values = await self._answer(body, asked)
        except StorageError as error:
            raise told(error) from error
        header = {
            "sources": [{"run": one.run, "step": one.step} for one in sources],
            **({"source_columns": asked.view.of} if asked.view.of else {}),
            **answer,
        }
        headers = {"X-Data-Version": str(version), "Vary": "Accept"}
        if ARROW in request.headers.get("Accept", ""):
            data = await asyncio.to_thread(cells_stream, header, values)
            return web.Response(body=data, content_type=ARROW, headers=headers)
        listed = {**header, "cells": [one.cells for one in values]}
        return await asyncio.to_thread(versioned, listed, version)

    async def _answer(
        self, body: TableBody, asked: Asked
    ) -> tuple[dict[str, Any], Sequence[Values]]:
        if body.group:
            values, total = await groups(
                self.queries,
                asked,
                body.group,
                aggregates=body.aggregates,
                offset=body.offset,
                limit=body.limit,
            )
            matched = await self.queries.matched(asked)
            return {**_header(values), "matched": matched, "total": total, "rows": []}, values
        shown = body.shown(asked)
        matched, (values, rows) = await asyncio.gather(
            self.queries.matched(asked),
            self.queries.page(asked, shown, offset=body.offset, limit=body.limit),
        )
        answer = {**_header(values), "matched": matched, "total": matched, "rows": rows}
        if body.stats:
            names = [name for name in shown if body.stats_of is None or name in body.stats_of]
            if len(names) > MAX_STATS:
                detail = f"`stats` are of at most {MAX_STATS:,} columns: name or select some"
                raise Problem(Code.TOO_LARGE, detail, field="stats")
            answer["stats"] = await stats(self.queries, asked, names, matched=matched)
        return answer, values

    async def _run(self, where: tuple[str, str], run: str, key: str | None) -> _Run:
        entity, project = where
        found = await self._runs.stored(entity, project, [run])
        stored = next(iter(found.values()), None)
        if stored is None:
            raise Problem(Code.NOT_FOUND, f"there is no run {run!r} in {entity}/{project}")
        lineage = await self._runs.lineage([stored.number])
        sources = {source for those in lineage.sources.values() for source in those}
        kinds = await self._keys.kinds(sources)
        names = {name for name, bits in kinds.items() if bits >> KIND_OBJECT & 1}
        if key is not None:
            # One that has dots in it may be told as it was logged.
            names &= {key if key in names else join_path([key])}
        keys = dict.fromkeys(names, 1 << KIND_OBJECT)
        wanted = Wanted(
            runs=[stored.number],
            keys=keys,
            is_rewritten=stored.is_rewritten,
            shown=lineage.params,
            first=0,
            last=MAX_INT64,
        )
        of_run = lineage.sources.get(stored.number, (stored.number,))
        return _Run(Objects(self._series, wanted), of_run, bool(keys))

    async def source(self, where: tuple[str, str], source: SourceBody, *, field: str) -> Source:
        """A table of a project, ready.

        Raises:
            Problem: There is none, its file has not come yet, or holds none; of this field.
        """
        run = await self._run(where, source.run, source.key)
        at, match = (MAX_INT64, "prev") if source.step is None else (source.step, "exact")
        places = await run.objects.nearest(at, match) if run.is_any else []
        labels = [place for place in places if source.label in (None, place.label)]
        place = min(labels, key=lambda one: one.label, default=None)
        value = None if place is None else (await _values(run.objects, [place])).get(place)
        if place is None or not isinstance(value, dict) or value.get("_type") not in _KINDS:
            when = "" if source.step is None else f" at step {source.step:,}"
            detail = f"the run {source.run!r} has no table {source.key!r}{when}"
            raise Problem(Code.NOT_FOUND, detail, field=field)
        contents = await self._contents(run, value, field=field)
        return Source(await self._tables.of(contents), source.run, place.step)

    async def _contents(
        self, run: _Run, value: Mapping[str, object], *, field: str
    ) -> list[Content]:
        """The files of a table, in order."""
        names = [value.get("path")]
        before = value.get("previous_increments_paths")
        if value["_type"] == _INCREMENTAL and isinstance(before, list):
            names = [*before, *names]
        texts = [name for name in names if isinstance(name, str)]
        files = await self._files.named(run.sources, texts)
        contents = []
        for name in texts:
            named = (files.get((source, name)) for source in run.sources)
            found = next((file for file in named if file is not None), None)
            content = None if found is None else await self._files.by_hash(found.sha256)
            if content is None:
                raise Problem(Code.NOT_FOUND, f"the run has no file {name!r}", field=field)
            if not content.is_stored:
                detail = f"the content of the file {name!r} has not come yet"
                raise Problem(Code.NOT_FOUND, detail, field=field)
            contents.append(content)
        return contents


@dataclass(frozen=True)
class _Logged:
    objects: Objects
    series: Sequence[Any]


async def _values(objects: Objects, places: Sequence[Place]) -> dict[Place, object]:
    try:
        return await objects.values(places)
    except TooMuchError as error:
        raise Problem(Code.TOO_LARGE, str(error)) from error


def _last(series: Any) -> Place:  # noqa: ANN401  # `Series` of `objects`
    return Place(series.run, series.key, series.label, series.steps[-1])


def _shape(value: object) -> dict[str, object]:
    said = value if isinstance(value, dict) else {}
    shape = {name: said.get(name) for name in ("ncols", "nrows", "log_mode", "sha256", "size")}
    return {"kind": said.get("_type"), **shape}


def _view(body: TableBody, sources: Sequence[Source]) -> View:
    if body.join is not None:
        try:
            return join(sources[0], sources[1], body.join, how=body.how)
        except JoinError as error:
            raise Problem(Code.INVALID, str(error), field="combine") from error
    return one(sources[0]) if len(sources) == 1 else concat(sources)


def _asked(body: TableBody, view: View) -> Asked:
    try:
        return body.asked(view)
    except ExprError as error:
        raise Problem(
            Code.INVALID, str(error), field=body.wrong, extra={"position": error.position}
        ) from error


def told(error: StorageError) -> Exception:
    """Of what a query may ask for and the engine cannot do: what it was."""
    text = str(error)
    if "CANNOT_COMPILE_REGEXP" in text:
        return Problem(Code.INVALID, "a pattern of `matches` is none of RE2", field="where")
    if "TOO_BIG_AST" in text:
        return Problem(Code.TOO_LARGE, "the query is of too many columns at once")
    if "TIMEOUT_EXCEEDED" in text or "MEMORY_LIMIT_EXCEEDED" in text:
        return Problem(Code.TOO_LARGE, "the query takes too long, or too much memory")
    return error


def _header(values: Sequence[Values]) -> dict[str, Any]:
    return {"columns": [{"name": one.name, "kind": one.kind, "type": one.said} for one in values]}


__all__ = ["Tables", "told"]
