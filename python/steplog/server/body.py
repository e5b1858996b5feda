"""What a request's JSON body may say: every field is checked here, before a store sees it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from steplog._errors import UsageError
from steplog._names import MAX_TAGS, as_name, as_text
from steplog.server._decode import Pattern
from steplog.server.schema import (
    MAX_PANELS,
    MAX_PX,
    MAX_QUERY_BYTES,
    MAX_RUNS_PAGE,
    MAX_SERIES,
    MSGPACK,
    Code,
    Problem,
    join_path,
    split_path,
)
from steplog.server.store.exact import page_json, unpack
from steplog.server.store.runs import COLUMN_NAMES, Search, Sort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

_DEFAULT_LIMIT = 200
_MAX_SORTS = 8
_MAX_COLUMNS = 500
FIELDS = ("first", "min", "max", "last", "mean", "n")
_UNSUPPORTED = ("expr", "label")
_GROUP = {"by": ["run"], "center": "mean", "band": "minmax"}
_UNSUPPORTED_OF_RUNS = ("filter", "group", "cursor", "pinned", "sparklines", "aggs")


async def read_json(request: web.Request) -> dict[str, Any]:
    """A request's JSON object.

    Raises:
        Problem: It is too large, or no JSON object.
    """
    data = await request.read()
    if len(data) > MAX_QUERY_BYTES:
        raise Problem(Code.TOO_LARGE, f"a query has at most {MAX_QUERY_BYTES} bytes")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Problem(Code.MALFORMED, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Problem(Code.MALFORMED, "the body is not a JSON object")
    return body


async def read_exact(request: web.Request) -> dict[str, Any]:
    """The same, or in msgpack what JSON cannot say: NaN, infinities and integers over 64 bits.

    Raises:
        Problem: It is too large, or no object.
    """
    if request.content_type != MSGPACK:
        return await read_json(request)
    data = await request.read()
    if len(data) > MAX_QUERY_BYTES:
        raise Problem(Code.TOO_LARGE, f"a query has at most {MAX_QUERY_BYTES} bytes")
    try:
        body = unpack(data)
        page_json(body)  # it holds nothing that JSON has no form for
    except (ValueError, TypeError, RecursionError) as error:
        raise Problem(
            Code.MALFORMED, f"the body is not msgpack of plain values: {error}"
        ) from error
    if not isinstance(body, dict) or not all(isinstance(name, str) for name in body):
        raise Problem(Code.MALFORMED, "the body is not an object")
    return body


@dataclass(frozen=True)
class RunsQuery:
    """What `runs:query` asks for; `columns` are by their names, each a section and a key."""

    columns: Mapping[str, tuple[str, str]]
    sort: Sequence[Sort]
    search: Search | None
    limit: int
    offset: int


def runs_query(body: dict[str, Any]) -> RunsQuery:
    """The body of `runs:query`.

    Raises:
        Problem: It is none.
    """
    _refuse_unsupported(body, _UNSUPPORTED_OF_RUNS)
    if body.get("count") not in (None, "exact"):  # it may be unhashable
        raise Problem(Code.UNSUPPORTED, "`count` is always exact", field="count")
    columns = texts_of(body, "columns", ["name", "state", "created"], most=_MAX_COLUMNS)
    return RunsQuery(
        columns={name: section_of(name, field="columns") for name in columns},
        sort=_sorts(body),
        search=_search(body),
        limit=number_of(body, "limit", _DEFAULT_LIMIT, most=MAX_RUNS_PAGE),
        offset=number_of(body, "offset", 0, most=1 << 40),
    )


def _refuse_unsupported(body: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if body.get(name) is not None:
            raise Problem(Code.UNSUPPORTED, f"`{name}` is not supported yet", field=name)


def _is_one_of(value: object, *names: str) -> bool:
    """Whether a value is one of these texts; it may be anything that JSON can hold."""
    return isinstance(value, str) and value in names


def number_of(
    body: Mapping[str, Any], name: str, default: int, *, most: int, least: int = 0
) -> int:
    """A whole number of a body.

    Raises:
        Problem: It is none, or out of range.
    """
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Problem(Code.INVALID, f"`{name}` is a number from {least:,} to {most:,}", field=name)
    return value


def texts_of(body: Mapping[str, Any], name: str, default: list[str], *, most: int) -> list[str]:
    """A list of texts of a body.

    Raises:
        Problem: It is none, or too long.
    """
    value = body.get(name)
    if value is None:
        return default
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(isinstance(item, str) for item in value)
    ):
        raise Problem(Code.INVALID, f"`{name}` is a list of at most {most:,} texts", field=name)
    return value


def _sorts(body: dict[str, Any]) -> list[Sort]:
    given = body.get("sort")
    if given is None:
        return [Sort("created", descending=True)]
    if not isinstance(given, list) or len(given) > _MAX_SORTS:
        raise Problem(Code.INVALID, f"`sort` is a list of at most {_MAX_SORTS}", field="sort")
    return [_sort(one) for one in given]


def _sort(one: object) -> Sort:
    name = one.get("k") if isinstance(one, dict) else None
    direction = one.get("dir", "asc") if isinstance(one, dict) else None
    if not isinstance(name, str) or not _is_one_of(direction, "asc", "desc"):
        raise Problem(Code.INVALID, 'a sort key is {"k": name, "dir": "asc|desc"}', field="sort")
    if isinstance(one, dict) and one.get("agg") is not None:
        raise Problem(Code.UNSUPPORTED, "`agg` is not supported yet", field="sort")
    section, key = section_of(name, field="sort")
    return Sort(key, section, descending=direction == "desc")


def section_of(name: str, *, field: str) -> tuple[str, str]:
    """The section and key of a column's name.

    Raises:
        Problem: There is no such column.
    """
    if name in COLUMN_NAMES:
        return "", name
    section, dot, rest = name.partition(".")
    if section in {"config", "summary"} and dot and rest:
        return section, join_path(_segments(rest))
    raise Problem(Code.INVALID, f"there is no column {name!r}", field=field)


def _segments(text: str) -> list[str]:
    """Segments of a dotted name; those with dots or spaces stand in back-quotes."""
    if "`" not in text:
        return split_path(text)
    return [
        quoted or plain
        for quoted, plain in re.findall(r"`([^`]*)`|([^`.]+)", text)
        if quoted or plain
    ]


def _search(body: dict[str, Any]) -> Search | None:
    given = body.get("search")
    if given is None:
        return None
    text = given.get("q") if isinstance(given, dict) else None
    mode = given.get("mode", "fuzzy") if isinstance(given, dict) else None
    if not isinstance(text, str) or not _is_one_of(mode, "regex", "exact", "fuzzy"):
        raise Problem(
            Code.INVALID,
            '`search` is {"q": text, "mode": "regex|exact|fuzzy"}',
            field="search",
        )
    if given.get("in") is not None:
        raise Problem(Code.UNSUPPORTED, "a search looks at name and id", field="search")
    if not text:
        return None
    if mode == "regex":
        try:
            Pattern(text)
        except UsageError as error:
            raise Problem(Code.INVALID, str(error), field="search") from error
    return Search(text, str(mode))


def changes_of(body: dict[str, Any]) -> dict[str, object]:
    """What a run's name, notes and tags are changed to, by the rules of `steplog.init`.

    Raises:
        Problem: One of them cannot be that, or is something else.
    """
    for name, value in body.items():
        if name not in {"name", "notes", "tags"}:
            detail = f"{name!r:.60} cannot be changed: only name, notes and tags can"
            raise Problem(Code.INVALID, detail, field=name)
        is_known = _texts(value) if name == "tags" else isinstance(value, str)
        if not is_known:
            raise Problem(Code.INVALID, "name and notes are text, tags a list of texts", field=name)
        try:
            for text in value if name == "tags" else [value]:
                as_name(text) if name == "name" else as_text(name, text)
        except UsageError as error:
            raise Problem(Code.INVALID, str(error), field=name) from error
    if "name" in body and not as_name(body["name"]):
        raise Problem(Code.INVALID, "a run's name is not empty", field="name")
    if "" in body.get("tags", []):
        raise Problem(Code.INVALID, "a tag is not empty", field="tags")
    if len(body.get("tags", [])) > MAX_TAGS:
        raise Problem(Code.INVALID, f"a run has at most {MAX_TAGS:,} tags", field="tags")
    return dict(body)


def panels_of(body: dict[str, Any], *, is_live: bool = False) -> list[dict[str, Any]]:
    """The panels of a body, each checked.

    On the live channel a panel may say `since`: of which version it is. What counts there is the
    subscription's.

    Raises:
        Problem: One of them is not as `series:query` takes it.
    """
    panels = body.get("panels")
    if not isinstance(panels, list) or len(panels) > MAX_PANELS:
        raise Problem(Code.INVALID, f"`panels` is a list of at most {MAX_PANELS}", field="panels")
    for panel in panels:
        _check_panel(panel, is_live=is_live)
    return panels


def _check_panel(panel: object, *, is_live: bool) -> None:
    if not isinstance(panel, dict):
        raise Problem(Code.INVALID, "a panel is an object", field="panels")
    _refuse_unsupported(panel, _UNSUPPORTED if is_live else (*_UNSUPPORTED, "since"))
    if panel.get("warmup") not in (None, 0):  # it may be unhashable
        raise Problem(Code.UNSUPPORTED, "`warmup` is 0 as yet", field="warmup")
    if not isinstance(panel.get("id"), str):
        raise Problem(Code.INVALID, "a panel's `id` is text", field="id")
    series = _check_series(panel)
    if max(len(runs_of(panel)), len(series)) > MAX_SERIES:
        raise _too_many()
    _check_x(panel.get("x", "step"))
    px = panel.get("px", 1000)
    if isinstance(px, bool) or not isinstance(px, int) or not 1 <= px <= MAX_PX:
        raise Problem(Code.INVALID, f"`px` is a number from 1 to {MAX_PX}", field="px")
    if not set(panel.get("fields", FIELDS) if _texts(panel.get("fields", [])) else "?") <= {
        *FIELDS
    }:
        raise Problem(Code.INVALID, f"`fields` are some of {', '.join(FIELDS)}", field="fields")
    _check_range(panel.get("range"))
    _check_group(panel.get("group"))
    _check_devices(panel)
    if not isinstance(panel.get("beside", False), bool):
        raise Problem(Code.INVALID, "`beside` is true or false", field="beside")
    is_whole(panel)


def _too_many() -> Problem:
    detail = f"a panel has at most {MAX_SERIES:,} runs and keys"
    return Problem(Code.INVALID, detail, field="runs")


def runs_of(body: Mapping[str, Any]) -> list[str]:
    """The ids of the runs that a body asks for.

    Raises:
        Problem: It says none, or too many.
    """
    runs = body.get("runs")
    if not isinstance(runs, dict) or not _texts(runs.get("ids")):
        raise Problem(Code.INVALID, '`runs` is {"ids": [run, …]}', field="runs")
    if len(runs["ids"]) > MAX_SERIES:
        raise _too_many()
    return list(runs["ids"])


def range_of(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """The steps that a body asks for, both included; None for all.

    Raises:
        Problem: `range` is no range.
    """
    span = body.get("range")
    _check_range(span)
    if span is None:
        return None
    return math.ceil(span[0]), math.floor(span[1])


def _check_series(panel: Mapping[str, Any]) -> list[Any]:
    series = panel.get("series")
    if not _named(series, "metric") and not _named(series, "system"):
        text = '`series` is a list of {"metric": key}, or one of {"system": name}'
        raise Problem(Code.INVALID, text, field="series")
    if is_system(panel) and panel.get("x", "step") == "step":
        raise Problem(Code.INVALID, "samples of the system have no step: `x` is another", field="x")
    return list(panel["series"])


def _named(series: object, name: str) -> bool:
    return isinstance(series, list) and all(
        isinstance(one, dict) and isinstance(one.get(name), str) for one in series
    )


def is_system(panel: Mapping[str, Any]) -> bool:
    """Whether a panel asks for samples of the system rather than for what was logged."""
    return any("system" in one for one in panel["series"])


def is_whole(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for what later attempts mask as well: `branch` is `latest` or `all`.

    Raises:
        Problem: It is neither.
    """
    branch = body.get("branch", "latest")
    if not _is_one_of(branch, "latest", "all"):
        raise Problem(Code.INVALID, "`branch` is latest or all", field="branch")
    return bool(branch == "all")


def is_of_devices(panel: Mapping[str, Any]) -> bool:
    """Whether a panel asks for all devices of a kind, as one picture."""
    return panel.get("agg") is not None


def _check_devices(panel: Mapping[str, Any]) -> None:
    if not is_of_devices(panel):
        return
    if panel["agg"] != "devices":
        raise Problem(Code.INVALID, "`agg` is devices", field="agg")
    if not all(one.get("system", "").count("*") == 1 for one in panel["series"]):
        text = '`series` are {"system": name} with one * in place of the number of the device'
        raise Problem(Code.INVALID, text, field="series")
    if panel.get("group") is not None:
        raise Problem(Code.INVALID, "devices are not grouped", field="group")


def _check_x(x: object) -> None:
    if isinstance(x, dict) or x == "active":
        raise Problem(Code.UNSUPPORTED, "`x` is step, wall or relative as yet", field="x")
    if not _is_one_of(x, "step", "wall", "relative"):
        raise Problem(Code.INVALID, "`x` is step, wall or relative", field="x")


def _check_group(group: object) -> None:
    """`center` and `band` may be left out; there is but one kind of each yet."""
    if group is None:
        return
    if not isinstance(group, dict) or not {"by"} <= group.keys() <= _GROUP.keys():
        text = '`group` is {"by": ["run"], "center": "mean", "band": "minmax"} or null'
        raise Problem(Code.INVALID, text, field="group")
    for name, value in group.items():
        if value != _GROUP[name]:
            text = f"`{name}` of a group is {orjson.dumps(_GROUP[name]).decode()} as yet"
            raise Problem(Code.UNSUPPORTED, text, field="group")


def _check_range(span: object) -> None:
    if span is None:
        return
    if not isinstance(span, list) or len(span) != 2:  # noqa: PLR2004  # from, to
        raise Problem(Code.INVALID, "`range` is [from, to] or null", field="range")
    for end in span:
        if isinstance(end, bool) or not isinstance(end, (int, float)) or not math.isfinite(end):
            raise Problem(Code.INVALID, "`range` holds two finite numbers", field="range")
    if not -(2.0**62) <= span[0] <= span[1] <= 2.0**62:
        raise Problem(
            Code.INVALID,
            "`range` is from the smaller to the greater, within 2^62 of 0",
            field="range",
        )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
