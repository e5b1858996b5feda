"""What the body of `chartdata:query` may say: every field is checked here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steplog.server.body import number_of, range_of, runs_of, section_of, texts_of
from steplog.server.schema import MAX_CHART_ROWS, MAX_INT64, Code, Problem
from steplog.server.store.table_expr import ExprError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.store.table_expr import Node

SOURCES = ("runs", "summary", "config", "history", "summaryTable", "historyTable")
OF_TABLES = frozenset({"summaryTable", "historyTable"})
_MAX_NAMES = 1000
_FIELDS = {
    "runs": {"columns"},
    "summary": {"keys"},
    "config": {"keys"},
    "history": {"keys", "range"},
    "summaryTable": {"key", "columns", "where"},
    "historyTable": {"key", "columns", "where", "step", "range"},
}
_ALL = frozenset({"source", "runs", "limit"})
"""What the body of every source may say."""


@dataclass(frozen=True)
class ChartBody:
    """The body of `chartdata:query`; what a source does not have is empty.

    Attributes:
        source: Where rows come from.
        runs: The ids of the runs.
        limit: Most rows.
        key: Of tables.
        keys: Of history, summary and config; of the latter two empty for all.
        columns: Of tables the columns, None for all; of runs each with its section and key.
        where: What holds of rows of tables.
        range: Steps, both ends included.
        step: Of tables: at this step, or the last one before; None for no step.
    """

    source: str
    runs: Sequence[str]
    limit: int
    key: str = ""
    keys: Sequence[str] = ()
    columns: Sequence[str] | None = None
    sections: Mapping[str, tuple[str, str]] | None = None
    where: Node | None = None
    where_text: str = ""
    range: tuple[int, int] = (0, MAX_INT64)
    step: int | None = None


def chart_body(body: dict[str, Any]) -> ChartBody:
    """The body of `chartdata:query`.

    Raises:
        Problem: It is none.
    """
    source = body.get("source")
    if not isinstance(source, str) or source not in SOURCES:
        raise Problem(Code.INVALID, f"`source` is one of {', '.join(SOURCES)}", field="source")
    for name in body:
        if name not in _ALL | _FIELDS[source]:
            detail = f"{name!r:.60} is nothing that {source} has"
            raise Problem(Code.INVALID, detail, field=name)
    runs = list(dict.fromkeys(runs_of(body)))
    limit = number_of(body, "limit", MAX_CHART_ROWS, least=1, most=MAX_CHART_ROWS)
    columns = texts_of(body, "columns", [], most=_MAX_NAMES)
    if source == "runs":
        names = columns or ["name", "state", "created"]
        sections = {name: section_of(name, field="columns") for name in names}
        return ChartBody(source, runs, limit, sections=sections)
    steps = range_of(body) or (0, MAX_INT64)
    span = (max(0, steps[0]), min(MAX_INT64, steps[1]))
    if source in OF_TABLES:
        text, where = _where(body.get("where"))
        return ChartBody(
            *(source, runs, limit),
            key=_key(body.get("key")),
            columns=columns if body.get("columns") is not None else None,
            where=where,
            where_text=text,
            range=span,
            step=number_of(body, "step", 0, most=MAX_INT64)
            if body.get("step") is not None
            else None,
        )
    keys = texts_of(body, "keys", [], most=_MAX_NAMES)
    if "" in keys or (source == "history" and not keys):
        detail = "`keys` is a list of keys, none of them empty"
        raise Problem(Code.INVALID, f"{detail}; history has one at least", field="keys")
    return ChartBody(source, runs, limit, keys=keys, range=span)


def _key(key: object) -> str:
    if not isinstance(key, str) or not key:
        raise Problem(Code.INVALID, "`key` is the key of a table", field="key")
    return key


def _where(where: object) -> tuple[str, Node | None]:
    if where is None:
        return "", None
    if not isinstance(where, str):
        raise Problem(Code.INVALID, "`where` is an expression", field="where")
    try:
        return where, parse(where) if where.strip() else None
    except ExprError as error:
        raise Problem(
            Code.INVALID, str(error), field="where", extra={"position": error.position}
        ) from error


__all__ = ["OF_TABLES", "SOURCES", "ChartBody", "chart_body"]
