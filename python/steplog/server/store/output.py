"""What a run has printed: finished lines from the series store, open ones from the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from steplog.server._decode import open_lines
from steplog.server.schema import MAX_INT64
from steplog.server.store.engine import text_param
from steplog.server.store.log_levels import least, pattern
from steplog.server.store.log_limit import cut_of
from steplog.server.store.tables import WRITERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray

    from steplog.server.store.meta import MetaStore
    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

STREAMS = {"all": 0, "out": 1, "err": 2}
_OF_WRITER = "run = {run:UInt64} AND writer = {writer:String}"
_OF_STREAM = "({stream:UInt8} = 0 OR stream = {stream:UInt8})"
_SEARCHED = "if(plain = '', text, plain)"
_SHOWN = f"{_OF_STREAM} AND ({{level:String}} = '' OR match({_SEARCHED}, {{level:String}}))"

_PAGE = f"""SELECT number, wall, stream, rewrites, text, versions FROM lines
WHERE {_OF_WRITER} AND {_SHOWN} AND number >= {{lo:UInt64}} AND number <= {{hi:UInt64}}
ORDER BY number"""  # noqa: S608  # constants of this file
_NUMBERS = f"""SELECT number FROM lines WHERE {_OF_WRITER} AND {_SHOWN} AND CONDITION
ORDER BY number"""  # noqa: S608  # constants of this file
_KEPT = f"""{_OF_WRITER} AND {_SHOWN}
    AND (number < {{cut_from:UInt64}} OR number >= {{cut_behind:UInt64}})"""
# The two lines that a moment lies between, where time goes on from line to line.
_AROUND = f"""SELECT number, wall FROM (SELECT number, wall FROM lines
    WHERE {_KEPT} AND wall <= {{wall:Int64}} ORDER BY number DESC LIMIT 1)
UNION ALL SELECT number, wall FROM (SELECT number, wall FROM lines
    WHERE {_KEPT} AND wall > {{wall:Int64}} ORDER BY number LIMIT 1)"""  # noqa: S608  # constants of this file
# Where a clock was set back another line may be nearer.
_NEAREST = f"""SELECT number, wall FROM lines
WHERE {_KEPT} AND wall >= {{lo:Int64}} AND wall <= {{hi:Int64}}
ORDER BY abs(wall - {{wall:Int64}}), number LIMIT 1"""  # noqa: S608  # constants of this file
_MATCH = {
    "regex": f"match({_SEARCHED}, {{q:String}})",
    "text": f"position({_SEARCHED}, {{q:String}}) > 0",
    "text without case": f"positionCaseInsensitiveUTF8({_SEARCHED}, {{q:String}}) > 0",
}


@dataclass(frozen=True)
class Line:
    """A line of a run's output; `number` counts all of its label, over its attempts."""

    number: int
    wall_nanos: int
    stream: int
    rewrites: int
    text: str
    plain: str
    versions: str


@dataclass(frozen=True)
class Source:
    """The output of one attempt: `count` lines from `first` on, the last of which are `open`."""

    writer: str
    label: str
    first: int
    count: int
    open: Sequence[Line]
    cut: range
    """The numbers of the lines that are left out."""
    cut_wall_nanos: int


@dataclass(frozen=True)
class Shown:
    """Which lines are looked at.

    Attributes:
        stream: One of `STREAMS`.
        level: At least what those name, of `LEVELS`; empty for all lines.
    """

    stream: str = "all"
    level: str = ""

    @property
    def is_all(self) -> bool:
        """Whether no line is left out."""
        return self.stream == "all" and not self.level

    def has(self, line: Line) -> bool:
        """Whether it is one of them."""
        is_of_stream = self.stream == "all" or line.stream == STREAMS[self.stream]
        return is_of_stream and (
            not self.level or pattern(self.level).is_match(line.plain or line.text)
        )

    @property
    def params(self) -> dict[str, int | str]:
        """Of the engine's statements."""
        level = text_param(least(self.level)) if self.level else ""
        return {"stream": STREAMS[self.stream], "level": level}


class Output:
    """Reads what runs have printed."""

    def __init__(self, meta: MetaStore, series: SeriesStore) -> None:
        self._meta = meta
        self._series = series

    async def labels(self, run_id: int) -> list[str]:
        """The labels that have printed something, in the order in which they came."""
        query = (
            sa.select(WRITERS.c.label)
            .where(WRITERS.c.run_id == run_id, WRITERS.c.console != b"")
            .order_by(WRITERS.c.id)
        )
        async with self._meta.read() as connection:
            return list(dict.fromkeys((await connection.execute(query)).scalars()))

    async def sources(self, run_id: int, label: str) -> list[Source]:
        """The attempts of a label that have printed something, in their order."""
        query = (
            sa.select(WRITERS.c.writer, WRITERS.c.console)
            .where(WRITERS.c.run_id == run_id, WRITERS.c.label == label)
            .order_by(WRITERS.c.generation, WRITERS.c.id)
        )
        async with self._meta.read() as connection:
            rows = list(await connection.execute(query))
            cuts = [await cut_of(connection, run_id, row.writer) for row in rows]
        sources: list[Source] = []
        first = 0
        for row, cut in zip(rows, cuts, strict=True):
            count, lines = open_lines(bytes(row.console))
            still = [Line(line[0] + first, *line[1:]) for line in lines]
            sources.append(
                Source(
                    *(row.writer, label, first, count, still),
                    cut=range(first + cut.first, first + cut.behind),
                    cut_wall_nanos=cut.wall_nanos,
                )
            )
            first += count
        return sources

    async def numbers(
        self, run_id: int, sources: Sequence[Source], shown: Shown
    ) -> NDArray[np.int64]:
        """The numbers of all lines that are looked at."""
        return await self._numbers(run_id, sources, shown, where="1")

    async def matches(
        self, run_id: int, sources: Sequence[Source], *, how: str, query: str, shown: Shown
    ) -> NDArray[np.int64]:
        """The numbers of finished lines that match; `how` is one of `_MATCH`."""
        return await self._numbers(run_id, sources, shown, where=_MATCH[how], query=query)

    async def _numbers(
        self, run_id: int, sources: Sequence[Source], shown: Shown, *, where: str, query: str = ""
    ) -> NDArray[np.int64]:
        parts = [np.empty(0, np.int64)]
        for source in sources:
            found = await self._series.read(
                _NUMBERS.replace("CONDITION", where),
                run=run_id,
                writer=text_param(source.writer),
                q=text_param(query),
                **shown.params,
            )
            numbers = found.uints("number").astype(np.int64) + source.first
            is_cut = (numbers >= source.cut.start) & (numbers < source.cut.stop)
            parts.append(numbers[~is_cut])
            if not query:
                still = [line.number for line in source.open if shown.has(line)]
                parts.append(np.array(still, np.int64))
        return np.sort(np.concatenate(parts))

    async def page(
        self,
        run_id: int,
        sources: Sequence[Source],
        *,
        lo: int,
        hi: int,
        shown: Shown,
    ) -> list[Line]:
        """The lines that are looked at with numbers from `lo` to `hi`, both included."""
        lines: list[Line] = []
        for source in sources:
            if hi < source.first or lo >= source.first + source.count:
                continue
            found = await self._series.read(
                _PAGE,
                run=run_id,
                writer=text_param(source.writer),
                lo=max(lo - source.first, 0),
                hi=hi - source.first,
                **shown.params,
            )
            still = [line for line in source.open if lo <= line.number <= hi]
            own = [*_lines(found, source.first), *(line for line in still if shown.has(line))]
            if shown.is_all:
                own = _marked(own, source, lo=lo, hi=hi)
            lines += sorted(own, key=lambda line: line.number)
        return lines

    async def nearest(
        self, run_id: int, sources: Sequence[Source], wall_nanos: int, *, shown: Shown
    ) -> tuple[int, int] | None:
        """The number and the time of the line that was begun nearest to a time, if there is one.

        Of several the first one counts.
        """
        found: list[tuple[int, int]] = []
        for source in sources:
            found += await self._finished_near(run_id, source, wall_nanos, shown=shown)
            found += [(one.number, one.wall_nanos) for one in source.open if shown.has(one)]
            if source.cut and shown.is_all:
                found.append((source.cut.start, source.cut_wall_nanos))
        return min(found, key=lambda one: (abs(one[1] - wall_nanos), one[0]), default=None)

    async def _finished_near(
        self, run_id: int, source: Source, wall_nanos: int, *, shown: Shown
    ) -> list[tuple[int, int]]:
        params: dict[str, int | str] = {
            "run": run_id,
            "writer": text_param(source.writer),
            "wall": wall_nanos,
            "cut_from": source.cut.start - source.first,
            "cut_behind": source.cut.stop - source.first,
            **shown.params,
        }
        around = await self._series.read(_AROUND, **params)
        if not around.rows:
            return []
        apart = int(abs(around.ints("wall") - wall_nanos).min())
        reach = {"lo": wall_nanos - apart, "hi": min(wall_nanos + apart, MAX_INT64)}
        nearest = await self._series.read(_NEAREST, **params, **reach)
        return [(int(nearest.uints("number")[0]) + source.first, int(nearest.ints("wall")[0]))]

    async def all(self, run_id: int, sources: Sequence[Source], step: int) -> AsyncIterator[Line]:
        """Every line, read in pages of `step`."""
        total = sum(source.count for source in sources)
        for lo in range(0, total, step):
            for line in await self.page(run_id, sources, lo=lo, hi=lo + step - 1, shown=Shown()):
                # Of those that are left out, one says so.
                if not any(line.number in source.cut[1:] for source in sources):
                    yield line


def _marked(lines: Sequence[Line], source: Source, *, lo: int, hi: int) -> list[Line]:
    """Among lines from `lo` to `hi` an empty one for each that is left out; the first says so."""
    cut, wall = source.cut, source.cut_wall_nanos
    kept = [line for line in lines if line.number not in cut]
    missing = range(max(cut.start, lo), min(cut.stop, hi + 1))
    mark = f"[{len(cut):,} lines are left out here: the output is longer than the server keeps]"
    texts = (mark if number == cut.start else "" for number in missing)
    out = STREAMS["out"]
    return [
        *kept,
        *(Line(n, wall, out, 0, text, "", "") for n, text in zip(missing, texts, strict=True)),
    ]


def _lines(found: Columns, first: int) -> list[Line]:
    numbers = (found.uints("number").astype(np.int64) + first).tolist()
    columns = (
        numbers,
        found.ints("wall").tolist(),
        found.uints("stream").tolist(),
        found.uints("rewrites").tolist(),
        (text.decode("utf-8", "replace") for text in found.texts("text")),
        (text.decode("utf-8", "replace") for text in found.texts("versions")),
    )
    return [
        Line(number, wall, stream, rewrites, text, "", versions)
        for number, wall, stream, rewrites, text, versions in zip(*columns, strict=True)
    ]
