"""Rows that custom charts are drawn from (`chartdata:query`), and which charts runs have."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from steplog._errors import StorageError
from steplog.server.body import read_json, runs_of
from steplog.server.chart_body import OF_TABLES, ChartBody, chart_body
from steplog.server.query import project_of, versioned
from steplog.server.schema import (
    API,
    MAX_HISTORY_PAGE,
    MAX_INT64,
    Code,
    Problem,
    flatten,
    join_path,
)
from steplog.server.store.history import Page, count_rows, read_page
from steplog.server.store.objects import TooMuchError
from steplog.server.store.runs import RunRecords, config_of, run_value, summary_of
from steplog.server.store.table_expr import ExprError
from steplog.server.store.table_query import Asked
from steplog.server.store.table_view import one
from steplog.server.table_body import SourceBody
from steplog.server.tables import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore
    from steplog.server.store.table_query import Values
    from steplog.server.store.table_view import Source
    from steplog.server.tables import Tables

RUN, NAME, COLOR, STEP = "_run", "_name", "_color", "_step"
"""What every row says of its run, and of tables at which step they were logged."""
_OWN = frozenset({RUN, NAME, COLOR})
_HUES = 10
_MOST_TABLES = 10_000
"""That one query of `historyTable` looks into."""
_AT_ONCE = 8
"""Runs whose tables are looked for beside one another."""
_JSON = frozenset({"json", "media"})

_Row = dict[str, object]


@dataclass
class _Rows:
    """Rows of all runs, how many there would be, and the runs that have none, with why."""

    rows: list[_Row] = field(default_factory=list)
    total: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    missing: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """A run, and what its rows say of it."""

    number: int
    id: str
    name: str

    @property
    def words(self) -> _Row:
        return {RUN: self.id, NAME: self.name, COLOR: hue_of(self.id)}


class ChartData:
    """The handlers of the rows of charts."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub, *, tables: Tables) -> None:
        self._runs = RunRecords(meta)
        self._series = series
        self._hub = hub
        self._tables = tables
        self._queries = tables.queries

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        project = f"{API}/projects/{{entity}}/{{project}}"
        return [
            web.post(f"{project}/chartdata:query", self.query),
            web.post(f"{project}/charts:index", self.index),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """The charts that runs have logged, as their configs say; of each which runs have it."""
        version = self._hub.version
        runs = runs_of(await read_json(request))
        found: dict[str, dict[str, Any]] = {}
        rows = await self._runs.rows(*project_of(request), runs)
        # How a chart is drawn is what the run says that began last.
        for row in sorted(rows, key=lambda row: row.created):
            for key, said in _charts_of(config_of(row)):
                chart = found.setdefault(key, {"key": key, "runs": []})
                chart["runs"] = list(dict.fromkeys([*chart["runs"], run_value(row, "id")]))
                chart.update(said)
        charts = [found[key] for key in sorted(found)]
        return versioned({"charts": charts}, version)

    async def query(self, request: web.Request) -> web.Response:
        """Rows, in JSON."""
        version = self._hub.version
        body = chart_body(await read_json(request))
        where = project_of(request)
        rows = await self._runs.rows(*where, body.runs)
        there = {str(run_value(row, "id")) for row in rows}
        if body.source in OF_TABLES:
            found = await self._of_tables(where, body, _identities(rows))
        elif body.source == "history":
            found = await self._of_history(body, _identities(rows))
        else:
            found = _of_heads(body, rows)
        gone = [run for run in body.runs if run not in there]
        found.missing += [
            {"run": run, "reason": f"there is no run {run!r} in {'/'.join(where)}"} for run in gone
        ]
        shown = len(found.rows)
        answer = {
            "rows": found.rows,
            "columns": [{"name": name, "kind": kind} for name, kind in _kinds(found).items()],
            "missing": found.missing,
            "truncated": None
            if shown >= found.total
            else {"shown": shown, "total": found.total, "reason": "rows"},
        }
        return await asyncio.to_thread(versioned, answer, version)

    async def _of_history(self, body: ChartBody, runs: Sequence[_Run]) -> _Rows:
        """Rows that hold all keys; of each run the first ones, where there are too many."""
        lineage = await self._runs.lineage([run.number for run in runs])
        first, last = body.range
        of_row = ("_step", "_runtime", "_timestamp")
        page = Page(
            first=first,
            end=min(last, MAX_INT64 - 1) + 1,
            label=None,
            keys=[key for key in body.keys if key not in of_row],
            after=("", -1),
            limit=MAX_HISTORY_PAGE,
            is_whole=False,
        )
        counts = [
            await count_rows(self._series, run.number, page, lineage=lineage.params) for run in runs
        ]
        found = _Rows(total=sum(counts))
        for run, share in zip(runs, shares(counts, body.limit), strict=True):
            after = page.after
            left = share
            while left > 0:
                part = Page(**{**vars(page), "after": after, "limit": min(left, page.limit)})
                rows, next_place = await read_page(
                    self._series, run.number, part, lineage=lineage.params
                )
                found.rows += [_with_run(row, run) for row in rows]
                left -= len(rows)
                if next_place is None or not rows:
                    break
                after = next_place
            if share == 0:
                found.missing.append({"run": run.id, "reason": "it has no row with all keys"})
        return found

    async def _of_tables(
        self, where: tuple[str, str], body: ChartBody, runs: Sequence[_Run]
    ) -> _Rows:
        found = _Rows()
        sources = await self._sources(where, body, runs, missing=found.missing)
        asked = [_asked(source, body) for _, source in sources]
        if asked:
            _check_columns(body, asked)
        try:
            counts = [await self._queries.matched(one) for one in asked]
            found.total = sum(counts)
            for (run, source), one, share in zip(
                sources, asked, shares(counts, body.limit), strict=True
            ):
                names = [
                    name
                    for name in (one.columns if body.columns is None else body.columns)
                    if name in one.columns
                ]
                values, _ = await self._queries.page(one, names, offset=0, limit=share)
                for value in values:
                    _say_kind(found.kinds, _free(value.name), value.kind)
                step = {STEP: source.step}
                found.rows += await asyncio.to_thread(_rows_of, values, {**run.words, **step})
        except StorageError as error:
            raise told(error) from error
        if sources:
            found.kinds[STEP] = "int"
        return found

    async def _sources(
        self,
        where: tuple[str, str],
        body: ChartBody,
        runs: Sequence[_Run],
        *,
        missing: list[dict[str, str]],
    ) -> list[tuple[_Run, Source]]:
        """The tables of all runs; of those that have none, why, is added to `missing`.

        Raises:
            Problem: There are too many.
        """
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def tables_of(run: _Run) -> Sequence[Source] | Problem:
            async with at_once:
                try:
                    return await self._tables_of(where, body, run)
                except Problem as problem:
                    # One run without the table must not take the chart from the others.
                    if problem.code not in {Code.NOT_FOUND, Code.NO_TABLE}:
                        raise
                    return problem

        sources: list[tuple[_Run, Source]] = []
        tables = await asyncio.gather(*(tables_of(run) for run in runs))
        for run, these in zip(runs, tables, strict=True):
            if isinstance(these, Problem):
                missing.append({"run": run.id, "reason": these.detail})
            else:
                sources += [(run, one) for one in these]
        if len(sources) > _MOST_TABLES:
            detail = f"that is more than {_MOST_TABLES:,} tables: ask for fewer runs or steps"
            raise Problem(Code.TOO_LARGE, detail)
        return sources

    async def _tables_of(
        self, where: tuple[str, str], body: ChartBody, run: _Run
    ) -> Sequence[Source]:
        """The tables of a run: one, or those of all steps that are asked for.

        Raises:
            Problem: There is none.
        """
        # A chart's key that has dots in it is one name; in the config it stands as it was said.
        keys = dict.fromkeys((body.key, join_path([body.key])))
        for key in keys:
            places = await self._places(where, run.id, key)
            if body.source == "summaryTable":
                steps: Iterable[int] = {max((one.step for one in places), default=-1)}
            elif body.step is not None:
                at = body.step
                steps = {max((one.step for one in places if one.step <= at), default=-1)}
            else:
                first, last = body.range
                steps = (one.step for one in places if first <= one.step <= last)
            wanted = sorted({step for step in steps if step >= 0})
            if wanted:
                labels = {one.step: one.label for one in reversed(places)}
                return [
                    await self._tables.source(
                        where, SourceBody(run.id, key, step, labels[step]), field="key"
                    )
                    for step in wanted
                ]
        raise Problem(Code.NOT_FOUND, f"the run {run.id!r} has no table {body.key!r}", field="key")

    async def _places(self, where: tuple[str, str], run: str, key: str) -> Sequence[Any]:
        try:
            return await self._tables.places(where, run, key)
        except TooMuchError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error


def hue_of(run: str) -> int:
    """Which of the ten colours a run has by itself: FNV-1a over UTF-16 units, as on the page."""
    value = 0x811C9DC5
    units = run.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(units), 2):
        value = ((value ^ int.from_bytes(units[at : at + 2], "little")) * 0x01000193) & 0xFFFFFFFF
    return value % _HUES


def shares(counts: Sequence[int], limit: int) -> list[int]:
    """How many rows each has a right to: those that have few give what they leave to the others."""
    left = limit
    found = [0] * len(counts)
    for place, number in enumerate(sorted(range(len(counts)), key=lambda at: counts[at])):
        found[number] = min(counts[number], left // (len(counts) - place))
        left -= found[number]
    return found


def _charts_of(config: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, object]]]:
    """The charts that a config tells of, each with its form and what it says."""
    own = config.get("_wandb")
    for form in ("viz", "visualize"):
        known = own.get(form) if isinstance(own, dict) else None
        if isinstance(known, dict):
            for key, panel in known.items():
                if isinstance(panel, dict):
                    yield str(key), {"form": form, "panel": panel}


def _identities(rows: Sequence[sa.Row[tuple[object, ...]]]) -> list[_Run]:
    return [
        _Run(row.id, str(run_value(row, "id")), str(run_value(row, "name") or run_value(row, "id")))
        for row in rows
    ]


def _of_heads(body: ChartBody, rows: Sequence[sa.Row[tuple[object, ...]]]) -> _Rows:
    """A row for each run: of its columns, or of its config or summary."""
    found = _Rows(total=len(rows))
    for row, run in zip(rows[: body.limit], _identities(rows), strict=False):
        found.rows.append(_with_run(_head(body, row), run))
    return found


def _head(body: ChartBody, row: sa.Row[tuple[object, ...]]) -> _Row:
    if body.sections is None:
        leaves = flatten(config_of(row) if body.source == "config" else summary_of(row))
        if body.source == "config":
            leaves = {key: value for key, value in leaves.items() if not key.startswith("_wandb.")}
        return {key: value for key, value in leaves.items() if not body.keys or key in body.keys}
    trees = {"config": flatten(config_of(row)), "summary": flatten(summary_of(row))}
    return {
        name: trees[section].get(key) if section else run_value(row, key)
        for name, (section, key) in body.sections.items()
    }


def _asked(source: Source, body: ChartBody) -> Asked:
    try:
        return Asked(one(source), body.where, key=json.dumps([[], body.where_text]))
    except ExprError as error:
        raise Problem(
            Code.INVALID, str(error), field="where", extra={"position": error.position}
        ) from error


def _check_columns(body: ChartBody, asked: Sequence[Asked]) -> None:
    known = {name for one in asked for name in one.columns}
    for name in body.columns or ():
        if name not in known:
            raise Problem(Code.INVALID, f"there is no column {name!r}", field="columns")


def _rows_of(values: Sequence[Values], words: _Row) -> list[_Row]:
    names = [_free(one.name) for one in values]
    cells = [
        [None if cell is None else json.loads(cell) for cell in one.cells]
        if one.kind in _JSON
        else one.cells
        for one in values
    ]
    return [{**dict(zip(names, row, strict=True)), **words} for row in zip(*cells, strict=True)]


def _with_run(row: _Row, run: _Run) -> _Row:
    return {**{_free_of_run(name): value for name, value in row.items()}, **run.words}


def _free_of_run(name: str) -> str:
    return f"data.{name}" if name in _OWN else name


def _free(name: str) -> str:
    """The name of a column in rows: that of what is said of the run stays free."""
    return f"data.{name}" if name in _OWN or name == STEP else name


def _say_kind(kinds: dict[str, str], name: str, kind: str) -> None:
    """Of several kinds, those of numbers are a float, others together anything."""
    before = kinds.setdefault(name, kind)
    if before != kind:
        kinds[name] = "float" if {before, kind} == {"int", "float"} else "json"


def _kinds(found: _Rows) -> dict[str, str]:
    """The kind of each column; where none is known, by the values that there are."""
    kinds = {name: kind for name, kind in found.kinds.items() if kind}
    known = {*kinds, *_OWN}
    for row in found.rows:
        for name, value in row.items():
            if name not in known and value is not None:
                _say_kind(kinds, name, _kind_of(value))
    return {**kinds, RUN: "text", NAME: "text", COLOR: "int"} if found.rows else kinds


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    names = {int: "int", float: "float", str: "text"}
    return names.get(type(value), "json")


__all__ = ["ChartData", "hue_of", "shares"]
