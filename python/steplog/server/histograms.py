"""`histograms:query`: the histograms of a key over steps, as few as the screen can show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from steplog.server.arrow import stream
from steplog.server.body import is_whole, number_of, range_of, read_json, runs_of
from steplog.server.query import project_of
from steplog.server.rebin import PERCENTILES, Histogram, merged
from steplog.server.schema import (
    API,
    ARROW,
    KIND_OBJECT,
    MAX_INT64,
    MAX_PX,
    Code,
    Problem,
)
from steplog.server.store.exact import page_json
from steplog.server.store.objects import Asked, Objects, TooMuchError
from steplog.server.store.panels import grid
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from steplog.server.hub import Hub
    from steplog.server.rebin import Column
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.objects import Place
    from steplog.server.store.series import SeriesStore

_PX_A_COLUMN = 3
_DEFAULT_PX = 1000
_DEFAULT_BINS, _MOST_BINS = 128, 512
_MOST_COLUMNS = 20_000
"""Of one answer: of 512 bins 160 MB at most."""


@dataclass(frozen=True)
class _Cell:
    """Of which steps a column is."""

    series: int
    step: int
    last: int
    merged: int
    column: Column


@dataclass
class _Series:
    run: str
    label: str
    skipped: int = 0
    by_step: dict[int, Histogram] = field(default_factory=dict)


class Histograms:
    """The handler of `histograms:query`."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._series = series
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post(f"{API}/projects/{{entity}}/{{project}}/histograms:query", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Histograms over steps."""
        body = await read_json(request)
        version = self._hub.version
        if body.get("x", "step") != "step":
            raise Problem(Code.UNSUPPORTED, "`x` is step as yet", field="x")
        most = number_of(body, "px", _DEFAULT_PX, least=1, most=MAX_PX) // _PX_A_COLUMN
        bins = number_of(body, "max_bins", _DEFAULT_BINS, least=1, most=_MOST_BINS)
        series = await self._found(request, body)
        span = range_of(body)
        header, columns = await asyncio.to_thread(
            partial(_drawn, series, span, most=max(1, most), bins=bins)
        )
        headers = {"X-Data-Version": str(version), "Vary": "Accept"}
        if ARROW in request.headers.get("Accept", ""):
            answer = await asyncio.to_thread(stream, header, columns)
            return web.Response(body=answer, content_type=ARROW, headers=headers)
        listed = {"version": version, **header, "columns": {**_listed(columns)}}
        answer = await asyncio.to_thread(page_json, listed)
        return web.Response(body=answer, content_type="application/json", headers=headers)

    async def _found(self, request: web.Request, body: dict[str, Any]) -> list[_Series]:
        entity, project = project_of(request)
        key, ids = body.get("key"), runs_of(body)
        if not isinstance(key, str):
            raise Problem(Code.INVALID, "`key` is text", field="key")
        stored = await self._runs.stored(entity, project, ids)
        runs = {one.number: run for run, one in stored.items()}
        lineage = await self._runs.lineage(list(runs), is_whole=is_whole(body))
        first, last = range_of(body) or (0, MAX_INT64)
        asked = Asked(
            runs=list(runs),
            keys={key: 1 << KIND_OBJECT},
            is_rewritten=any(one.is_rewritten for one in stored.values()),
            shown=lineage.params,
            first=first,
            last=last,
        )
        found: dict[tuple[str, str], _Series] = {}
        try:
            async for values in Objects(self._series, asked).every():
                await asyncio.to_thread(_take, found, values, runs)
        except TooMuchError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error
        order = {run: number for number, run in enumerate(ids)}
        return sorted(found.values(), key=lambda one: (order[one.run], one.label))


def _take(
    found: dict[tuple[str, str], _Series], values: Mapping[Place, object], runs: Mapping[int, str]
) -> None:
    for place, value in values.items():
        name = (runs[place.run], place.label)
        series = found.setdefault(name, _Series(*name))
        histogram = Histogram.of(value)
        if histogram is None:
            series.skipped += 1
        else:
            series.by_step[place.step] = histogram


def _drawn(
    series: Sequence[_Series], span: tuple[int, int] | None, *, most: int, bins: int
) -> tuple[dict[str, object], dict[str, Any]]:
    """The header, and a row for each column of the heatmap."""
    steps = [step for one in series for step in one.by_step]
    lo, hi = span or (min(steps, default=0), max(steps, default=0))
    width, first, count = _grid(lo, hi, most)
    shown = series[: max(1, _MOST_COLUMNS // max(1, count))]
    cells: list[_Cell] = []
    for number, one in enumerate(shown):
        buckets: dict[int, list[int]] = {}
        for step in sorted(one.by_step):
            buckets.setdefault(step // width, []).append(step)
        for those in buckets.values():
            column = merged([one.by_step[step] for step in those], bins)
            cells.append(_Cell(number, those[0], those[-1], len(those), column))
    header: dict[str, object] = {
        "x0": first * width,
        "dx": width,
        "nb": count,
        "unit": "step",
        "series": [
            {"i": number, "run": one.run, "label": one.label, "skipped": one.skipped}
            for number, one in enumerate(shown)
        ],
        "truncated": None
        if len(shown) == len(series)
        else {"shown": len(shown), "total": len(series), "reason": "series"},
    }
    return header, _columns(cells)


def _grid(lo: int, hi: int, most: int) -> tuple[int, int, int]:
    """Width, first and number of the columns, as in charts, but at most so many."""
    width, first, count = grid(lo, hi, max(1, most // 2))
    while count > most:
        width *= 2
        first = lo // width
        count = hi // width - first + 1
    return width, first, count


def _columns(cells: Sequence[_Cell]) -> dict[str, Any]:
    def ints(name: str, dtype: type[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        return np.array([getattr(cell, name) for cell in cells], dtype)

    def floats(values: list[float]) -> NDArray[np.float64]:
        return np.array(values, np.float64)

    return {
        "s": ints("series", np.uint16),
        "step": ints("step", np.int64),
        "last": ints("last", np.int64),
        "merged": ints("merged", np.uint32),
        "edges": [cell.column.edges for cell in cells],
        "counts": [cell.column.counts for cell in cells],
        **{
            name: floats([getattr(cell.column, name) for cell in cells])
            for name in ("nan", "inf", "neg_inf")
        },
        **{name: floats([cell.column.percentiles[name] for cell in cells]) for name in PERCENTILES},
    }


def _listed(columns: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: [one.tolist() for one in column] if isinstance(column, list) else column.tolist()
        for name, column in columns.items()
    }


__all__ = ["Histograms"]
