"""Uses and links that logs ask for: done once the artifact that they name is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.schema import Problem
from steplog.server.store.artifact_names import named
from steplog.server.store.artifact_tables import REQUESTS, USES
from steplog.server.store.artifact_versions import link

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.artifact_names import Row
    from steplog.server.store.meta import MetaStore


async def grant(
    connection: AsyncConnection, meta: MetaStore, which: sa.ColumnElement[bool]
) -> None:
    """Do those that wait and can be done now."""
    waiting = (
        sa.select(REQUESTS)
        .where(which, REQUESTS.c.state == "waiting")
        .order_by(REQUESTS.c.wall, REQUESTS.c.key)
    )
    for request in list(await connection.execute(waiting)):
        artifact = await named(connection, request.artifact)
        if artifact is None:
            continue
        if request.op == "use":
            await _use(connection, meta, request, artifact=artifact)
        elif artifact.state != "pending":
            await _link(connection, meta, request, artifact=artifact)


async def _use(
    connection: AsyncConnection, meta: MetaStore, request: Row, *, artifact: Row
) -> None:
    use: dict[str, object] = {
        "run_id": request.run_id,
        "artifact_id": artifact.id,
        "how": "used",
        "use_as": request.use_as,
        "wall": request.wall,
    }
    # Of several the same words count, in whatever order they come.
    await meta.upsert(connection, USES, [use], least=["wall"], greatest=["use_as"])
    await _settle(connection, request, state="done")


async def _link(
    connection: AsyncConnection, meta: MetaStore, request: Row, *, artifact: Row
) -> None:
    if artifact.state != "committed":
        reason = f"the artifact is {artifact.state}: {artifact.reason}".removesuffix(": ")
        await _settle(connection, request, state="failed", reason=reason)
        return
    entity, project, name = request.target.split("/")
    try:
        await link(
            *(meta, connection, artifact),
            where=(entity, project, name),
            aliases=request.aliases,
            logged=request.wall,
        )
    except Problem as problem:
        await _settle(connection, request, state="failed", reason=problem.detail)
    else:
        await _settle(connection, request, state="done")


async def _settle(
    connection: AsyncConnection, request: Row, *, state: str, reason: str = ""
) -> None:
    is_it = sa.and_(REQUESTS.c.run_id == request.run_id, REQUESTS.c.key == request.key)
    await connection.execute(sa.update(REQUESTS).where(is_it).values(state=state, reason=reason))


__all__ = ["grant"]
