"""Projects and runs in the metadata store, as they are read, renamed and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog._states import LIVE
from steplog.server.store.artifact_deletes import forget_logged
from steplog.server.store.attempts import Attempts
from steplog.server.store.blob_records import hashes_of, loosen
from steplog.server.store.exact import unpack_tree
from steplog.server.store.lineage import Lineage
from steplog.server.store.tables import (
    DELETED,
    DELETED_WRITERS,
    KEYS,
    PROJECTS,
    RUNS,
    VALUES,
    WRITERS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.meta import MetaStore

_COLUMNS = {
    "name": RUNS.c.name,
    "state": RUNS.c.state,
    "created": RUNS.c.created,
    "updated": RUNS.c.updated,
    "duration": RUNS.c.updated - RUNS.c.created,
    "group": RUNS.c.group_name,
    "job_type": RUNS.c.job_type,
    "notes": RUNS.c.notes,
    "tags": sa.cast(RUNS.c.tags, sa.Text),
    "id": RUNS.c.run,
}
COLUMN_NAMES = frozenset(_COLUMNS)
_NANOS = 1e9


@dataclass(frozen=True)
class Sort:
    """One sort key: a column's name, or a `config` or `summary` key."""

    name: str
    section: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Search:
    """A text in the name or id of a run."""

    text: str
    mode: str


@dataclass(frozen=True)
class Stored:
    """A run as the series store knows it.

    Attributes:
        number: Its number.
        created: Its start, nanoseconds.
        is_running: One of its writers may go on.
        is_rewritten: A label has had several writers, so that a step may be there more than once.
    """

    number: int
    created: int
    is_running: bool
    is_rewritten: bool


def run_value(row: sa.Row[tuple[object, ...]], name: str) -> object:
    """A column of a run as the API gives it."""
    values = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    if name in {"created", "updated"}:
        return values[name] / _NANOS
    if name == "duration":
        return max(0, values["updated"] - values["created"]) / _NANOS
    if name == "group":
        return values["group_name"]
    return values["run" if name == "id" else name]


class RunRecords:
    """Reads and changes runs."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def projects(self) -> list[dict[str, object]]:
        """Every project with its run counts, newest activity first."""
        query = (
            sa.select(
                PROJECTS.c.entity,
                PROJECTS.c.project,
                RUNS.c.state,
                sa.func.count().label("n"),
                sa.func.max(RUNS.c.updated).label("updated"),
            )
            .join(RUNS, RUNS.c.project_id == PROJECTS.c.id)
            .group_by(PROJECTS.c.id, RUNS.c.state)
        )
        found: dict[tuple[str, str], dict[str, int]] = {}
        last: dict[tuple[str, str], float] = {}
        async with self._meta.read() as connection:
            for row in await connection.execute(query):
                name = (row.entity, row.project)
                found.setdefault(name, {})[row.state] = row.n
                last[name] = max(last.get(name, 0.0), row.updated / _NANOS)
        return [
            {
                "entity": entity,
                "project": project,
                "runs": sum(found[entity, project].values()),
                "states": found[entity, project],
                "last_activity": last[entity, project],
            }
            for entity, project in sorted(found, key=lambda name: -last[name])
        ]

    async def find(self, entity: str, project: str, run: str) -> sa.Row[tuple[object, ...]] | None:
        """A run's row."""
        query = (
            sa.select(RUNS, PROJECTS.c.entity, PROJECTS.c.project)
            .join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id)
            .where(PROJECTS.c.entity == entity, PROJECTS.c.project == project, RUNS.c.run == run)
        )
        async with self._meta.read() as connection:
            return (await connection.execute(query)).one_or_none()

    async def stored(self, entity: str, project: str, runs: Sequence[str]) -> dict[str, Stored]:
        """What the series store needs to know of a project's runs, by their ids."""
        again = (
            sa.select(WRITERS.c.label)
            .where(WRITERS.c.run_id == RUNS.c.id)
            .group_by(WRITERS.c.label)
            .having(sa.func.count() > 1)
        )
        query = (
            sa.select(
                RUNS.c.run,
                RUNS.c.id,
                RUNS.c.created,
                RUNS.c.state,
                again.exists().label("is_rewritten"),
            )
            .join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id)
            .where(PROJECTS.c.entity == entity, PROJECTS.c.project == project)
            .where(RUNS.c.run.in_(runs))
        )
        async with self._meta.read() as connection:
            rows = await connection.execute(query)
            return {
                row.run: Stored(row.id, row.created, row.state in LIVE, bool(row.is_rewritten))
                for row in rows
            }

    async def lineage(self, run_ids: Sequence[int], *, is_whole: bool = False) -> Lineage:
        """What runs show."""
        async with self._meta.read() as connection:
            return await Lineage.of(connection, run_ids, is_whole=is_whole)

    async def attempts(self, run_id: int) -> Attempts:
        """A run's writers."""
        async with self._meta.read() as connection:
            return await Attempts.of(connection, run_id)

    async def query(
        self,
        entity: str,
        project: str,
        *,
        sort: Sequence[Sort],
        search: Search | None,
        limit: int,
        offset: int,
    ) -> tuple[int, int, list[sa.Row[tuple[object, ...]]]]:
        """A page of a project's runs.

        Returns:
            The number of runs, the number that match, and the rows of the page.
        """
        mine = sa.and_(PROJECTS.c.entity == entity, PROJECTS.c.project == project)
        base = sa.select(RUNS).join(PROJECTS, PROJECTS.c.id == RUNS.c.project_id).where(mine)
        matching = base if search is None else base.where(_matches(search))
        page = matching
        for number, one in enumerate(sort):
            if one.section:
                value = VALUES.alias(f"sort_{number}")
                page = page.outerjoin(
                    value,
                    sa.and_(
                        value.c.run_id == RUNS.c.id,
                        value.c.section == one.section,
                        value.c.key == one.name,
                    ),
                )
                # Numbers before texts, NaN behind both, missing last, whatever the direction.
                rank = sa.case((value.c.kind.is_(None), 3), else_=value.c.kind)
                orders = [rank.asc(), _ordered(value.c.number, one), _ordered(value.c.text, one)]
            else:
                orders = [_ordered(_COLUMNS[one.name], one)]
            page = page.order_by(*orders)
        page = page.order_by(RUNS.c.created.desc(), RUNS.c.run).limit(limit).offset(offset)
        count = sa.func.count()
        async with self._meta.read() as connection:
            total = await connection.scalar(sa.select(count).select_from(base.subquery()))
            matched = await connection.scalar(sa.select(count).select_from(matching.subquery()))
            rows = list(await connection.execute(page))
        return int(total or 0), int(matched or 0), rows

    async def change(self, run_id: int, values: dict[str, object]) -> None:
        """Change a run's name, notes or tags."""
        async with self._meta.write() as connection:
            await connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**values))

    async def delete(self, run_id: int, *, artifacts: bool = False) -> None:
        """Remove a run; its points are marked for removal, its writers remembered.

        Artifacts that it alone has logged go along where they are no versions, or are asked to.
        """
        writers = (
            sa.select(RUNS.c.project_id, RUNS.c.run, WRITERS.c.writer)
            .join(WRITERS, WRITERS.c.run_id == RUNS.c.id)
            .where(RUNS.c.id == run_id)
        )
        async with self._meta.write() as connection:
            await connection.execute(
                sa.insert(DELETED_WRITERS).from_select(["project_id", "run", "writer"], writers)
            )
            await loosen(self._meta, connection, (await hashes_of(connection, run_id)).values())
            await forget_logged(self._meta, connection, run_id, is_all=artifacts)
            for table in (KEYS, VALUES, WRITERS):
                await connection.execute(sa.delete(table).where(table.c.run_id == run_id))
            await connection.execute(sa.delete(RUNS).where(RUNS.c.id == run_id))
            await connection.execute(sa.insert(DELETED).values(run_id=run_id))


def _ordered(column: sa.ColumnElement[object], one: Sort) -> sa.ColumnElement[object]:
    return (column.desc() if one.descending else column.asc()).nulls_last()


def _matches(search: Search) -> sa.ColumnElement[bool]:
    if search.mode == "exact":
        return sa.or_(RUNS.c.name == search.text, RUNS.c.run == search.text)
    if search.mode == "regex":
        return sa.or_(RUNS.c.name.regexp_match(search.text), RUNS.c.run.regexp_match(search.text))
    pattern = "%".join(
        char.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") for char in search.text
    )
    pattern = f"%{pattern}%"
    return sa.or_(RUNS.c.name.ilike(pattern, escape="\\"), RUNS.c.run.ilike(pattern, escape="\\"))


def config_of(row: sa.Row[tuple[object, ...]]) -> dict[str, object]:
    """A run's config."""
    return unpack_tree(row._mapping["config"])  # noqa: SLF001  # SQLAlchemy's documented name


def summary_of(row: sa.Row[tuple[object, ...]]) -> dict[str, object]:
    """A run's summary."""
    return unpack_tree(row._mapping["summary"])  # noqa: SLF001  # SQLAlchemy's documented name
