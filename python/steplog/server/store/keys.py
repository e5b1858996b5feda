"""The keys of runs in the metadata store: what was logged under each, and which are hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog.server.schema import kind_names
from steplog.server.store.tables import KEYS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steplog.server.store.meta import MetaStore


class KeyRecords:
    """Reads the keys of runs."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def count(self, sources: Sequence[int]) -> int:
        """How many keys runs have logged that one shows something of."""
        query = sa.select(sa.func.count(KEYS.c.key.distinct())).where(
            KEYS.c.run_id.in_(sources), KEYS.c.key != ""
        )
        async with self._meta.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def kinds(self, runs: Iterable[int]) -> dict[str, int]:
        """The keys of runs by their numbers, each with the bits of the kinds that it has."""
        query = sa.select(KEYS.c.key, KEYS.c.kinds).where(
            KEYS.c.run_id.in_(set(runs)), KEYS.c.key != ""
        )
        found: dict[str, int] = {}
        async with self._meta.read() as connection:
            for key, kinds in await connection.execute(query):
                found[key] = found.get(key, 0) | kinds
        return found

    async def of_runs(self, sources: Mapping[int, Sequence[int]]) -> list[dict[str, object]]:
        """The keys of runs, by name; `hidden` is what every run of a key says.

        `sources` has of each run those that it shows something of: itself, and of a fork all that
        it goes back to, whose keys count in whole.
        """
        views: dict[int, list[int]] = {}
        for view, those in sources.items():
            for source in those:
                views.setdefault(source, []).append(view)
        query = sa.select(KEYS).where(KEYS.c.run_id.in_(views), KEYS.c.key != "")
        metrics = sa.select(RUNS.c.id, RUNS.c.metrics).where(RUNS.c.id.in_(sources))
        found: dict[str, list[int]] = {}
        having: dict[str, set[int]] = {}
        shown: set[str] = set()
        async with self._meta.read() as connection:
            definitions = {
                row.id: _Hidden(row.metrics) for row in await connection.execute(metrics)
            }
            for row in await connection.execute(query):
                sums = found.setdefault(row.key, [0, 0, -1])
                sums[0] |= row.kinds
                sums[1] += row.n * len(views[row.run_id])
                sums[2] = max(sums[2], row.last_step)
                having.setdefault(row.key, set()).update(views[row.run_id])
                for view in views[row.run_id]:
                    if view not in definitions or row.key not in definitions[view]:
                        shown.add(row.key)
        return [
            {
                "name": key,
                "kinds": kind_names(kinds),
                "n_runs": len(having[key]),
                "n": points,
                "last_step": last,
                "hidden": key not in shown,
            }
            for key, (kinds, points, last) in sorted(found.items())
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
