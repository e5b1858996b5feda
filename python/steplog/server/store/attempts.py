"""The attempts of a run: what later ones have left of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog._states import BAD
from steplog.server._decode import attempt_parts
from steplog.server.store.tables import WRITERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy.ext.asyncio import AsyncConnection

_END = (1 << 63) - 1


@dataclass(frozen=True)
class Attempt:
    """A writer, and what is left of it.

    Attributes:
        row: The writer.
        end_step: Its first step that a later attempt masks; the greatest int64 when none does.
        is_summed: Its summary counts.
    """

    row: sa.Row[tuple[Any, ...]]
    end_step: int
    is_summed: bool

    @property
    def next_step(self) -> int:
        """The first step that is free behind what is left of it."""
        return int(min(max(self.row.last_step + 1, self.row.start_step), self.end_step))

    @property
    def is_masked(self) -> bool:
        """Whether it has rows that a later attempt masks."""
        return bool(self.row.last_step >= self.end_step)

    def answer(self) -> dict[str, object]:
        """What the API says of a writer."""
        row = self.row
        return {
            "writer": row.writer,
            "label": row.label,
            "generation": row.generation,
            "acknowledged": row.acknowledged,
            "is_whole": bool(row.closed) or row.exit_code is not None,
            "resumed": row.resumed,
            "started": row.first_wall / 1e9,
            "start_step": row.start_step,
            "next_step": self.next_step,
            "end_step": None if self.end_step == _END else self.end_step,
        }


@dataclass(frozen=True)
class Attempts:
    """A run's writers, in the order in which they came."""

    all: Sequence[Attempt]

    @classmethod
    async def of(cls, connection: AsyncConnection, run_id: int) -> Attempts:
        """Those of a run, with what their summaries have come to."""
        columns = [column for column in WRITERS.c if column is not WRITERS.c.console]
        return (await cls._read(connection, [run_id], columns))[run_id]

    @classmethod
    async def of_runs(
        cls, connection: AsyncConnection, run_ids: Sequence[int]
    ) -> dict[int, Attempts]:
        """Those of some runs, by number; every chart asks, so without their summaries."""
        left_out = {"summary", "console"}
        columns = [column for column in WRITERS.c if column.name not in left_out]
        return await cls._read(connection, run_ids, columns)

    @classmethod
    async def _read(
        cls,
        connection: AsyncConnection,
        run_ids: Sequence[int],
        columns: Iterable[sa.Column[Any]],
    ) -> dict[int, Attempts]:
        query = sa.select(*columns).where(WRITERS.c.run_id.in_(run_ids)).order_by(WRITERS.c.id)
        found: dict[int, list[sa.Row[tuple[Any, ...]]]] = {run_id: [] for run_id in run_ids}
        for row in await connection.execute(query):
            found[row.run_id].append(row)
        return {run_id: cls(_left(rows)) for run_id, rows in found.items()}

    @property
    def known(self) -> frozenset[str]:
        """Of a fork, the writers of its parent that it goes on from, as its first writer says."""
        own = (one.row.follows for one in self.all if one.row.follows and not one.row.resumed)
        return frozenset(next(own, ()))

    def as_forked(self, known: AbstractSet[str]) -> Attempts:
        """What a fork that knows these writers takes over: nothing that went on from them later.

        Writers that it did not know and that follow none it knew, as of another machine, count.
        """
        rows = [one.row for one in self.all]
        return Attempts(
            _left([row for row in rows if row.writer in known or known.isdisjoint(row.follows)])
        )

    @property
    def last_step(self) -> int:
        """The greatest step of a row that counts, -1 without rows."""
        return max(
            (min(one.row.last_step, one.end_step - 1) for one in self.all),
            default=-1,
        )

    @property
    def first_bad(self) -> dict[str, object] | None:
        """The writer with which it went wrong, if it did: of those that decide the first to end."""
        bad = [one for one in deciding([one.row for one in self.all]) if one.state in BAD]
        first = min(bad, key=lambda row: row.last_wall, default=None)
        return first and {
            "writer": first.writer,
            "label": first.label,
            "state": first.state,
            "exit_code": first.exit_code,
            "updated": first.last_wall / 1e9,
        }

    def summary_states(self, *, without: str | None = None) -> list[tuple[str, bytes]]:
        """What those have come to that count, each with its label; one label can be left out."""
        return [
            (one.row.label, one.row.summary)
            for one in self.all
            if one.is_summed and one.row.summary and one.row.label != without
        ]


def newest_of(rows: Sequence[sa.Row[tuple[Any, ...]]]) -> list[sa.Row[tuple[Any, ...]]]:
    """Of the writers of each label the newest: a resumed attempt replaces what died."""
    ordered = sorted(rows, key=lambda row: (row.generation, row.id))
    return list({row.label: row for row in ordered}.values())


def deciding(rows: Sequence[sa.Row[tuple[Any, ...]]]) -> list[sa.Row[tuple[Any, ...]]]:
    """Those whose end is the run's.

    Children do not decide: how they ended is their parent's affair. Nor does one that was over
    before another began, by their clocks: that one was started anew.
    """
    known = {row.writer for row in rows}
    adults = [row for row in newest_of(rows) if row.parent not in known]
    last_start = max((row.first_wall for row in adults), default=0)
    return [row for row in adults if row.last_wall >= last_start]


def _left(rows: Sequence[sa.Row[tuple[Any, ...]]]) -> list[Attempt]:
    parts = attempt_parts(
        [(row.label, row.generation, row.resumed, row.start_step) for row in rows]
    )
    return [
        Attempt(row, _END if end_step is None else end_step, is_summed)
        for row, (end_step, is_summed) in zip(rows, parts, strict=True)
    ]
