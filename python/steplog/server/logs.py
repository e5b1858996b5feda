"""What a run has printed: pages of lines, searches, the whole as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from aiohttp import web

from steplog._errors import UsageError
from steplog.server._decode import Pattern
from steplog.server.query import find_run, versioned
from steplog.server.schema import API, Code, Problem
from steplog.server.store.log_levels import LEVELS
from steplog.server.store.output import STREAMS, Line, Output, Shown
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.output import Source
    from steplog.server.store.series import SeriesStore

_MAX_LINES = 5_000
_MAX_MATCHES = 5_000
_BINS = 400
_TEXT_LINES = 20_000
_MAX_NUMBER = 1 << 53
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"-?[0-9]{1,16}")
# Below 2^63 nanoseconds.
_MOMENT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?|[1-8][0-9]{12}(?:\.[0-9]{1,6})?")


class Logs:
    """The handlers of a run's output."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._output = Output(meta, series)
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        run = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}"
        return [
            web.get(f"{run}/logs", self.page),
            web.get(f"{run}/logs:search", self.search),
            web.get(f"{run}/logs/at", self.at),
            web.get(f"{run}/logs.txt", self.text),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Lines from a number on, or the last ones."""
        run_id, sources, labels = await self._sources(request)
        which = _shown(request.query)
        limit = _number(request.query, "limit", 2_000, least=1, most=_MAX_LINES)
        first = _number(request.query, "from", -limit, least=-_MAX_NUMBER, most=_MAX_NUMBER)
        if which.is_all:
            total = sum(source.count for source in sources)
            first = max(total + first, 0) if first < 0 else first
            lo, hi = first, first + limit - 1
        else:
            numbers = await self._output.numbers(run_id, sources, which)
            total = len(numbers)
            first = max(total + first, 0) if first < 0 else first
            shown = numbers[first : first + limit]
            lo, hi = (int(shown[0]), int(shown[-1])) if len(shown) else (0, -1)
        lines = await self._output.page(run_id, sources, lo=lo, hi=hi, shown=which)
        is_raw = request.query.get("raw") == "1"
        return self._json(
            {
                "total": total,
                "first": first,
                "labels": labels,
                "lines": [_answer(line, sources, is_raw=is_raw) for line in lines],
            }
        )

    async def search(self, request: web.Request) -> web.Response:
        """The numbers of some of the lines that match, and where all are in the whole.

        Those from a line on, or the last ones up to a line.
        """
        run_id, sources, _ = await self._sources(request)
        asked = request.query
        limit = _number(asked, "limit", 500, least=1, most=_MAX_MATCHES)
        how, query, is_match = _matcher(asked)
        which = _shown(asked)
        numbers = await self._output.matches(run_id, sources, how=how, query=query, shown=which)
        still = [
            line.number
            for source in sources
            for line in source.open
            if which.has(line) and is_match(line.plain or line.text)
        ]
        numbers = np.sort(np.concatenate([numbers, np.array(still, np.int64)]))
        first = _first_shown(asked, numbers, limit)
        total = sum(source.count for source in sources)
        bins, _ = np.histogram(numbers, bins=_BINS, range=(0, max(total, 1)))
        return self._json(
            {
                "total": total,
                "matched": len(numbers),
                "first": first,
                "lines": numbers[first : first + limit].tolist(),
                "map": bins.tolist(),
            }
        )

    async def at(self, request: web.Request) -> web.Response:
        """The line that was begun nearest to a time, or null for both where there is none."""
        run_id, sources, _ = await self._sources(request)
        wall_nanos = moment_of(request.query)
        shown = _shown(request.query)
        nearest = await self._output.nearest(run_id, sources, wall_nanos, shown=shown)
        number, wall = (None, None) if nearest is None else nearest
        return self._json({"number": number, "wall": None if wall is None else wall / 1e6})

    async def text(self, request: web.Request) -> web.StreamResponse:
        """All lines as text; `ansi=1` keeps the colours."""
        run_id, sources, _ = await self._sources(request)
        keeps_colors = request.query.get("ansi") == "1"
        response = web.StreamResponse(headers={"Content-Disposition": "attachment"})
        response.content_type = "text/plain"
        response.charset = "utf-8"
        await response.prepare(request)
        waiting: list[str] = []
        async for line in self._output.all(run_id, sources, _TEXT_LINES):
            waiting.append(line.text if keeps_colors else _COLOR.sub("", line.text))
            if len(waiting) == _TEXT_LINES:
                await response.write("".join(f"{text}\n" for text in waiting).encode())
                waiting.clear()
        await response.write("".join(f"{text}\n" for text in waiting).encode())
        await response.write_eof()
        return response

    async def _sources(self, request: web.Request) -> tuple[int, list[Source], list[str]]:
        row = await find_run(self._runs, request)
        labels = await self._output.labels(row.id)
        label = request.query.get("label", labels[0] if labels else "")
        return row.id, await self._output.sources(row.id, label), labels

    def _json(self, value: dict[str, object]) -> web.Response:
        version = self._hub.version
        return versioned({"version": version, **value}, version)


def _answer(line: Line, sources: Sequence[Source], *, is_raw: bool) -> list[object]:
    label = sources[0].label if sources else ""
    stream = "e" if line.stream == STREAMS["err"] else "o"
    answer: list[object] = [
        *(line.number, line.wall_nanos / 1e6, stream, label),
        *(line.text, line.rewrites),
    ]
    return [*answer, line.versions.split("\n") if line.versions else []] if is_raw else answer


def _shown(asked: Mapping[str, str]) -> Shown:
    stream, level = asked.get("stream", "all"), asked.get("level", "")
    if stream not in STREAMS:
        raise Problem(Code.INVALID, f"`stream` is {', '.join(STREAMS)}", field="stream")
    if level and level not in LEVELS:
        raise Problem(Code.INVALID, f"`level` is {', '.join(LEVELS)}", field="level")
    return Shown(stream, level)


def _number(asked: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = asked.get(name, str(default))
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise Problem(Code.INVALID, f"`{name}` is a number from {least:,} to {most:,}", field=name)
    return int(text)


def moment_of(asked: Mapping[str, str]) -> int:
    """The time `wall` that a request names in milliseconds, as nanoseconds.

    Raises:
        Problem: It names none, or what is none.
    """
    text = asked.get("wall", "")
    if not _MOMENT.fullmatch(text):
        detail = "`wall` is a time in milliseconds since the epoch, of at most 13 digits and 6 more"
        raise Problem(Code.INVALID, detail, field="wall")
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def _first_shown(asked: Mapping[str, str], numbers: NDArray[np.int64], limit: int) -> int:
    """The index of the first match that is named."""
    if "to" in asked:
        last = _number(asked, "to", 0, least=0, most=_MAX_NUMBER)
        return max(int(np.searchsorted(numbers, last, "right")) - limit, 0)
    first = _number(asked, "from", 0, least=0, most=_MAX_NUMBER)
    return int(np.searchsorted(numbers, first))


def _matcher(asked: Mapping[str, str]) -> tuple[str, str, Callable[[str], bool]]:
    """How the engine searches, for what, and the same for the lines that it does not have."""
    query = asked.get("q", "")
    if not query:
        raise Problem(Code.INVALID, "`q` is what is searched for", field="q")
    has_case = asked.get("case") == "1"
    if asked.get("regex") == "1":
        source = query if has_case else f"(?i){query}"
        try:
            return "regex", source, Pattern(source).is_match
        except UsageError as error:
            raise Problem(Code.INVALID, str(error), field="q") from error
    if has_case:
        return "text", query, lambda text: query in text
    folded = query.lower()
    return "text without case", query, lambda text: folded in text.lower()
