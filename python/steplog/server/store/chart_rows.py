"""Reads what a chart is drawn from: points as they are, or buckets of them, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steplog.server.store import chart_sql as sql
from steplog.server.store.engine import ints_param

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

_MAX_BUCKET = 2**31 - 1  # what a column holds; only buckets beside the range may be farther away
_SIDES = ("before", "behind")


@dataclass(frozen=True)
class Rows:
    """Rows in order of x within each series: the hash of each one's series, and the columns."""

    series: NDArray[np.uint64]
    columns: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ChartRows:
    """The statements of `chart_sql` with these words filled in and these parameters."""

    store: SeriesStore
    words: Mapping[str, str]
    params: Mapping[str, int | str]

    async def points(self, *, is_beside: bool) -> Rows:
        """All points of the range; `is_beside`: and the nearest on each side of it."""
        found = await self._read(sql.RAW)
        inside = Rows(found.uints("h"), {"x": found.floats("at"), "y": found.floats("y")})
        if not is_beside:
            return inside
        beside = await self._read(sql.BESIDE)
        before, behind = (_points_beside(beside, side) for side in _SIDES)
        return _joined([before, inside, behind])

    async def buckets(self, mode: str, *, is_beside: bool) -> Rows:
        """All buckets of the range; `is_beside`: and each series' nearest on each side of it.

        `mode` is that of the panel: `bucket`, `group` or `devices`.
        """
        rows = await self._buckets(mode, self.params, self.words["in_range"])
        if is_beside:
            rows = _joined([rows, await self._buckets_beside(mode)])
            order = np.argsort(rows.columns["b"], kind="stable")
            rows = Rows(
                rows.series[order], {n: column[order] for n, column in rows.columns.items()}
            )
        far = rows.columns["b"]
        rows.columns["b"] = np.clip(far, -_MAX_BUCKET, _MAX_BUCKET).astype(np.int32)
        return rows

    async def _buckets_beside(self, mode: str) -> Rows:
        near = await self._read(sql.NEAR)
        wanted: set[tuple[int, int]] = set()
        for side in _SIDES:
            is_there = near.uints(f"is_{side}") > 0
            buckets = near.ints(f"{side}_b")[is_there].tolist()
            wanted.update(zip(near.uints("h")[is_there].tolist(), buckets, strict=True))
        params = {**self.params, "near": ints_param(sorted({bucket for _, bucket in wanted}))}
        rows = await self._buckets(mode, params, sql.IN_NEAR.format(**self.words))
        first = int(self.params["b0"])
        found = zip(rows.series.tolist(), rows.columns["b"].tolist(), strict=True)
        is_wanted = np.array([(series, b + first) in wanted for series, b in found], np.bool_)
        return Rows(
            rows.series[is_wanted],
            {name: column[is_wanted] for name, column in rows.columns.items()},
        )

    async def _buckets(self, mode: str, params: Mapping[str, int | str], where: str) -> Rows:
        is_grouped = mode == "group"
        statement, columns_of = _KINDS[mode]
        words = {**self.words, "in_range": where}
        found = await self.store.read(statement.format(**words, **sql.AS_IS), **params)
        columns = columns_of(found)
        center, low, high, n = (
            ("gcenter", "glo", "ghi", "gn") if is_grouped else ("mean", "min", "max", "n")
        )
        if not np.isfinite(columns[center][columns[n] > 0]).all():
            found = await self.store.read(statement.format(**words, **sql.SCALED), **params)
            columns = columns_of(found)
            columns[center] = np.clip(columns[center] * sql.SCALE, columns[low], columns[high])
        return Rows(found.uints("h"), columns)

    async def _read(self, statement: str) -> Columns:
        return await self.store.read(statement.format(**self.words), **self.params)


def _points_beside(beside: Columns, side: str) -> Rows:
    is_there = beside.uints(f"is_{side}") > 0
    columns = {name: beside.floats(f"{side}_{name}")[is_there] for name in ("x", "y")}
    return Rows(beside.uints("h")[is_there], columns)


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(
        np.concatenate([part.series for part in parts]),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
    )


def _group_columns(found: Columns) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {"b": found.ints("b"), "x": found.floats("at")}
    writers = found.uints("writers").astype(np.uint32)
    for name, source in (("gcenter", "center"), ("glo", "low"), ("ghi", "high")):
        columns[name] = np.where(writers > 0, found.floats(source), np.nan)
    return {**columns, "gn": writers, "fl": found.uints("fl").astype(np.uint8)}


def _bucket_columns(found: Columns) -> dict[str, NDArray[Any]]:
    ends = ("first", "first"), ("min", "low"), ("max", "high"), ("last", "last")
    return {**_figures(found, ends), "ff": found.uints("ff").astype(np.uint8)}


def _cell_columns(found: Columns) -> dict[str, NDArray[Any]]:
    return _figures(found, (("min", "low"), ("max", "high")))


def _figures(found: Columns, of_values: Iterable[tuple[str, str]]) -> dict[str, NDArray[Any]]:
    """The bucket, some of its finite values by name and source, and what it has beside them."""
    n = found.uints("n").astype(np.uint32)
    values = {name: np.where(n > 0, found.floats(source), np.nan) for name, source in of_values}
    return {
        "b": found.ints("b"),
        **values,
        "mean": found.floats("mean"),
        "n": n,
        "fl": found.uints("fl").astype(np.uint8),
    }


_KINDS = {
    "bucket": (sql.BUCKETS, _bucket_columns),
    "group": (sql.GROUPS, _group_columns),
    "devices": (sql.CELLS, _cell_columns),
}
"""By the mode of a panel: the statement, and how its columns are read."""
