"""What a batch changes in the metadata, in one transaction."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from steplog._states import state_of
from steplog.server._decode import merge_summaries
from steplog.server.schema import Code, Problem, flatten
from steplog.server.store import alerts, artifact_records
from steplog.server.store.attempts import Attempts
from steplog.server.store.blob_records import hashes_named, loosen
from steplog.server.store.exact import pack, unpack_tree
from steplog.server.store.tables import BLOBS, FILES, KEYS, OF_ARTIFACTS, RUNS, VALUES, WRITERS
from steplog.server.store.writers import Writer, is_writer, key_rows, run_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from steplog.server.store.alerts import Alert
    from steplog.server.store.meta import MetaStore

_NUMBER, _TEXT, _NAN = 0, 1, 2


@dataclass(frozen=True)
class Change:
    """What a batch changes in the metadata; everything in one transaction."""

    writer: Writer
    acknowledged: int
    last_point: int
    last_patch: int
    last_sample: int
    now_nanos: int
    records: int = 0
    last_step: int = -1
    last_wall: int = 0
    summary: bytes | None = None
    console: bytes | None = None
    config: Sequence[tuple[int, dict[str, object]]] = ()
    """Each with its wall clock in nanoseconds, as `facts`."""
    keys: Sequence[tuple[str, int, int, int]] = ()
    exit_code: int | None = None
    preempting: bool = False
    facts: Sequence[tuple[int, dict[str, object]]] = ()
    files: Sequence[tuple[str, int, bytes]] = ()
    """Name, wall clock in nanoseconds, content."""
    blobs: Sequence[tuple[str, int, bytes, int]] = ()
    """Name, wall clock in nanoseconds, SHA-256 and size of a content that comes on its own."""
    alerts: Sequence[Alert] = ()
    artifacts: Sequence[tuple[int, dict[str, object]]] = ()
    """What is done with artifacts, each with its wall clock in nanoseconds."""
    closed: bool = False


def _leaves(
    run_id: int, section: str, *, tree: dict[str, object], before: dict[str, object]
) -> Iterable[dict[str, object]]:
    old = flatten(before)
    for key, value in flatten(tree).items():
        if key in old and type(old[key]) is type(value) and old[key] == value:
            continue
        row: dict[str, object] = {"run_id": run_id, "section": section, "key": key}
        if isinstance(value, (bool, int, float)):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf if value > 0 else -math.inf
            nan = math.isnan(number)
            yield {
                **row,
                "kind": _NAN if nan else _NUMBER,
                "number": None if nan else number,
                "text": None,
            }
        elif isinstance(value, str):
            yield {**row, "kind": _TEXT, "number": None, "text": value[:1000]}


def called(facts: dict[str, object]) -> dict[str, object]:
    """What a record of facts says of a run's row; what is of a wrong type is left as it was."""
    found: dict[str, object] = {}
    for name in ("name", "notes"):
        if isinstance(facts.get(name), str) and (facts[name] or name == "notes"):
            found[name] = facts[name]
    tags = facts.get("tags")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        found["tags"] = tags
    return found


def hash_of(content: bytes) -> str:
    """The SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class Said:
    """When each word of a run was said, by attempt and wall clock: the latest one counts.

    `generation` is that of the attempt that speaks.
    """

    def __init__(self, packed: bytes, generation: int) -> None:
        self._when: dict[str, Any] = unpack_tree(packed) if packed else {}
        self._generation = generation

    def latest(self, what: str, words: dict[str, object], wall: int) -> dict[str, object]:
        """Those of some words that nobody has said later."""
        kept = {}
        for name, value in words.items():
            key, when = f"{what}.{name}", [self._generation, wall]
            if when >= self._when.get(key, [0, 0]):
                self._when[key], kept[name] = when, value
        return kept

    def packed(self) -> bytes:
        """For the next time."""
        return pack(self._when)


class Changes:
    """Applies what batches change."""

    def __init__(self, meta: MetaStore) -> None:
        self._meta = meta

    async def apply(self, change: Change) -> list[Alert] | None:
        """Everything that a batch changes, in one transaction; afterwards it is acknowledged.

        Returns:
            What people are to be told; None when the run is gone: it may have been deleted.
        """
        run_id = change.writer.run_id
        async with self._meta.write() as connection:
            row = (
                await connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id))
            ).one_or_none()
            if row is None:
                return None
            await self._writer(connection, change)
            attempts = await Attempts.of(connection, run_id)
            run: dict[str, object] = {
                "records": row.records + change.records,
                "last_step": attempts.last_step,
                "updated": max(row.updated, change.last_wall),
            }
            said = Said(row.said, change.writer.generation)
            for wall, facts in change.facts:
                run |= said.latest("facts", called(facts), wall)
            leaves: list[dict[str, object]] = []
            if change.config:
                before = unpack_tree(row.config)
                config = dict(before)
                for wall, entries in change.config:
                    config.update(said.latest("config", entries, wall))
                run["config"] = pack(config)
                leaves += _leaves(run_id, "config", tree=config, before=before)
                await self._forget(connection, run_id, "config", after=config, before=before)
            if change.summary is not None:
                before = unpack_tree(row.summary)
                states = [state for _, state in attempts.summary_states()]
                summary, run["metrics"] = merge_summaries(states)
                run["summary"] = pack(summary)
                leaves += _leaves(run_id, "summary", tree=summary, before=before)
                await self._forget(connection, run_id, "summary", after=summary, before=before)
            await self._meta.upsert(connection, VALUES, leaves)
            await self._keys(connection, change)
            await self._files(connection, change)
            artifacts = artifact_records.Said(
                *(run_id, row.project_id, change.writer.writer),
                now_nanos=change.now_nanos,
                records=change.artifacts,
            )
            await artifact_records.take(self._meta, connection, artifacts)
            told = await alerts.keep(connection, change.writer, change.alerts)
            if change.facts or change.config:
                run["said"] = said.packed()
            run.update(await run_state(connection, run_id))
            await connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**run))
        return told

    async def _forget(
        self,
        connection: AsyncConnection,
        run_id: int,
        section: str,
        *,
        after: dict[str, object],
        before: dict[str, object],
    ) -> None:
        leaves = flatten(after)
        gone = [
            key
            for key in flatten(before)
            if key not in leaves or not isinstance(leaves[key], (bool, int, float, str))
        ]
        if gone:
            await connection.execute(
                sa.delete(VALUES).where(
                    VALUES.c.run_id == run_id,
                    VALUES.c.section == section,
                    VALUES.c.key == sa.bindparam("gone"),
                ),
                [{"gone": key} for key in gone],
            )

    async def _writer(self, connection: AsyncConnection, change: Change) -> None:
        where = is_writer(change.writer)
        before = (await connection.execute(sa.select(WRITERS).where(where))).one()
        if before.is_stale:
            detail = "the log is to be taken anew, from its first record on"
            raise Problem(Code.CONFLICT, detail, extra={"expected": 0})
        # An exit record is the last word; else a batch revives a writer that was taken for dead.
        exit_code = before.exit_code if change.exit_code is None else change.exit_code
        preempting = before.preempting or change.preempting
        values: dict[str, object] = {
            "acknowledged": change.acknowledged,
            "closed": change.closed,
            "records": None if before.records is None else before.records + change.records,
            "last_point": change.last_point,
            "last_patch": change.last_patch,
            "last_sample": change.last_sample,
            "seen": change.now_nanos,
            "last_wall": max(before.last_wall, change.last_wall),
            "last_step": max(before.last_step, change.last_step),
            "exit_code": exit_code,
            "preempting": preempting,
            "state": state_of(
                exit_code=exit_code, is_live=not change.closed, is_preempting=preempting
            ),
        }
        if change.summary is not None:
            values["summary"] = change.summary
        if change.console is not None:
            values["console"] = change.console
        await connection.execute(sa.update(WRITERS).where(where).values(**values))

    async def _files(self, connection: AsyncConnection, change: Change) -> None:
        if not change.files and not change.blobs:
            return
        run_id, writer = change.writer.run_id, change.writer.writer
        kept: list[dict[str, object]] = []
        rows: list[dict[str, object]] = []
        for name, wall, content in change.files:
            row = {"name": name, "wall": wall, "sha256": hash_of(content), "content": content}
            if name.startswith(OF_ARTIFACTS):
                # It may outlive the run, and other runs name it too: it is kept once, by its hash.
                row |= {"content": b"", "size": len(content)}
                stored = {"size": len(content), "stored": change.now_nanos, "content": content}
                kept.append({"sha256": row["sha256"], **stored})
            rows.append(row)
        rows += [
            {"name": name, "wall": wall, "content": b"", "sha256": sha256.hex(), "size": size}
            for name, wall, sha256, size in change.blobs
        ]
        await self._meta.upsert(connection, BLOBS, kept)
        names = [str(row["name"]) for row in rows]
        replaced = await hashes_named(connection, run_id, writer, names=names)
        of_writer = {"run_id": run_id, "writer": writer, "size": None}
        await self._meta.upsert(connection, FILES, [{**of_writer, **row} for row in rows])
        # A small content that no artifact names goes as a large one does: see `BlobRecords.add`.
        await loosen(self._meta, connection, [*replaced, *(str(one["sha256"]) for one in kept)])

    async def _keys(self, connection: AsyncConnection, change: Change) -> None:
        rows = key_rows(change.writer.run_id, change.keys)
        await self._meta.upsert(
            connection, KEYS, rows, add=["n"], greatest=["last_step"], bits=["kinds"]
        )
