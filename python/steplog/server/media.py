"""At which steps runs have images and the like (`media:index`), and which (`media:items`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from steplog.server.body import is_whole, number_of, range_of, read_json, runs_of, texts_of
from steplog.server.media_items import count_of, items_of
from steplog.server.query import project_of, versioned
from steplog.server.schema import (
    API,
    KIND_LIST,
    KIND_OBJECT,
    MAX_INT64,
    MAX_MEDIA_ITEMS,
    MAX_SERIES,
    Code,
    Problem,
)
from steplog.server.store.keys import KeyRecords
from steplog.server.store.objects import Asked, Objects, Place, TooMuchError
from steplog.server.store.run_files import RunFiles
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.hub import Hub
    from steplog.server.media_items import Item
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import NamedFile
    from steplog.server.store.series import SeriesStore

_DEFAULT_LIMIT = 100
_MAX_STEPS = 1000
_MATCHES = ("exact", "prev", "next", "nearest")
_KINDS = 1 << KIND_LIST | 1 << KIND_OBJECT


@dataclass(frozen=True)
class _Found:
    """What a body asks for: runs by their numbers, and what they go back to."""

    objects: Objects
    runs: Mapping[int, str]
    keys: Sequence[str]
    sources: Mapping[int, Sequence[int]]

    def of(self, run: int) -> Sequence[int]:
        """The runs that a run shows something of, itself first."""
        return self.sources.get(run, (run,))  # it may be deleted meanwhile


class Media:
    """The handlers of objects over steps."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._keys = KeyRecords(meta)
        self._files = RunFiles(meta)
        self._series = series
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        path = f"{API}/projects/{{entity}}/{{project}}/media"
        return [web.post(f"{path}:index", self.index), web.post(f"{path}:items", self.items)]

    async def index(self, request: web.Request) -> web.Response:
        """At which steps which keys have objects, and how many."""
        body = await read_json(request)
        version = self._hub.version
        first, last = range_of(body) or (0, MAX_INT64)
        found = await self._found(request, body, first=first, last=last)
        try:
            series, is_all = await found.objects.index()
        except TooMuchError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error
        order = _order(found)
        series.sort(key=lambda one: (*order(one.run, one.key), one.label))
        shown = sum(len(one.steps) for one in series)
        answer = {
            "series": [
                {
                    "run": found.runs[one.run],
                    "label": one.label,
                    "key": one.key,
                    "kind": one.kind,
                    "steps": one.steps,
                    "counts": one.counts,
                }
                for one in series
            ],
            "truncated": None if is_all else {"shown": shown, "total": None, "reason": "steps"},
        }
        return versioned(answer, version)

    async def items(self, request: web.Request) -> web.Response:
        """The objects at a step, or at some."""
        body = await read_json(request)
        version = self._hub.version
        steps, at = _steps_of(body), _at_of(body)
        if (steps is None) == (at is None):
            raise Problem(Code.INVALID, "either `at` or `steps` is said", field="at")
        offset = number_of(body, "offset", 0, most=MAX_INT64)
        limit = number_of(body, "limit", _DEFAULT_LIMIT, least=1, most=MAX_MEDIA_ITEMS)
        within = (min(steps), max(steps)) if steps else (0, MAX_INT64)
        found = await self._found(request, body, first=within[0], last=within[1])
        try:
            if at is not None:
                values = await found.objects.values(await found.objects.nearest(at[0], at[1]))
            else:
                values = await found.objects.at(steps or [])
        except TooMuchError as error:
            raise Problem(Code.TOO_LARGE, str(error)) from error
        order = _order(found)
        places = sorted(values, key=lambda one: (*order(one.run, one.key), one.label, one.step))
        total = sum(max(0, min(limit, count_of(value) - offset)) for value in values.values())
        items: list[tuple[Place, Item]] = []
        for place in places:
            room = MAX_MEDIA_ITEMS - len(items)
            listed = items_of(values[place], offset, min(limit, room))
            items += [(place, item) for item in listed]
        answer = {
            "items": await self._answers(found, items),
            "truncated": None
            if total <= len(items)
            else {"shown": len(items), "total": total, "reason": "items"},
        }
        return await asyncio.to_thread(versioned, answer, version)

    async def _answers(
        self, found: _Found, items: Sequence[tuple[Place, Item]]
    ) -> list[dict[str, object]]:
        runs = {source for place, _ in items for source in found.of(place.run)}
        names = {name for _, item in items for name in item.names}
        files = await self._files.named(runs, names) if names else {}

        def find(run: int, name: str) -> NamedFile | None:
            # What a fork took over is the file of whom it was forked from.
            named = (files.get((source, name)) for source in found.of(run))
            return next((file for file in named if file is not None), None)

        return [
            {
                "run": found.runs[place.run],
                "label": place.label,
                "key": place.key,
                "step": place.step,
                **item.answer(partial(find, place.run)),
            }
            for place, item in items
        ]

    async def _found(
        self, request: web.Request, body: dict[str, Any], *, first: int, last: int
    ) -> _Found:
        entity, project = project_of(request)
        ids = runs_of(body)
        keys = texts_of(body, "keys", [], most=MAX_SERIES) if body.get("keys") is not None else None
        stored = await self._runs.stored(entity, project, ids)
        runs = {one.number: run for run, one in stored.items()}
        lineage = await self._runs.lineage(list(runs), is_whole=is_whole(body))
        sources = {source for those in lineage.sources.values() for source in those}
        kinds = await self._keys.kinds(sources)
        having = {
            key: kinds[key]
            for key in (kinds if keys is None else dict.fromkeys(keys))
            if kinds.get(key, 0) & _KINDS
        }
        asked = Asked(
            runs=list(runs),
            keys=having,
            is_rewritten=any(one.is_rewritten for one in stored.values()),
            shown=lineage.params,
            first=first,
            last=last,
        )
        order = {run: number for number, run in enumerate(ids)}
        runs = dict(sorted(runs.items(), key=lambda one: order[one[1]]))
        names = sorted(having) if keys is None else list(having)
        return _Found(Objects(self._series, asked), runs, names, lineage.sources)


def _order(found: _Found) -> Any:  # noqa: ANN401  # a key of `sort`
    runs = {run: number for number, run in enumerate(found.runs)}
    keys = {key: number for number, key in enumerate(found.keys)}
    return lambda run, key: (runs[run], keys[key])


def _steps_of(body: Mapping[str, Any]) -> list[int] | None:
    steps = body.get("steps")
    if steps is None:
        return None
    if (
        not isinstance(steps, list)
        or not 1 <= len(steps) <= _MAX_STEPS
        or not all(type(step) is int and 0 <= step <= MAX_INT64 for step in steps)
    ):
        detail = f"`steps` is a list of 1 to {_MAX_STEPS:,} steps"
        raise Problem(Code.INVALID, detail, field="steps")
    return steps


def _at_of(body: Mapping[str, Any]) -> tuple[int, str] | None:
    at = body.get("at")
    if at is None:
        return None
    if not isinstance(at, dict):
        raise Problem(Code.INVALID, "`at` is an object", field="at")
    if at.get("x", "step") != "step":
        raise Problem(Code.UNSUPPORTED, "`x` of `at` is step as yet", field="x")
    match = at.get("match", "exact")
    if not isinstance(match, str) or match not in _MATCHES:
        raise Problem(Code.INVALID, f"`match` is one of {', '.join(_MATCHES)}", field="match")
    if at.get("value") is None:
        raise Problem(Code.INVALID, "`value` of `at` is a step", field="value")
    return number_of(at, "value", 0, most=MAX_INT64), match


__all__ = ["Media"]
