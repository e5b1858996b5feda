"""What logs say of artifacts, taken in the transaction of its batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from steplog.server.schema import Code, Problem
from steplog.server.store import artifact_rules as rules
from steplog.server.store.artifact_requests import grant
from steplog.server.store.artifact_tables import ARTIFACTS, COLLECTIONS, REQUESTS, USES
from steplog.server.store.artifact_versions import other_type
from steplog.server.store.exact import pack
from steplog.server.store.tables import RUNS, WRITERS
from steplog.server.store.writers import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.meta import MetaStore

_MOST_SHOWN = 500
"""Characters of a wrong value that are kept."""


@dataclass(frozen=True)
class Said:
    """Records of artifacts, each with its wall clock in nanoseconds, and whose they are."""

    run_id: int
    project_id: int
    writer: str
    now_nanos: int
    records: Sequence[tuple[int, Mapping[str, object]]]


class When(NamedTuple):
    """When a record was written: by its own clock, and in the order of all."""

    wall: int
    logged: int


async def take(meta: MetaStore, connection: AsyncConnection, said: Said) -> None:
    """Keep what a batch says of artifacts; what is there already is left as it is.

    What cannot be taken is a failed artifact, or a refused request of its run, with the reason.
    """
    if not said.records:
        return
    is_writer = sa.and_(WRITERS.c.run_id == said.run_id, WRITERS.c.writer == said.writer)
    logged = await connection.scalar(sa.select(WRITERS.c.last_logged).where(is_writer)) or 0
    for wall, record in said.records:
        # Its clock may be set back, or be ahead: what comes is never of later than now.
        logged = max(min(wall, said.now_nanos), logged + 1)
        if record.get("op") == "log":
            await _log(meta, connection, said, when=When(wall, logged), record=record)
        else:
            await _ask(meta, connection, said, when=When(wall, logged), record=record)
    await connection.execute(sa.update(WRITERS).where(is_writer).values(last_logged=logged))


async def _log(
    meta: MetaStore,
    connection: AsyncConnection,
    said: Said,
    *,
    when: When,
    record: Mapping[str, object],
) -> None:
    key = record.get("id")
    if not rules.is_key(key):
        await _refuse(connection, said, when=when, record=record, reason="it has no valid id")
        return
    query = sa.select(ARTIFACTS).where(ARTIFACTS.c.key == key)
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        row = await _row(connection, said, when=when, record=record)
        number = new_id(await connection.execute(sa.insert(ARTIFACTS).values(**row)))
    elif found.state == "deleted":
        return
    else:
        number = found.same_as or found.id
        await _adopt(connection, said, number=found.id)
    use: dict[str, object] = {
        "run_id": said.run_id,
        "artifact_id": number,
        "how": "logged",
        "wall": when.wall,
    }
    await meta.upsert(connection, USES, [use], least=["wall"])
    await grant(connection, meta, REQUESTS.c.artifact == key)


async def _row(
    connection: AsyncConnection, said: Said, *, when: When, record: Mapping[str, object]
) -> dict[str, object]:
    row: dict[str, object] = {
        "key": record["id"],
        "project_id": said.project_id,
        "created": when.wall,
        "logged": when.logged,
        "run_id": said.run_id,
        "writer": said.writer,
        "heard": said.now_nanos,
        "state": "pending",
    }
    try:
        checked = _checked(record)
        query = sa.select(COLLECTIONS.c.type).where(
            COLLECTIONS.c.project_id == said.project_id, COLLECTIONS.c.name == checked["name"]
        )
        known = await connection.scalar(query)
        _check_type(checked, known)
    except Problem as problem:
        return {
            **row,
            "name": _shown(record.get("name")),
            "type": _shown(record.get("type")),
            "metadata": pack({}),
            "state": "failed",
            "reason": problem.detail,
        }
    return {**row, **checked}


async def _adopt(connection: AsyncConnection, said: Said, *, number: int) -> None:
    """One whose run is gone is of the next one that says it."""
    is_there = sa.select(RUNS.c.id).where(RUNS.c.id == ARTIFACTS.c.run_id).exists()
    is_it = sa.and_(ARTIFACTS.c.id == number, ~is_there)
    values = {"run_id": said.run_id, "writer": said.writer, "heard": said.now_nanos}
    await connection.execute(sa.update(ARTIFACTS).where(is_it).values(**values))


def _check_type(checked: Mapping[str, object], known: str | None) -> None:
    """A name has one type."""
    if known not in {None, checked["type"]}:
        raise other_type(str(checked["name"]), known, checked["type"])


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return text[:_MOST_SHOWN].replace("\0", "")


def _checked(record: Mapping[str, Any]) -> dict[str, object]:
    base, distributed = record.get("base"), record.get("distributed")
    final = record.get("final", False)
    if not isinstance(final, bool):
        raise Problem(Code.INVALID, "`final` is true or false")
    return {
        "name": rules.check_name(record.get("name")),
        "type": rules.check_type(record.get("type")),
        "sequence": rules.check_text(record.get("sequence"), field="sequence")[:_MOST_SHOWN],
        "description": rules.check_text(record.get("description")),
        "metadata": rules.check_metadata(record.get("metadata")),
        "aliases": rules.check_aliases(record.get("aliases") or []),
        "tags": rules.check_tags(record.get("tags") or []),
        "digest": rules.check_md5(record.get("digest")),
        "manifest": rules.check_hash(record.get("manifest"), field="manifest"),
        "size": rules.check_count(record.get("size"), field="size"),
        "count": rules.check_count(record.get("count"), field="count"),
        "base": rules.check_ref(base, field="base") if base else "",
        "distributed": rules.check_distributed(distributed) if distributed else "",
        "is_final": final,
    }


async def _ask(
    meta: MetaStore,
    connection: AsyncConnection,
    said: Said,
    *,
    when: When,
    record: Mapping[str, object],
) -> None:
    try:
        asked = _request(record)
    except Problem as problem:
        await _refuse(connection, said, when=when, record=record, reason=problem.detail)
        return
    await _keep(connection, said, when=when, record=record, row={**asked, "state": "waiting"})
    key = _key(when.wall, record)
    await grant(connection, meta, sa.and_(REQUESTS.c.run_id == said.run_id, REQUESTS.c.key == key))


def _request(record: Mapping[str, object]) -> dict[str, object]:
    op = record.get("op")
    if not isinstance(op, str) or op not in {"use", "link"}:
        raise Problem(Code.INVALID, "`op` is log, use or link")
    asked: dict[str, object] = {"op": op, "artifact": rules.check_ref(record.get("artifact"))}
    if op == "use":
        return {**asked, "use_as": rules.check_text(record.get("use_as"), field="use_as")}
    to = "/".join(rules.check_place(record.get("to"), field="to"))
    return {**asked, "target": to, "aliases": rules.check_aliases(record.get("aliases") or [])}


async def _refuse(
    connection: AsyncConnection,
    said: Said,
    *,
    when: When,
    record: Mapping[str, object],
    reason: str,
) -> None:
    row = {
        "op": _shown(record.get("op")),
        "artifact": _shown(record.get("artifact") or record.get("name")),
        "target": _shown(record.get("to")),
        "state": "failed",
        "reason": reason,
    }
    await _keep(connection, said, when=when, record=record, row=row)


async def _keep(
    connection: AsyncConnection,
    said: Said,
    *,
    when: When,
    record: Mapping[str, object],
    row: Mapping[str, object],
) -> None:
    key = _key(when.wall, record)
    is_it = sa.and_(REQUESTS.c.run_id == said.run_id, REQUESTS.c.key == key)
    if await connection.scalar(sa.select(REQUESTS.c.key).where(is_it)) is None:
        insert = sa.insert(REQUESTS).values(run_id=said.run_id, key=key, wall=when.logged, **row)
        await connection.execute(insert)


def _key(wall: int, record: Mapping[str, object]) -> str:
    """The same for a record that is taken again."""
    return hashlib.sha256(pack([wall, dict(sorted(record.items()))])).hexdigest()


__all__ = ["Said", "take"]
