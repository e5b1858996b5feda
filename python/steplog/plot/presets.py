"""Charts of columns: lines, points, bars, a histogram."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.table import Table
from steplog.plot.chart import CustomChart, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bar", "histogram", "line", "line_series", "scatter"]


def line(  # noqa: PLR0917  # as in the reference
    table: Any,  # noqa: ANN401  # a table, or a DataFrame of any library
    x: str,
    y: str,
    stroke: str | None = None,
    title: str = "",
    split_table: bool = False,
) -> CustomChart:
    """Lines through the points (`x`, `y`); one for each value of `stroke`.

    Raises:
        ArgumentTypeError: `table` is neither a `Table` nor a DataFrame.
        UsageError: It has no such column.
    """
    fields = {"x": x, "y": y} if stroke is None else {"x": x, "y": y, "stroke": stroke}
    return _chart("line", table, fields=fields, title=title, split_table=split_table)


def scatter(  # noqa: PLR0917  # as in the reference
    table: Any,  # noqa: ANN401  # a table, or a DataFrame of any library
    x: str,
    y: str,
    title: str = "",
    split_table: bool = False,
) -> CustomChart:
    """The points (`x`, `y`).

    Raises:
        ArgumentTypeError: `table` is neither a `Table` nor a DataFrame.
        UsageError: It has no such column.
    """
    fields = {"x": x, "y": y}
    return _chart("scatter", table, fields=fields, title=title, split_table=split_table)


def bar(  # noqa: PLR0917  # as in the reference
    table: Any,  # noqa: ANN401  # a table, or a DataFrame of any library
    label: str,
    value: str,
    title: str = "",
    split_table: bool = False,
) -> CustomChart:
    """A bar of the height `value` for each `label`.

    Raises:
        ArgumentTypeError: `table` is neither a `Table` nor a DataFrame.
        UsageError: It has no such column.
    """
    fields = {"label": label, "value": value}
    return _chart("bar", table, fields=fields, title=title, split_table=split_table)


def histogram(
    table: Any,  # noqa: ANN401  # a table, or a DataFrame of any library
    value: str,
    title: str = "",
    *,
    split_table: bool = False,
) -> CustomChart:
    """How the numbers of a column are distributed.

    Raises:
        ArgumentTypeError: `table` is neither a `Table` nor a DataFrame.
        UsageError: It has no such column.
    """
    fields = {"value": value}
    return _chart("histogram", table, fields=fields, title=title, split_table=split_table)


def _chart(
    name: str, table: object, *, fields: dict[str, str], title: str, split_table: bool
) -> CustomChart:
    found = table_of(table, "table")
    for field, column in fields.items():
        if column not in found.columns:
            raise UsageError(f"{field}={column!r}: the table has no such column: {found.columns}")
    return CustomChart(
        found,
        f"wandb/{name}/v0",
        fields=fields,
        string_fields={"title": title},
        split_table=split_table,
    )


def line_series(  # noqa: PLR0917  # as in the reference
    xs: Iterable[Any],
    ys: Iterable[Iterable[Any]],
    keys: Iterable[str] | None = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,
) -> CustomChart:
    """Several lines in one chart.

    Args:
        xs: The places of the points: a sequence for each line, or one for all.
        ys: For each line their heights.
        keys: Names of the lines; `line_0` and so on by default.
        title: Of the chart.
        xname: Of the horizontal axis.
        split_table: Whether the table stands apart from the chart.

    Raises:
        ArgumentTypeError: `xs`, `ys` or a line is no sequence.
        UsageError: Lengths do not go together.
    """
    lines = [_listed(f"ys[{at}]", one) for at, one in enumerate(_listed("ys", ys))]
    places = _listed("xs", xs)
    if not places or not _is_series(places[0]):
        places = [places] * len(lines)
    if len(places) != len(lines):
        raise UsageError(f"line_series() has {len(places)} xs for {len(lines)} ys")
    names = [f"line_{at}" for at in range(len(lines))] if keys is None else _listed("keys", keys)
    if len(names) != len(lines):
        raise UsageError(f"line_series() has {len(names)} keys for {len(lines)} ys")
    rows: list[Sequence[Any]] = []
    for at, (name, heights) in enumerate(zip(names, lines, strict=True)):
        where = _listed(f"xs[{at}]", places[at])
        if len(where) != len(heights):
            raise UsageError(f"line {name!r} has {len(where)} xs and {len(heights)} ys")
        rows += [[x, str(name), y] for x, y in zip(where, heights, strict=True)]
    columns = ["step", "lineKey", "lineVal"]
    return CustomChart(
        Table(columns, rows),
        "wandb/lineseries/v0",
        fields={name: name for name in columns},
        string_fields={"title": title, "xname": xname},
        split_table=split_table,
    )


def _is_series(value: object) -> bool:
    if _arrays.is_array(value):
        shape: Any = value
        return len(shape.shape) > 0
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _listed(what: str, values: Any) -> list[Any]:  # noqa: ANN401  # of any library
    if not _is_series(values):
        raise ArgumentTypeError(f"{what} is a sequence, got {type(values).__name__}")
    if _arrays.is_array(values):
        values = _arrays.as_numpy(_arrays.on_host(values)).tolist()
    return list(values)
