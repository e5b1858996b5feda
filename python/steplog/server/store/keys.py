"""The keys of runs in the metadata store: what was logged under each, and which are hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog.server.schema import kind_names
from steplog.server.store.tables import KEYS, RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.meta import MetaStore


class KeyRecords:
    """Reads the keys of runs."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def count(self, run_id: int) -> int:
        """How many keys a run has logged."""
        query = (
            sa.select(sa.func.count())
            .select_from(KEYS)
            .where(KEYS.c.run_id == run_id, KEYS.c.key != "")
        )
        async with self._meta.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def of_runs(self, run_ids: Sequence[int]) -> list[dict[str, object]]:
        """The keys that runs have logged, by name; `hidden` is what every run of a key says."""
        query = sa.select(KEYS).where(KEYS.c.run_id.in_(run_ids), KEYS.c.key != "")
        metrics = sa.select(RUNS.c.id, RUNS.c.metrics).where(RUNS.c.id.in_(run_ids))
        found: dict[str, list[int]] = {}
        shown: set[str] = set()
        async with self._meta.read() as connection:
            definitions = {
                row.id: _Hidden(row.metrics) for row in await connection.execute(metrics)
            }
            for row in await connection.execute(query):
                sums = found.setdefault(row.key, [0, 0, 0, -1])
                sums[0] |= row.kinds
                sums[1] += 1
                sums[2] += row.n
                sums[3] = max(sums[3], row.last_step)
                if row.run_id not in definitions or row.key not in definitions[row.run_id]:
                    shown.add(row.key)
        return [
            {
                "name": key,
                "kinds": kind_names(kinds),
                "n_runs": runs,
                "n": points,
                "last_step": last,
                "hidden": key not in shown,
            }
            for key, (kinds, runs, points, last) in sorted(found.items())
        ]


class _Hidden:
    """The keys that a run's metrics hide: as in the Rust core, the most exact definition counts."""

    def __init__(self, metrics: Sequence[dict[str, Any]]) -> None:
        any_hidden = any(metric["hidden"] for metric in metrics)
        self._own = {metric["name"]: metric["hidden"] for metric in metrics} if any_hidden else {}
        self._globs = sorted((name for name in self._own if name.endswith("*")), key=len)

    def __contains__(self, key: str) -> bool:
        if key in self._own:
            return bool(self._own[key])
        if key.startswith("_"):
            return False
        for glob in reversed(self._globs):
            if key.startswith(glob[:-1]):
                return bool(self._own[glob])
        return False
