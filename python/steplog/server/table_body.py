"""What the body of `tables:query` may say: every field is checked here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steplog.server.body import number_of, texts_of
from steplog.server.schema import MAX_INT64, Code, Problem
from steplog.server.store.table_expr import parse
from steplog.server.store.table_groups import AGGREGATES, HISTOGRAM, is_for
from steplog.server.store.table_query import Asked, SortKey
from steplog.server.store.table_view import HOWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.server.store.table_expr import Node
    from steplog.server.store.table_view import View

MAX_SOURCES = 50
MAX_ROWS = 10_000
"""Of one answer."""
MAX_STATS = 1_000
"""Columns of which one answer says what they hold: each is a query or two of its own."""
_DEFAULT_ROWS = 200
_MAX_NAMES = 10_000
_MAX_SORTS = 8
_MAX_KEYS = 8


@dataclass(frozen=True)
class SourceBody:
    """A table: of which run, key, step (None: the last one) and label (None: the first one)."""

    run: str
    key: str
    step: int | None
    label: str | None


@dataclass
class TableBody:
    """The body of `tables:query`."""

    sources: Sequence[SourceBody]
    join: Sequence[str] | None
    how: str
    select: Sequence[str] | None
    computed: Sequence[tuple[str, str]]
    where: str
    group: Sequence[str]
    aggregates: Sequence[tuple[str, str]]
    sort: Sequence[SortKey]
    offset: int
    limit: int
    stats: bool
    stats_of: frozenset[str] | None
    wrong: str = field(default="where")
    """Of which field an error of an expression is."""

    def asked(self, view: View) -> Asked:
        """What is asked of a view.

        Raises:
            ExprError: An expression is wrong: that of the field `wrong`.
            Problem: There is no such column.
        """
        computed: list[tuple[str, Node]] = []
        self.wrong = "select"
        for name, text in self.computed:
            if name in view.by_name or any(name == other for other, _ in computed):
                detail = f"there is another column {name!r:.60}: `as` is a name of its own"
                raise Problem(Code.INVALID, detail, field="select")
            computed.append((name, parse(text)))
        Asked(view, computed=computed)
        self.wrong = "where"
        where = parse(self.where) if self.where.strip() else None
        key = json.dumps([self.computed, self.where])
        asked = Asked(view, where, computed, () if self.group else self.sort, key)
        self._check_names(asked)
        if self.group:
            asked.sort = self.sort
        return asked

    def shown(self, asked: Asked) -> list[str]:
        """The names of the columns of the answer."""
        return list(asked.columns) if self.select is None else list(self.select)

    def _check_names(self, asked: Asked) -> None:
        made = (f"{name}.{one}" for name, one in self.aggregates if one != HISTOGRAM)
        grouped = {*self.group, "count", *made}
        for of, names, known in (
            ("select", self.select or (), asked.columns),
            ("group", self.group, asked.columns),
            ("aggs", [name for name, _ in self.aggregates], asked.columns),
            ("sort", [one.name for one in self.sort], grouped if self.group else asked.columns),
        ):
            for name in names:
                if name not in known:
                    raise Problem(Code.INVALID, f"there is no column {name!r}", field=of)
        for name, aggregate in self.aggregates:
            if not is_for(asked.columns[name], aggregate):
                raise Problem(Code.INVALID, f"{name!r} has no {aggregate}", field="aggs")


def table_body(body: Mapping[str, Any]) -> TableBody:
    """The body of `tables:query`.

    Raises:
        Problem: It is none.
    """
    sources = body.get("sources")
    if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCES:
        detail = f"`sources` is a list of 1 to {MAX_SOURCES} tables"
        raise Problem(Code.INVALID, detail, field="sources")
    found = [_source(one) for one in sources]
    join, how = _combine(body.get("combine"), len(found))
    select, computed = _select(body.get("select"))
    where = body.get("where") or ""
    if not isinstance(where, str):
        raise Problem(Code.INVALID, "`where` is a text", field="where")
    asks = body.get("stats") or False
    is_list = isinstance(asks, list) and all(isinstance(one, str) for one in asks)
    if not isinstance(asks, bool) and not is_list:
        raise Problem(Code.INVALID, "`stats` is true, or a list of columns", field="stats")
    return TableBody(
        sources=found,
        join=join,
        how=how,
        select=select,
        computed=computed,
        where=where,
        group=texts_of(body, "group", [], most=_MAX_KEYS),
        aggregates=_aggregates(body.get("aggs")),
        sort=_sorts(body.get("sort")),
        offset=number_of(body, "offset", 0, most=MAX_INT64),
        limit=number_of(body, "limit", _DEFAULT_ROWS, most=MAX_ROWS),
        stats=bool(asks),
        stats_of=frozenset(asks) if isinstance(asks, list) else None,
    )


def _source(one: object) -> SourceBody:
    if not isinstance(one, dict):
        raise Problem(Code.INVALID, "a source is an object", field="sources")
    run, key, label, step = (one.get(name) for name in ("run", "key", "label", "step"))
    if not isinstance(run, str) or not isinstance(key, str):
        raise Problem(Code.INVALID, "a source has a `run` and a `key`", field="sources")
    if label is not None and not isinstance(label, str):
        raise Problem(Code.INVALID, "`label` is a text", field="sources")
    if step in (None, "latest"):
        return SourceBody(run, key, None, label)
    if type(step) is not int or not 0 <= step <= MAX_INT64:
        raise Problem(Code.INVALID, "`step` is a number, or latest", field="sources")
    return SourceBody(run, key, step, label)


def _combine(combine: object, count: int) -> tuple[list[str] | None, str]:
    if combine in (None, "concat"):
        return None, ""
    if not isinstance(combine, dict) or "join" not in combine:
        detail = '`combine` is concat, or {"join": [column, …], "how"}'
        raise Problem(Code.INVALID, detail, field="combine")
    how = combine.get("how", "inner")
    if not isinstance(how, str) or how not in HOWS:
        raise Problem(Code.INVALID, f"`how` is one of {', '.join(HOWS)}", field="combine")
    if count != 2:  # noqa: PLR2004  # sides
        raise Problem(Code.INVALID, "a join has two sources", field="sources")
    keys = texts_of(combine, "join", [], most=_MAX_KEYS)
    if not keys:
        raise Problem(Code.INVALID, "a join has a column at least", field="combine")
    return list(dict.fromkeys(keys)), how


def _select(select: object) -> tuple[list[str] | None, list[tuple[str, str]]]:
    if select is None:
        return None, []
    names: list[str] = []
    computed: list[tuple[str, str]] = []
    if not isinstance(select, list) or len(select) > _MAX_NAMES:
        raise Problem(Code.INVALID, "`select` is a list of columns", field="select")
    for one in select:
        if isinstance(one, dict):
            name, text = one.get("as"), one.get("expr")
            if not isinstance(name, str) or not isinstance(text, str):
                detail = 'a computed column is {"as": name, "expr": expression}'
                raise Problem(Code.INVALID, detail, field="select")
            computed.append((name, text))
            names.append(name)
        elif isinstance(one, str):
            names.append(one)
        else:
            raise Problem(Code.INVALID, "a column is a text or an object", field="select")
    return names, computed


def _aggregates(aggs: object) -> list[tuple[str, str]]:
    if aggs is None:
        return []
    if not isinstance(aggs, dict):
        raise Problem(Code.INVALID, "`aggs` is {column: [aggregate, …]}", field="aggs")
    found = []
    for name, wanted in aggs.items():
        for one in wanted if isinstance(wanted, list) else [wanted]:
            if not isinstance(one, str) or one not in AGGREGATES:
                detail = f"an aggregate is one of {', '.join(AGGREGATES)}"
                raise Problem(Code.INVALID, detail, field="aggs")
            found.append((name, one))
    return list(dict.fromkeys(found))


def _sorts(sort: object) -> list[SortKey]:
    if sort is None:
        return []
    if not isinstance(sort, list) or len(sort) > _MAX_SORTS:
        raise Problem(Code.INVALID, f"`sort` is a list of at most {_MAX_SORTS}", field="sort")
    found = []
    for one in sort:
        if not isinstance(one, dict) or not isinstance(one.get("k"), str):
            raise Problem(Code.INVALID, 'a sort is {"k": column, "dir"}', field="sort")
        direction = one.get("dir", "asc")
        if direction not in ("asc", "desc"):
            raise Problem(Code.INVALID, "`dir` is asc or desc", field="sort")
        found.append(SortKey(one["k"], direction == "desc"))
    return found


__all__ = ["MAX_STATS", "SourceBody", "TableBody", "table_body"]
