"""Figures of Plotly."""

from __future__ import annotations

import base64
import copy
import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import figure, json_text
from steplog.data.one_file import OneFile, Unwritten, Written

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plotly", "write"]

_PACKED = {"bdata", "dtype"}
"""What Plotly makes of an array since version 6: its bytes, as base64."""
_FIXED = frozenset((bool, int, float, str, type(None)))
_SIZE_BYTES = 1 << 16
"""Of a figure: to count it would take as long as to copy it."""


class Plotly(OneFile):
    """A figure of Plotly.

    The constructor copies the figure and returns; whatever becomes of it later does not matter.
    `log` returns at once; the file is written on another thread. It is in the log first, then its
    row's value (`await run.alog`, `flush` and `finish` wait for it).

    Args:
        val: A figure of Plotly, its dict, or a figure or axes of matplotlib that Plotly can show
            without a loss, which is converted now.
        caption: A text beside it.

    Raises:
        ArgumentTypeError: It is none.
        UsageError: A figure of matplotlib cannot be converted.
    """

    _TYPE, _FOLDER = "plotly-file", "plotly"

    def __init__(self, val: Any, caption: str | None = None) -> None:  # noqa: ANN401  # of any library
        content = _content_of(val)
        super().__init__(Unwritten(functools.partial(_written, content), _SIZE_BYTES), caption)


def _content_of(value: Any) -> Mapping[str, Any]:  # noqa: ANN401  # of any library
    if isinstance(value, Mapping) and "data" in value:
        return {name: _copied(part) for name, part in value.items()}
    if hasattr(value, "to_plotly_json") and hasattr(value, "to_dict"):
        data, layout = getattr(value, "_data", None), getattr(value, "_layout", None)
        if isinstance(data, list) and isinstance(layout, Mapping) and not value.frames:
            return {"data": _copied(data), "layout": _copied(layout)}
        content: dict[str, Any] = value.to_dict()  # the same, ten times as slow
        return content
    drawn = figure.figure_of(value)
    if drawn is None:
        raise ArgumentTypeError(f"Plotly() takes a figure, got {type(value).__name__}")
    snapshot = figure.snapshot_of(drawn)
    converted = None if snapshot is None else snapshot.converted()
    if converted is None:
        raise UsageError("Plotly cannot show this figure of matplotlib: log it as it is")
    return converted


def _copied(value: Any) -> Any:  # noqa: ANN401  # of any library
    """A copy, all the way down."""
    if type(value) in _FIXED:
        return value
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _FIXED else _copied(item) for item in value]
    return copy.deepcopy(value)


def _written(content: Mapping[str, Any], _: Callable[[str], object]) -> Written:
    return Written(write(content), ".plotly.json", {})


def write(content: Mapping[str, Any]) -> bytes:
    """The dict of a figure as JSON, arrays as lists; may take long.

    Raises:
        TypeError: There is something in it that JSON does not know.
    """
    return json_text.encode(_unpacked(content), _plain)


def _unpacked(value: object) -> object:
    if isinstance(value, Mapping):
        if _PACKED <= value.keys() <= _PACKED | {"shape"}:
            return _array_of(value)
        return {name: _unpacked(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        return [_unpacked(item) for item in value]
    return value


def _array_of(packed: Mapping[str, Any]) -> object:
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    array = np.frombuffer(base64.b64decode(packed["bdata"]), np.dtype(packed["dtype"]))
    shape = packed.get("shape")
    if isinstance(shape, str):
        shape = [int(extent) for extent in shape.split(",")]
    return (array if shape is None else array.reshape(shape)).tolist()


def _plain(value: Any) -> object:  # noqa: ANN401  # of any library
    """What JSON does not know as something that it does, as Plotly's own encoder."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "M" and hasattr(value, "astype"):
        return value.astype("datetime64[us]").astype(str).tolist()
    for name in ("tolist", "isoformat"):
        if hasattr(value, name):
            return getattr(value, name)()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"a figure holds a {type(value).__name__}, which JSON does not know")
