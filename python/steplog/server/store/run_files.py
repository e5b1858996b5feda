"""The files of runs, as the metadata store has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog.server.store.tables import FILES, WRITERS

if TYPE_CHECKING:
    from steplog.server.store.meta import MetaStore


@dataclass(frozen=True)
class RunFile:
    """A file of a run, without its content.

    Attributes:
        name: Its path.
        size_bytes: How long it is.
        wall_nanos: When it was logged.
        writer: Whose it is.
        label: The writer's label.
    """

    name: str
    size_bytes: int
    wall_nanos: int
    writer: str
    label: str

    def answer(self) -> dict[str, object]:
        """As the API has it."""
        return {
            "name": self.name,
            "size": self.size_bytes,
            "logged": self.wall_nanos / 1e9,
            "writer": self.writer,
            "label": self.label,
        }


class RunFiles:
    """Reads the files of runs."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def of_run(self, run_id: int) -> list[RunFile]:
        """All of them, by name; of one name the latest first."""
        columns = (FILES.c.name, sa.func.length(FILES.c.content), FILES.c.wall, FILES.c.writer)
        is_its = sa.and_(WRITERS.c.run_id == FILES.c.run_id, WRITERS.c.writer == FILES.c.writer)
        statement = (
            sa.select(*columns, WRITERS.c.label)
            .join(WRITERS, is_its)
            .where(FILES.c.run_id == run_id)
            .order_by(FILES.c.name, FILES.c.wall.desc(), FILES.c.writer)
        )
        async with self._meta.read() as connection:
            return [RunFile(*row) for row in await connection.execute(statement)]

    async def content(self, run_id: int, name: str, writer: str | None) -> bytes | None:
        """What the latest file of a name holds, or that of a writer; None where there is none."""
        statement = (
            sa.select(FILES.c.content)
            .where(FILES.c.run_id == run_id, FILES.c.name == name)
            .order_by(FILES.c.wall.desc(), FILES.c.writer)
            .limit(1)
        )
        if writer is not None:
            statement = statement.where(FILES.c.writer == writer)
        async with self._meta.read() as connection:
            found = (await connection.execute(statement)).scalar_one_or_none()
        return None if found is None else bytes(found)
