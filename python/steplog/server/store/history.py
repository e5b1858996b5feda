"""Whole rows of a run, as they were logged: paged, every kind of value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steplog.server._decode import unpack_value
from steplog.server.store.engine import text_param, texts_param
from steplog.server.store.lineage import shown
from steplog.server.store.of_label import OF_LABEL, label_params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.series import SeriesStore

_NANOS = 1e9
_MARKER, _NIL, _BOOL, _INT, _FLOAT, _TEXT, _LIST, _BIG, _OBJECT = range(9)

_NEAR = (2, 64)
"""How many steps a page is sought within first, in its number of rows."""

_WHERE = f"""run = {{run:UInt64}} AND step >= {{first:Int64}} AND step < {{end:Int64}}
    AND {OF_LABEL}
    AND (label, step) > ({{after_label:String}}, {{after_step:Int64}})"""


def _queries(points: str, patches: str) -> tuple[str, str, str]:
    """The places of a page's rows, their values, and the number of all, out of these two tables.

    A page is a number of rows; with keys, only rows that hold all of them.
    """
    places = f"""SELECT CAST(label, 'String') AS tag, step FROM (
    SELECT label, step, key FROM {points} WHERE {_WHERE}
    UNION ALL SELECT label, step, key FROM {patches} WHERE {_WHERE})
GROUP BY label, step
HAVING {{n_keys:UInt64}} = 0 OR uniqExactIf(key, key IN {{keys:Array(String)}}) = {{n_keys:UInt64}}
"""  # noqa: S608  # constants of this file
    page = f"{places}ORDER BY label, step LIMIT {{limit:UInt64}}"
    count = f"SELECT count() AS n FROM ({places})"  # noqa: S608  # likewise
    values = f"""SELECT CAST(label, 'String') AS tag, step, CAST(key, 'String') AS name, kind,
    f64, i64, text, wall, runtime, generation, position
FROM (SELECT * FROM {points} WHERE {_WHERE} UNION ALL SELECT * FROM {patches} WHERE {_WHERE})
WHERE (label, step) <= ({{last_label:String}}, {{last_step:Int64}})
ORDER BY label, step, generation, position"""  # noqa: S608  # constants of this file
    return page, values, count


_STORED = _queries("points", "patches")
_SHOWN = _queries(f"({shown('points')})", f"({shown('patches')})")


@dataclass(frozen=True)
class Page:
    """Which rows.

    Attributes:
        first: Least step.
        end: Least step that is no longer taken.
        label: Only this writer's rows; None for all.
        keys: Only these keys, and only rows that hold all of them; empty for all.
        after: The (label, step) of the last row of the page before.
        limit: Most rows.
        is_whole: Also what later attempts mask, under labels of its own.
    """

    first: int
    end: int
    label: str | None
    keys: Sequence[str]
    after: tuple[str, int]
    limit: int
    is_whole: bool


_Place = tuple[int, int]
"""Generation and position of a record: later ones replace what earlier ones said."""
_NOWHERE: _Place = (-1, -1)


@dataclass
class _Row:
    values: dict[str, tuple[_Place, object]] = field(default_factory=dict)
    latest: _Place = _NOWHERE
    wall: int = 0
    runtime: int = 0


async def read_page(
    store: SeriesStore, run: int, page: Page, *, lineage: Mapping[str, str] | None
) -> tuple[list[dict[str, object]], tuple[str, int] | None]:
    """Rows by label and step; `lineage` is `Lineage.params`.

    Returns:
        The rows, and the place of the last one when there may be more.
    """
    page_query, values_query, _ = _STORED if lineage is None else _SHOWN
    params = _params(run, page, lineage)
    places = await _places(store, page_query, params, page=page)
    if places.rows == 0:
        return [], None
    labels = [text.decode() for text in places.texts("tag")]
    steps = places.ints("step").tolist()
    wanted = set(zip(labels, steps, strict=True))
    last = (labels[-1], steps[-1])
    params |= {"first": min(steps), "end": max(steps) + 1}
    found = await store.read(
        values_query, **params, last_label=text_param(last[0]), last_step=last[1]
    )
    rows = list(_rows(found, wanted, set(page.keys)))
    return rows, last if places.rows == page.limit else None


async def count_rows(
    store: SeriesStore, run: int, page: Page, *, lineage: Mapping[str, str] | None
) -> int:
    """How many rows there are from a page on; its limit does not count."""
    _, _, count = _STORED if lineage is None else _SHOWN
    asked = _params(run, page, lineage)
    asked |= {"n_keys": len(set(page.keys)), "keys": texts_param(page.keys)}
    found = await store.read(count, **asked)
    return int(found.uints("n")[0])


def _params(run: int, page: Page, lineage: Mapping[str, str] | None) -> dict[str, int | str]:
    return {
        **(lineage or {}),
        "run": run,
        "first": page.first,
        "end": page.end,
        **label_params(page.label),
        "after_label": text_param(page.after[0]),
        "after_step": page.after[1],
    }


async def _places(
    store: SeriesStore, query: str, params: Mapping[str, int | str], *, page: Page
) -> Columns:
    """Where a page's rows are.

    A page is sought near its beginning first: a query without an upper step reads all the rest of
    the run.
    """
    asked = {
        **params,
        "n_keys": len(set(page.keys)),
        "keys": texts_param(page.keys),
        "limit": page.limit,
    }
    label, after = page.after
    if page.label is not None and page.label != label:
        label, after = page.label, -1
    first = max(page.first, after + 1)
    near = {**asked, **label_params(label)}
    for factor in _NEAR:
        end = first + factor * page.limit
        if end >= page.end:
            break
        places = await store.read(query, **near | {"end": end})
        if places.rows == page.limit:
            return places
    return await store.read(query, **asked)


def _rows(
    found: Columns, wanted: set[tuple[str, int]], keys: set[str]
) -> Iterator[dict[str, object]]:
    row, at = _Row(), ("", -1)
    names, texts, labels = found.texts("name"), found.texts("text"), found.texts("tag")
    steps, kinds = found.ints("step").tolist(), found.uints("kind").tolist()
    floats, ints = found.floats("f64").tolist(), found.ints("i64").tolist()
    walls, runtimes = found.ints("wall").tolist(), found.ints("runtime").tolist()
    records = zip(found.ints("generation").tolist(), found.ints("position").tolist(), strict=True)
    for number, record in enumerate(records):
        place = (labels[number].decode(), steps[number])
        if place not in wanted:
            continue
        if place != at:
            if row.latest != _NOWHERE:
                yield _finished(row, at, keys)
            row, at = _Row(), place
        row.latest, row.wall, row.runtime = record, walls[number], runtimes[number]
        if kinds[number] != _MARKER:
            value = value_of(
                kinds[number], number=floats[number], integer=ints[number], text=texts[number]
            )
            row.values[names[number].decode()] = (record, value)
    if row.latest != _NOWHERE:
        yield _finished(row, at, keys)


def value_of(kind: int, *, number: float, integer: int, text: bytes) -> object:
    """A value from its columns."""
    if kind == _FLOAT:
        return number
    if kind == _INT:
        return integer
    if kind == _BOOL:
        return integer != 0
    if kind == _TEXT:
        return text.decode()
    if kind == _BIG:
        return int(text)
    return unpack_value(text) if kind in {_LIST, _OBJECT} else None


def _finished(row: _Row, place: tuple[str, int], keys: set[str]) -> dict[str, object]:
    label, step = place
    lost = _conflicts(row.values)
    values = {
        key: value
        for key, (_, value) in row.values.items()
        if key not in lost and (not keys or key in keys)
    }
    for name in ("_step", "_runtime"):
        values.pop(name, None)
    logged = row.values.get("_timestamp")
    timestamp: object = row.wall / _NANOS
    if logged is not None and logged[0] == row.latest:
        timestamp = logged[1]
    values |= {"_step": step, "_timestamp": timestamp, "_runtime": row.runtime / _NANOS}
    if label:
        values["_label"] = label
    return values


def _conflicts(values: dict[str, tuple[_Place, object]]) -> set[str]:
    """Keys that lost their place: of a value and one below its path the later stays."""
    lost = set()
    for key, (position, _) in values.items():
        at = key.find(".")
        while at >= 0:
            parent = values.get(key[:at])
            if parent is not None:
                lost.add(key if parent[0] > position else key[:at])
            at = key.find(".", at + 1)
    return lost
