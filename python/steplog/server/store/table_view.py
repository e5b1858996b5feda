"""What a query of tables is of: one table, several one after another, or two joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steplog.server.store.engine import ints_param, texts_param
from steplog.server.store.table_sql import Sql

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from steplog.server.store.table_cache import StoredTable, TableColumn

STORED = {
    "int": "Nullable(Int64)",
    "float": "Nullable(Float64)",
    "bool": "Nullable(UInt8)",
    "text": "Nullable(String)",
    "time": "Nullable(Int64)",
    "media": "Nullable(String)",
    "json": "Nullable(String)",
}
"""By kind: what values are in the engine."""
HOWS = {"inner": "INNER", "left": "LEFT", "outer": "FULL OUTER"}
_NUMBERS = frozenset({"int", "float"})
_EXACT = 1 << 53


@dataclass(frozen=True)
class Source:
    """A table of a run."""

    table: StoredTable
    run: str
    step: int


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: by what SQL, of which kind, and which text has digits it lacks."""

    name: str
    sql: Sql
    said: str = ""
    digits: str = ""


@dataclass(frozen=True)
class View:
    """Columns, where they come from (`FROM`), and in which order rows are when nothing else says.

    Attributes:
        source: SQL of ours.
        columns: In order; no two have one name.
        order: By what rows are in order, in the end.
        params: What the SQL refers to.
        rows: How many rows there are at least; None: only counting tells.
        numbered: Whether `r` is a row's number, from 0 on, and rows lie in that order.
        tables: What they are of, for what is remembered of it.
        of: Of several tables, which columns say of which `run` and `step` a row is.
    """

    source: str
    columns: Sequence[ViewColumn]
    order: str
    tables: tuple[object, ...]
    params: Mapping[str, int | str] = field(default_factory=dict)
    rows: int | None = None
    numbered: bool = False
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, ViewColumn]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


class JoinError(ValueError):
    """Tables cannot be joined so; the text says why."""


def _digits(column: TableColumn, number: int, side: str = "") -> str:
    return f"{side}d{number}" if column.has_digits else ""


def one(source: Source) -> View:
    """A table as it is."""
    table = source.table
    columns = [
        ViewColumn(
            column.name, Sql(f"c{number}", column.kind), column.said, _digits(column, number)
        )
        for number, column in enumerate(table.columns)
    ]
    return View(table.name, columns, "r", (table.name,), rows=table.rows, numbered=True)


def concat(sources: Sequence[Source]) -> View:
    """Tables one after another, columns by name; `run` and `step` say of which one a row is."""
    kinds: dict[str, str] = {}
    said: dict[str, str] = {}
    for source in sources:
        for column in source.table.columns:
            before = kinds.get(column.name)
            kinds[column.name] = column.kind if before is None else _joined(before, column.kind)
            said.setdefault(column.name, column.said)
    has_digits = {
        name: kind == "float" and any(_has_digits(source.table, name) for source in sources)
        for name, kind in kinds.items()
    }
    parts = []
    for place, source in enumerate(sources, 1):
        numbers = {column.name: number for number, column in enumerate(source.table.columns)}
        cells = [f"toUInt32({place}) AS s", "r"]
        for to, (name, kind) in enumerate(kinds.items()):
            number = numbers.get(name)
            text, digits = "NULL", "''"
            if number is not None:
                own = source.table.columns[number]
                text = _converted(f"c{number}", own.kind, kind)
                digits = _own_digits(own, number)
            cells.append(f"CAST({text}, '{STORED[kind]}') AS c{to}")
            if has_digits[name]:
                cells.append(f"{digits} AS d{to}")
        parts.append(f"SELECT {', '.join(cells)} FROM {source.table.name}")  # noqa: S608  # numbers
    columns = [
        ViewColumn(name, Sql(f"c{to}", kind), said[name], f"d{to}" if has_digits[name] else "")
        for to, (name, kind) in enumerate(kinds.items())
    ]
    of = {name: _free(name, kinds) for name in ("run", "step")}
    columns += [
        ViewColumn(of["run"], Sql("arrayElement({source_runs:Array(String)}, s)", "text")),
        ViewColumn(of["step"], Sql("arrayElement({source_steps:Array(Int64)}, s)", "int")),
    ]
    return View(
        f"({' UNION ALL '.join(parts)})",
        columns,
        "s, r",
        tuple((source.table.name, source.run, source.step) for source in sources),
        params={
            "source_runs": texts_param([source.run for source in sources]),
            "source_steps": ints_param([source.step for source in sources]),
        },
        rows=sum(source.table.rows for source in sources),
        of=of,
    )


def _free(name: str, taken: Container[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def _joined(one_kind: str, other: str) -> str:
    if one_kind == other:
        return one_kind
    return "float" if {one_kind, other} <= _NUMBERS else "json"


def _has_digits(table: StoredTable, name: str) -> bool:
    """An integer of it may need more digits than a float has."""
    return any(
        column.name == name and (column.has_digits or column.kind == "int")
        for column in table.columns
    )


def _own_digits(column: TableColumn, number: int) -> str:
    if column.kind == "int":
        return f"ifNull(if(abs(c{number}) > {_EXACT}, toString(c{number}), ''), '')"
    return f"d{number}" if column.has_digits else "''"


def _converted(text: str, kind: str, to: str) -> str:
    if kind == to:
        return text
    if to == "float":
        return f"toFloat64({text})"
    word = f"multiIf({text} > 0, 'Infinity', {text} < 0, '-Infinity', 'NaN')"
    return {
        "bool": f"if({text}, 'true', 'false')",
        "text": f"toJSONString({text})",
        "float": f"if(isFinite({text}), toString({text}), {word})",
        "media": text,
        "json": text,
    }.get(kind, f"toString({text})")


def join(left: Source, right: Source, keys: Sequence[str], *, how: str) -> View:
    """Rows of two tables that have equal keys; of each side the columns as `0.…` and `1.…`.

    Raises:
        JoinError: A side has no such key, or the two are of different kinds.
    """
    sides = [{c.name: (n, c) for n, c in enumerate(one.table.columns)} for one in (left, right)]
    tests, cells, columns = [], ["a.h AS h", "a.r AS r0", "b.r AS r1"], []
    for place, name in enumerate(keys):
        for number, side in enumerate(sides):
            if name not in side:
                raise JoinError(f"the table {number} has no column {name!r}")
        (first, one_column), (second, other) = (side[name] for side in sides)
        kind = _joined(one_column.kind, other.kind)
        if kind == "json" and one_column.kind != other.kind:
            raise JoinError(
                f"{name!r} is {one_column.kind} in one table, {other.kind} in the other"
            )
        pair = (
            _converted(f"a.c{first}", one_column.kind, kind),
            _converted(f"b.c{second}", other.kind, kind),
        )
        tests.append(f"{pair[0]} = {pair[1]}")
        cells.append(f"coalesce({pair[0]}, {pair[1]}) AS k{place}")
        columns.append(ViewColumn(name, Sql(f"k{place}", kind), one_column.said))
    for number, (side, alias) in enumerate(zip(sides, "ab", strict=True)):
        for name, (place, column) in side.items():
            if name in keys:
                continue
            cells.append(f"{alias}.c{place} AS {alias}c{place}")
            digits = _digits(column, place, alias)
            if digits:
                cells.append(f"{alias}.d{place} AS {digits}")
            sql = Sql(f"{alias}c{place}", column.kind)
            columns.append(ViewColumn(f"{number}.{name}", sql, column.said, digits))
    tables = [f"(SELECT 1 AS h, * FROM {one.table.name})" for one in (left, right)]  # noqa: S608  # ours
    source = (
        f"(SELECT {', '.join(cells)} FROM {tables[0]} AS a "  # noqa: S608  # names of ours, numbers
        f"{HOWS[how]} JOIN {tables[1]} AS b ON {' AND '.join(tests)})"
    )
    names = (left.table.name, right.table.name, *keys, how)
    return View(source, columns, "h DESC, r0, r1", ("join", *names))


__all__ = ["HOWS", "STORED", "JoinError", "Source", "View", "ViewColumn", "concat", "join", "one"]
