"""What a run shows: of attempts what later ones do not mask, and of a fork what it took over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.attempts import Attempts
from steplog.server.store.engine import ints_param, texts_param
from steplog.server.store.tables import RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

_MAX_DEPTH = 100
"""Forks of forks: beyond, what lies further back is left out."""

# A table's points as runs show them: each as a point of the run that shows it, under the label that
# it has there, its generation counted over all that the run shows.
_SHOWN = """SELECT part.view AS run, p.key AS key, part.label AS label, part.era AS generation,
    p.position AS position, p.step AS step, p.wall AS wall, p.runtime AS runtime, p.kind AS kind,
    p.f64 AS f64, p.i64 AS i64, p.text AS text
FROM {table} AS p INNER JOIN (
    SELECT z.1 AS view, z.2 AS source, z.3 AS writer, z.4 AS end_step, z.5 AS label, z.6 AS era
    FROM (SELECT arrayJoin(arrayZip({{views:Array(UInt64)}}, {{sources:Array(UInt64)}},
        {{writers:Array(String)}}, {{ends:Array(Int64)}}, {{labels:Array(String)}},
        {{eras:Array(UInt32)}})) AS z)) AS part
ON p.run = part.source AND p.writer = part.writer
WHERE p.step < part.end_step AND p.run IN {{sources:Array(UInt64)}}"""


def shown(table: str) -> str:
    """The points of a table as runs show them; takes `Lineage.params`."""
    return _SHOWN.format(table=table)


@dataclass(frozen=True)
class _Part:
    view: int
    source: int
    writer: str
    end_step: int
    label: str
    era: int


@dataclass
class Lineage:
    """What runs show that is not simply all they have.

    Attributes:
        created: Of each run the start of the first one that it goes back to, nanoseconds.
        sources: Of each run the numbers of those that it shows something of, itself first.
        forks: Of each run that is gone back to, there or not, the ids of those that do.
    """

    created: dict[int, int] = field(default_factory=dict)
    sources: dict[int, list[int]] = field(default_factory=dict)
    forks: dict[str, set[str]] = field(default_factory=dict)
    _seams: dict[int, list[tuple[str | None, int]]] = field(default_factory=dict)
    _parts: list[_Part] = field(default_factory=list)
    _is_plain: bool = True

    @classmethod
    async def of(
        cls, connection: AsyncConnection, runs: Sequence[int], *, is_whole: bool = False
    ) -> Lineage:
        """That of runs by their numbers.

        Args:
            connection: To the metadata.
            runs: Their numbers.
            is_whole: Show what is masked as well: each attempt that something is masked of, whole,
                under its label, `#` and its generation.
        """
        lineage = cls()
        chains = await _chains(connection, runs)
        everyone = sorted({one.number for chain in chains.values() for one in chain})
        attempts = await Attempts.of_runs(connection, everyone)
        for view, chain in chains.items():
            lineage.created[view] = chain[-1].created
            lineage.sources[view] = [one.number for one in chain]
            for one in chain:
                if one.parent:
                    lineage.forks.setdefault(one.parent, set()).add(chain[0].run)
            lineage._add(view, chain, attempts, is_whole=is_whole)
        return lineage

    def seams(self, view: int, label: str) -> list[int]:
        """The steps at which a run's series of a label goes on from what was before."""
        # A run that was deleted meanwhile has none.
        found = {step for whose, step in self._seams.get(view, ()) if whose in (None, label)}
        return sorted(found)

    @property
    def params(self) -> dict[str, str] | None:
        """What `shown` takes; None: every run shows all that it has, and nothing else."""
        if self._is_plain:
            return None
        parts = self._parts
        return {
            "views": ints_param([part.view for part in parts]),
            "sources": ints_param([part.source for part in parts]),
            "writers": texts_param([part.writer for part in parts]),
            "ends": ints_param([part.end_step for part in parts]),
            "labels": texts_param([part.label for part in parts]),
            "eras": ints_param([part.era for part in parts]),
        }

    def _add(
        self, view: int, chain: Sequence[_Run], attempts: dict[int, Attempts], *, is_whole: bool
    ) -> None:
        era = 0
        self._is_plain &= len(chain) == 1
        # Each but the last is a fork, all of which begins where its parent ends.
        seams: list[tuple[str | None, int]] = [(None, run.end_step) for run in chain[1:]]
        self._seams[view] = seams
        for number, run in reversed(list(enumerate(chain))):
            before = era
            left = attempts[run.number]
            if number > 0:  # as it was when it was forked, whatever became of it since
                left = left.as_forked(attempts[chain[number - 1].number].known)
            for one in left.all:
                row = one.row
                part = _Part(
                    view=view,
                    source=run.number,
                    writer=row.writer,
                    end_step=min(one.end_step, run.end_step),
                    label=row.label,
                    era=before + row.generation,
                )
                era = max(era, part.era + 1)
                if row.resumed and row.start_step < part.end_step:
                    seams.append((row.label, row.start_step))
                self._parts.append(part)
                self._is_plain &= not one.is_masked
                if is_whole and one.is_masked:
                    label = f"{row.label}#{row.generation}"
                    self._parts.append(
                        _Part(view, run.number, row.writer, run.end_step, label, part.era)
                    )


@dataclass(frozen=True)
class _Run:
    number: int
    run: str
    parent: str
    created: int
    end_step: int


async def _chains(connection: AsyncConnection, runs: Sequence[int]) -> dict[int, list[_Run]]:
    """Of each run itself and those that it goes back to, with the first step that is not its own.

    One that is not there, or not yet, ends a chain.
    """
    columns = (RUNS.c.id, RUNS.c.project_id, RUNS.c.run, RUNS.c.created)
    query = sa.select(*columns, RUNS.c.forked_run, RUNS.c.forked_step)
    end = (1 << 63) - 1
    chains: dict[int, list[_Run]] = {}
    # Of each chain: the project, the run and the step to look for next.
    open_ends: dict[int, tuple[int, str, int]] = {}
    for row in await connection.execute(query.where(RUNS.c.id.in_(runs))):
        chains[row.id] = [_Run(row.id, row.run, row.forked_run, row.created, end)]
        if row.forked_run:
            open_ends[row.id] = (row.project_id, row.forked_run, row.forked_step + 1)
    for _ in range(_MAX_DEPTH):
        if not open_ends:
            break
        names = {(project, run) for project, run, _ in open_ends.values()}
        wanted = sa.tuple_(RUNS.c.project_id, RUNS.c.run).in_(names)
        rows = list(await connection.execute(query.where(wanted)))
        parents = {(row.project_id, row.run): row for row in rows}
        following: dict[int, tuple[int, str, int]] = {}
        for view, (project, run, end_step) in open_ends.items():
            parent = parents.get((project, run))
            if parent is None or parent.id in {one.number for one in chains[view]}:
                continue
            chains[view].append(
                _Run(parent.id, parent.run, parent.forked_run, parent.created, end_step)
            )
            if parent.forked_run:
                further = min(end_step, parent.forked_step + 1)
                following[view] = (project, parent.forked_run, further)
        open_ends = following
    return chains
