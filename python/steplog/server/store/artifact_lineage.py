"""Which artifacts came of which runs, and of which artifacts these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.artifact_answers import IS_OWN, RUN_COLUMNS, VERSIONS, answers, run_answer
from steplog.server.store.artifact_tables import ARTIFACTS, USES
from steplog.server.store.tables import PROJECTS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row
    from steplog.server.store.meta import MetaStore

MAX_NODES = 500
_MOST_USES = 20 * MAX_NODES
"""Looked at in one step: thousands of runs may have used a version."""

_Node = tuple[str, int]
"""A kind, `artifact` or `run`, and a number."""


class ArtifactLineage:
    """Reads what artifacts and runs have to do with each other."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def of(self, artifact_id: int, depth: int) -> dict[str, object]:
        """All that is at most that many steps away from an artifact, the nearest first."""
        start: _Node = ("artifact", artifact_id)
        nodes: dict[_Node, None] = {start: None}
        uses: dict[tuple[int, int, str], None] = {}
        is_cut = False
        async with self._meta.read() as connection:
            edge = [start]
            for _ in range(depth):
                found = await _around(connection, edge)
                is_cut |= len(found) == _MOST_USES
                edge = []
                for row in found:
                    ends = (("artifact", row.artifact_id), ("run", row.run_id))
                    new = [node for node in ends if node not in nodes]
                    if len(nodes) + len(new) > MAX_NODES:
                        is_cut = True
                        continue
                    nodes.update(dict.fromkeys(new))
                    edge += new
                    uses[row.run_id, row.artifact_id, row.how] = None
            said = await _said(connection, nodes)
        return {
            "nodes": [said[node] for node in nodes if node in said],
            "edges": [_edge(said, use) for use in uses if _is_said(said, use)],
            "truncated": {"shown": len(nodes), "reason": f"at most {MAX_NODES}"}
            if is_cut
            else None,
        }


async def _around(connection: AsyncConnection, nodes: Iterable[_Node]) -> list[Row]:
    artifacts = [number for kind, number in nodes if kind == "artifact"]
    runs = [number for kind, number in nodes if kind == "run"]
    query = (
        sa.select(USES.c.run_id, USES.c.artifact_id, USES.c.how)
        .join(ARTIFACTS, ARTIFACTS.c.id == USES.c.artifact_id)
        .where(sa.or_(USES.c.artifact_id.in_(artifacts), USES.c.run_id.in_(runs)))
        .where(ARTIFACTS.c.state != "deleted")
        .order_by(USES.c.wall, USES.c.artifact_id, USES.c.run_id)
        .limit(_MOST_USES)
    )
    return list(await connection.execute(query))


async def _said(
    connection: AsyncConnection, nodes: Iterable[_Node]
) -> dict[_Node, dict[str, object]]:
    listed = list(nodes)
    artifacts = [number for kind, number in listed if kind == "artifact"]
    runs = [number for kind, number in listed if kind == "run"]
    rows = list(await connection.execute(VERSIONS.where(ARTIFACTS.c.id.in_(artifacts), IS_OWN)))
    said: dict[_Node, dict[str, object]] = {
        ("artifact", row.id): {"kind": "artifact", "key": f"artifact/{row.key}", **one}
        for row, one in zip(rows, await answers(connection, rows), strict=True)
    }
    query = (
        sa.select(RUNS.c.id, RUNS.c.state, RUNS.c.job_type, RUNS.c.created, *RUN_COLUMNS)
        .join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id)
        .where(RUNS.c.id.in_(runs))
    )
    for row in await connection.execute(query):
        said["run", row.id] = {
            "kind": "run",
            "key": f"run/{row.entity}/{row.project}/{row.run}",
            **run_answer(row),
            "state": row.state,
            "job_type": row.job_type,
            "created": row.created / 1e9,
        }
    return said


def _is_said(said: dict[_Node, dict[str, object]], use: tuple[int, int, str]) -> bool:
    """Whether neither end was deleted meanwhile."""
    run, artifact, _ = use
    return ("run", run) in said and ("artifact", artifact) in said


def _edge(said: dict[_Node, dict[str, object]], use: tuple[int, int, str]) -> dict[str, object]:
    run, artifact, how = use
    ends = (said["run", run]["key"], said["artifact", artifact]["key"])
    source, target = ends if how == "logged" else ends[::-1]
    return {"from": source, "to": target, "how": how}


__all__ = ["MAX_NODES", "ArtifactLineage"]
