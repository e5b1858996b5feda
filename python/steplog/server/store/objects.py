"""Objects such as images, over the steps of runs: where there are some, and what they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog._errors import StorageError
from steplog.server._decode import unpack_value
from steplog.server.schema import KIND_LIST, KIND_OBJECT
from steplog.server.store import objects_sql as sql
from steplog.server.store.engine import ints_param, texts_param
from steplog.server.store.object_heads import Head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

MAX_LIST_BYTES = 256 << 20
"""Of lists that are looked into for one index."""
MAX_VALUE_BYTES = 64 << 20
"""Of values that are read at once."""


class TooMuchError(Exception):
    """More was asked for than is read at once; the text says what."""


@dataclass(frozen=True)
class Asked:
    """Which objects.

    Attributes:
        runs: The numbers of runs.
        keys: Of the values, each with the kinds it has (bits).
        is_rewritten: A step may have been written again by a later writer of the same label.
        shown: What the runs show (`Lineage.params`); None for simply all they have.
        first: The least step.
        last: The greatest step.
    """

    runs: Sequence[int]
    keys: Mapping[str, int]
    is_rewritten: bool
    shown: Mapping[str, str] | None
    first: int
    last: int


@dataclass(frozen=True, order=True)
class Place:
    """Where a value stands."""

    run: int
    key: str
    label: str
    step: int


@dataclass
class Series:
    """At which steps a key of a run has objects.

    Attributes:
        run: The run's number.
        key: The key.
        label: Of the writer.
        kind: The type of the last ones.
        steps: Each step, sorted.
        counts: Of each, how many there are.
    """

    run: int
    key: str
    label: str
    kind: str
    steps: list[int]
    counts: list[int]


class Objects:
    """Reads objects; make one for each request."""

    def __init__(self, store: SeriesStore, asked: Asked) -> None:
        self._store = store
        self._asked = asked
        self._params: dict[str, int | str] = {
            "runs": ints_param(asked.runs),
            "keys": texts_param(list(asked.keys)),
            "first": asked.first,
            "last": asked.last,
            **(asked.shown or {}),
        }
        has_lists = any(kinds >> KIND_LIST & 1 for kinds in asked.keys.values())
        # Where no key has lists nothing of the texts is read.
        self._is_one = sql.IS_ONE if has_lists else f"kind = {KIND_OBJECT}"
        self._points = ""

    async def _read(self, statement: str, **params: int | str) -> Columns:
        if not self._points:
            self._points = await self._table()
        words = statement.replace("{points}", self._points).replace("{is_one}", self._is_one)
        return await self._store.read(words, **self._params, **params)

    async def _table(self) -> str:
        if self._asked.shown is not None:
            return sql.SHOWN
        if self._asked.is_rewritten:
            return sql.MERGED
        patched = await self._store.read(sql.COUNT_PATCHES, **self._params)
        return sql.MERGED if patched.ints("n")[0] else sql.AS_THEY_LIE

    async def index(self) -> tuple[list[Series], bool]:
        """Every series, by run, key and label; whether that is all of them.

        Raises:
            TooMuchError: Lists of more than `MAX_LIST_BYTES` would have to be looked into.
        """
        if not self._asked.runs or not self._asked.keys:
            return [], True
        found = await self._read(sql.HEADS)
        rows = min(found.rows, sql.MAX_ROWS)
        sizes = found.ints("size")[:rows].tolist()
        heads = await asyncio.to_thread(_heads, found.texts("head")[:rows], sizes)
        cut = [number for number, head in enumerate(heads) if head.count is None]
        if sum(sizes[number] for number in cut) > MAX_LIST_BYTES:
            limit = f"{MAX_LIST_BYTES >> 20} MiB"
            raise TooMuchError(f"there are lists of over {limit}: ask for fewer steps or keys")
        places = _places(found)[:rows]
        for at in _batches(cut, sizes):
            values = await self.values([places[number] for number in at])
            for number in at:
                heads[number] = Head.of_value(values.get(places[number]))
        return await asyncio.to_thread(_series, places, heads), found.rows <= sql.MAX_ROWS

    async def nearest(self, at: int, match: str) -> list[Place]:
        """Of each series the place that a step matches: `exact`, `prev`, `next` or `nearest`."""
        if not self._asked.runs or not self._asked.keys:
            return []
        found = await self._read(sql.STEPS, at=at)
        columns = {
            name: found.ints(name).tolist()
            for name in ("run", "is_before", "before", "is_behind", "behind")
        }
        places = []
        for number, (key, label) in enumerate(_names(found)):
            row = {name: column[number] for name, column in columns.items()}
            before = row["before"] if row["is_before"] else None
            behind = row["behind"] if row["is_behind"] else None
            step = _matched(at, before, behind, match=match)
            if step is not None:
                places.append(Place(row["run"], key, label, step))
        return places

    async def at(self, steps: Iterable[int]) -> dict[Place, object]:
        """What stands at these steps, by run, key and label.

        Raises:
            TooMuchError: That is more than `MAX_VALUE_BYTES`.
        """
        if not self._asked.runs or not self._asked.keys:
            return {}
        return await self._held(sql.AT, at_steps=ints_param(list(steps)))

    async def every(self) -> AsyncIterator[dict[Place, object]]:
        """All that there are, in batches; of a series in the order of the steps.

        Raises:
            TooMuchError: There are more than `sql.MAX_ROWS`.
        """
        if not self._asked.runs or not self._asked.keys:
            return
        found = await self._read(sql.WEIGHTS)
        if int(found.uints("n").sum()) > sql.MAX_ROWS:
            raise TooMuchError(
                f"there are over {sql.MAX_ROWS:,} steps: ask for fewer steps or runs"
            )
        steps, sizes = found.ints("step").tolist(), found.ints("size").tolist()
        for batch in _batches(range(len(steps)), sizes):
            within = {"from": steps[batch[0]], "to": steps[batch[-1]]}
            yield await asyncio.to_thread(_decoded, await self._read(sql.WITHIN, **within))

    async def values(self, places: Sequence[Place]) -> dict[Place, object]:
        """What stands at places.

        Raises:
            TooMuchError: That is more than `MAX_VALUE_BYTES`.
        """
        if not places:
            return {}
        params: dict[str, int | str] = {
            "at_runs": ints_param([place.run for place in places]),
            "at_keys": texts_param([place.key for place in places]),
            "at_labels": texts_param([place.label for place in places]),
            "at_steps": ints_param([place.step for place in places]),
        }
        return await self._held(sql.VALUES, **params)

    async def _held(self, statement: str, **params: int | str) -> dict[Place, object]:
        try:
            found = await self._read(statement, **params, most=MAX_VALUE_BYTES)
        except StorageError as error:
            if "MEMORY_LIMIT_EXCEEDED" in str(error):
                raise _too_much() from error
            raise
        if found.rows and int(found.ints("size")[0]) > MAX_VALUE_BYTES:
            raise _too_much()
        return await asyncio.to_thread(_decoded, found, "held")


def _heads(texts: Sequence[bytes], sizes: Sequence[int]) -> list[Head]:
    return [Head.of(text, size) for text, size in zip(texts, sizes, strict=True)]


def _too_much() -> TooMuchError:
    limit = f"{MAX_VALUE_BYTES >> 20} MiB"
    return TooMuchError(f"that is more than {limit}: ask for fewer steps, keys or runs")


def _decoded(found: Columns, texts: str = "text") -> dict[Place, object]:
    kinds = found.uints("kind").tolist()
    return {
        place: unpack_value(text)
        for place, text, kind in zip(_places(found), found.texts(texts), kinds, strict=True)
        if kind in {KIND_LIST, KIND_OBJECT}
    }


def _matched(at: int, before: int | None, behind: int | None, *, match: str) -> int | None:
    if match == "exact":
        return before if before == at else None
    if match == "prev":
        return before
    if match == "next":
        return behind
    if before is None or behind is None:
        return behind if before is None else before
    return before if at - before <= behind - at else behind


def _names(found: Columns) -> list[tuple[str, str]]:
    keys, labels = ([text.decode() for text in found.texts(name)] for name in ("name", "tag"))
    return list(zip(keys, labels, strict=True))


def _places(found: Columns) -> list[Place]:
    runs, steps = found.ints("run").tolist(), found.ints("step").tolist()
    return [
        Place(run, key, label, step)
        for run, (key, label), step in zip(runs, _names(found), steps, strict=True)
    ]


def _batches(numbers: Sequence[int], sizes: Sequence[int]) -> Iterable[list[int]]:
    """Numbers of values that can be read at once."""
    batch: list[int] = []
    total = 0
    for number in numbers:
        if batch and total + sizes[number] > MAX_VALUE_BYTES // 2:
            yield batch
            batch, total = [], 0
        batch.append(number)
        total += sizes[number]
    if batch:
        yield batch


def _series(places: Sequence[Place], heads: Sequence[Head]) -> list[Series]:
    found: dict[tuple[int, str, str], Series] = {}
    for place, head in zip(places, heads, strict=True):
        if not head.count:
            continue
        name = (place.run, place.key, place.label)
        one = found.get(name)
        if one is None:
            one = found[name] = Series(*name, kind="", steps=[], counts=[])
        one.kind = head.kind
        one.steps.append(place.step)
        one.counts.append(head.count)
    return list(found.values())


__all__ = ["Asked", "Objects", "Place", "Series", "TooMuchError"]
