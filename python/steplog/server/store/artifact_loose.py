"""What artifacts name of contents, and when they name it no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.artifact_tables import ARTIFACTS, ENTRIES
from steplog.server.store.blob_records import loosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore


async def forget_entries(
    meta: MetaStore, connection: AsyncConnection, numbers: Sequence[int]
) -> None:
    """Artifacts name nothing any more; what they named goes unless others name it."""
    are_theirs = ENTRIES.c.artifact_id.in_(numbers)
    contents = sa.select(ENTRIES.c.sha256).where(are_theirs, ENTRIES.c.sha256 != "").distinct()
    manifests = sa.select(ARTIFACTS.c.manifest).where(
        ARTIFACTS.c.id.in_(numbers), ARTIFACTS.c.manifest != ""
    )
    hashes = {*await connection.scalars(contents), *await connection.scalars(manifests)}
    await connection.execute(sa.delete(ENTRIES).where(are_theirs))
    await connection.execute(
        sa.update(ARTIFACTS).where(ARTIFACTS.c.id.in_(numbers)).values(manifest="")
    )
    await loosen(meta, connection, hashes)


__all__ = ["forget_entries"]
