"""A chart: a table, and the Vega specification that draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError
from steplog._frames import is_frame
from steplog.data.media import LateMedia, Media, Moved
from steplog.data.table import Table

if TYPE_CHECKING:
    from steplog.data.media import Place

__all__ = ["CustomChart", "plot_table", "table_of", "visualize"]

_SPLIT = "Custom Chart Tables/"
"""Before the key of a table that is to stand apart from its chart."""


class CustomChart(Moved):
    """A chart over a table.

    Logged under `k`, it puts its table into the row as `k_table`, and into the config how it is
    drawn: `_wandb.visualize.k`. In nested dicts the keys down to it are joined by dots.

    Args:
        table: Its rows.
        spec_name: The Vega specification, such as `wandb/line/v0`.
        fields: Of the specification's names of fields the columns of the table.
        string_fields: Of its names of texts those texts.
        split_table: Whether the table's key begins with `Custom Chart Tables/`.

    Attributes:
        table: As given.
        spec_name: As given.
        fields: As given.
        string_fields: As given.
        split_table: As given.
    """

    def __init__(
        self,
        table: Table,
        spec_name: str,
        *,
        fields: Mapping[str, Any],
        string_fields: Mapping[str, Any],
        split_table: bool = False,
    ) -> None:
        self.table = table
        self.spec_name = spec_name
        self.fields = dict(fields)
        self.string_fields = dict(string_fields)
        self.split_table = split_table

    def moved(self, path: str) -> tuple[str, LateMedia]:
        """As of `Moved`."""
        key = f"{_SPLIT if self.split_table else ''}{path}_table"
        panel: dict[str, object] = {"panel_type": "Vega2", "panel_config": self._panel_config(key)}
        return key, _with_panel(self.table, ("visualize", path), panel)

    def _panel_config(self, table_key: str) -> dict[str, object]:
        run_sets = {"name": "runSets", "value": "${runSets}"}
        table = {"name": "summaryTable", "args": [{"name": "tableKey", "value": table_key}]}
        fields = [
            *({"name": name, "fields": []} for name in ("id", "name", "_defaultColorIndex")),
            {**table, "fields": []},
        ]
        return {
            "panelDefId": self.spec_name,
            "fieldSettings": self.fields,
            "stringSettings": self.string_fields,
            "transform": {"name": "tableWithLeafColNames"},
            "userQuery": {
                "queryFields": [{"name": "runSets", "args": [run_sets], "fields": fields}]
            },
        }


class _Visualized(Moved):
    """A table that is drawn by a specification, in the older way."""

    def __init__(self, spec_id: str, table: Table) -> None:
        self.id = spec_id
        self.table = table

    def moved(self, path: str) -> tuple[str, LateMedia]:
        """As of `Moved`."""
        settings = {"x-axis": "_step", "key": path}
        panel: dict[str, object] = {"id": self.id, "historyFieldSettings": settings}
        return path, _with_panel(self.table, ("viz", path), panel)


def _with_panel(table: Table, name: tuple[str, str], panel: dict[str, object]) -> LateMedia:
    return LateMedia([_Drawn(table.taken().items[0], name, panel)], is_list=False)


class _Drawn(Media):
    """A table, and how it is drawn."""

    def __init__(self, table: Media, name: tuple[str, str], panel: dict[str, object]) -> None:
        self._table = table
        self._name = name
        self._panel = panel
        self.size_bytes = table.size_bytes

    def stored(self, place: Place, key: str) -> dict[str, object]:
        """As of `Media`."""
        found = self._table.stored(place, key)
        place.put_panel(*self._name, self._panel)
        return found


def table_of(value: object, what: str) -> Table:
    """A table, also out of a DataFrame.

    Raises:
        ArgumentTypeError: It is neither.
    """
    if isinstance(value, Table):
        return value
    if is_frame(value):
        return Table(dataframe=value)
    raise ArgumentTypeError(f"{what} is a Table or a DataFrame, got {type(value).__name__}")


def plot_table(  # noqa: PLR0917  # as in the reference
    vega_spec_name: str,
    data_table: Any,  # noqa: ANN401  # a table, or a DataFrame of any library
    fields: Mapping[str, Any],
    string_fields: Mapping[str, Any] | None = None,
    split_table: bool = False,
) -> CustomChart:
    """A chart of a table by a Vega specification of one's own.

    Args:
        vega_spec_name: Of the specification.
        data_table: A `Table`, or a DataFrame.
        fields: Of its names of fields the columns of the table.
        string_fields: Of its names of texts those texts.
        split_table: Whether the table stands apart from the chart.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
    """
    if not isinstance(vega_spec_name, str):
        raise ArgumentTypeError(f"vega_spec_name is a text, got {type(vega_spec_name).__name__}")
    strings = {} if string_fields is None else string_fields
    for what, given in (("fields", fields), ("string_fields", strings)):
        if not isinstance(given, Mapping):
            raise ArgumentTypeError(f"{what} is a dict, got {type(given).__name__}")
    return CustomChart(
        table_of(data_table, "data_table"),
        vega_spec_name,
        fields=fields,
        string_fields=strings,
        split_table=split_table,
    )


def visualize(id: str, value: Any) -> _Visualized:  # noqa: ANN401  # a table, or a DataFrame
    """A table that a Vega specification draws, in the older way: it keeps its key.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
    """
    if not isinstance(id, str):
        raise ArgumentTypeError(f"id is a text, got {type(id).__name__}")
    return _Visualized(id, table_of(value, "value"))
