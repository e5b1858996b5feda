"""The types of a table's columns, as trees of dicts: the form in which its file says them."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
import pathlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError
from steplog._loaded import is_of, name_in
from steplog.data.media import Value

__all__ = [
    "ANY",
    "NONE",
    "PLAIN",
    "UNKNOWN",
    "Kind",
    "holds",
    "is_media",
    "is_nan",
    "joined",
    "kind_of",
    "kind_of_cells",
    "kind_of_dtype",
    "named",
    "of_numpy",
    "optional",
    "spelled",
    "union",
    "widened",
]

Kind = dict[str, Any]
"""`{"wb_type": its name}`, and `params` where it has some."""


def named(name: str, **params: object) -> Kind:
    """A type by its name."""
    return {"wb_type": name, "params": params} if params else {"wb_type": name}


NUMBER, STRING, BOOLEAN = named("number"), named("string"), named("boolean")
TIMESTAMP, NONE, ANY, UNKNOWN = named("timestamp"), named("none"), named("any"), named("unknown")

PLAIN: dict[type, Kind] = {
    type(None): NONE,
    bool: BOOLEAN,
    int: NUMBER,
    float: NUMBER,
    complex: STRING,
    str: STRING,
    bytes: STRING,
    bytearray: STRING,
    dt.datetime: TIMESTAMP,
    dt.date: TIMESTAMP,
    dt.time: STRING,
    dt.timedelta: NUMBER,
}
"""Of classes whose objects are all of one type."""
_TEXTS = {"decimal.Decimal", "fractions.Fraction", "uuid.UUID"}
"""Classes whose objects are stored as texts; none of these modules is imported for the question."""
_NUMPY = {
    **dict.fromkeys("iufm", NUMBER),
    **dict.fromkeys("SUc", STRING),
    "b": BOOLEAN,
    "M": TIMESTAMP,
}
"""Of a dtype's kind."""
_LISTS = (list, tuple, set, frozenset, collections.deque)
_MOST_DEEP = 64
"""What nests deeper, or within itself, is of any type."""


def is_media(kind: Kind) -> bool:
    """Whether it is a type of files."""
    return str(kind["wb_type"]).endswith("-file")


def kind_of(cell: Any, depth: int = _MOST_DEEP) -> Kind:  # noqa: ANN401, C901, PLR0911  # one a type
    """The type of a cell.

    Raises:
        ArgumentTypeError: It is of a type that no table holds.
    """
    plain = PLAIN.get(type(cell))
    if plain is not None:
        return plain
    if isinstance(cell, enum.Enum):
        return kind_of(cell.value, depth)
    if isinstance(cell, Value):
        return _kind_of_value(type(cell))
    if depth == 0:
        return ANY
    if isinstance(cell, _LISTS):
        return named("list", element_type=_element(cell, depth), length=len(cell))
    if isinstance(cell, Mapping):
        known = {str(key): kind_of(item, depth - 1) for key, item in dict(cell).items()}
        return named("typedDict", type_map=known)
    if _arrays.is_array(cell):
        shape = [int(extent) for extent in cell.shape]
        return named("ndarray", shape=shape) if shape else _kind_of_numpy(cell)
    for base in (bool, int, float, str, dt.date, pathlib.PurePath):  # subclasses
        if isinstance(cell, base):
            missing = type(cell).__name__ == "NaTType"
            return NONE if missing else STRING if base is pathlib.PurePath else PLAIN[base]
    if type(cell).__name__ == "NAType":
        return NONE
    is_text = f"{type(cell).__module__}.{type(cell).__name__}" in _TEXTS
    return STRING if is_text else named("pythonObject", class_name=type(cell).__name__)


def _kind_of_value(kind: type[Value]) -> Kind:
    if not hasattr(kind, "_store"):
        if kind.__name__ == "Histogram":
            return named("histogram")
        raise ArgumentTypeError(f"a table cannot hold a {kind.__name__}")
    name = kind.__name__
    return named("object3D-file" if name == "Object3D" else f"{name.lower()}-file")


def _kind_of_numpy(value: Any) -> Kind:  # noqa: ANN401  # of any library
    return _NUMPY.get(getattr(value.dtype, "kind", "f"), NUMBER)


def of_numpy(kind: str) -> Kind | None:
    """The type of what an array of NumPy holds, by its dtype's kind; None: of anything."""
    return _NUMPY.get(kind)


def kind_of_cells(cells: Iterable[Any]) -> Kind:
    """The type of what may be any of these cells; of what nothing is known where there are none."""
    items = list(cells)
    if float in set(map(type, items)):
        items = [cell for cell in items if not is_nan(cell)] or items
    return _element(items, _MOST_DEEP)


def _element(cells: Any, depth: int) -> Kind:  # noqa: ANN401  # an iterable
    items = list(cells)
    classes = set(map(type, items))
    if classes <= PLAIN.keys():
        return union([PLAIN[one] for one in classes])
    found = UNKNOWN
    for item in items:
        found = widened(found, kind_of(item, depth - 1))
    return found


# ---- how types go together ----------------------------------------------------------------------


def union(kinds: list[Kind]) -> Kind:
    """What is of one of these types; sorted by their names, as the reference has them."""
    flat: list[Kind] = []
    for kind in kinds:
        for one in kind["params"]["allowed_types"] if kind["wb_type"] == "union" else [kind]:
            if one not in flat:
                flat.append(one)
    if len(flat) > 1 and any(one == ANY for one in flat):
        return ANY
    if len(flat) < 2:  # noqa: PLR2004  # no two
        return flat[0] if flat else UNKNOWN
    return named("union", allowed_types=sorted(flat, key=lambda one: str(one["wb_type"])))


def optional(kind: Kind) -> Kind:
    """The same type, or None."""
    return union([NONE, kind])


def holds(kind: Kind, name: str) -> bool:
    """Whether a type, or one of a union, has this name."""
    if kind["wb_type"] == "union":
        return any(one["wb_type"] == name for one in kind["params"]["allowed_types"])
    return bool(kind["wb_type"] == name)


def joined(kind: Kind, other: Kind) -> Kind | None:  # noqa: PLR0911  # one a type
    """What a column's type becomes when a cell of another is put into it; None: it cannot be."""
    if kind in (other, ANY):
        return kind
    if kind["wb_type"] == "union":
        return _joined_union(kind["params"]["allowed_types"], other)
    if kind == UNKNOWN:
        return None if other == NONE else other
    if other == UNKNOWN:
        return kind
    if kind["wb_type"] != other["wb_type"]:
        return None
    ours, theirs = kind.get("params", {}), other.get("params", {})
    if kind["wb_type"] == "list":
        is_long = ours["length"] == theirs["length"]
        element = widened(ours["element_type"], theirs["element_type"])
        return named("list", element_type=element, length=ours["length"] if is_long else None)
    if kind["wb_type"] == "typedDict":
        return named("typedDict", type_map=_joined_maps(ours["type_map"], theirs["type_map"]))
    if kind["wb_type"] == "ndarray":
        return named("ndarray", shape=None)
    return None


def _joined_union(allowed: list[Kind], other: Kind) -> Kind | None:
    if other["wb_type"] == "union":
        kind: Kind | None = union(allowed)
        for one in other["params"]["allowed_types"]:
            kind = None if kind is None else joined(kind, one)
        return kind
    if other in allowed:
        return union(allowed)
    for at, one in enumerate(allowed):
        found = joined(one, other)
        if found is not None:
            return union([*allowed[:at], found, *allowed[at + 1 :]])
    return None


def _joined_maps(ours: dict[str, Kind], theirs: dict[str, Kind]) -> dict[str, Kind]:
    return {
        key: widened(ours[key], theirs[key])
        if key in ours and key in theirs
        else optional(ours.get(key) or theirs[key])
        for key in {**ours, **theirs}
    }


def widened(kind: Kind, other: Kind) -> Kind:
    """The type of what may be of either."""
    if kind == UNKNOWN:
        return other
    found = joined(kind, other)
    return union([kind, other]) if found is None else found


# ---- what users write for a type, and how it is said to them -------------------------------------


def kind_of_dtype(dtype: Any) -> Kind:  # noqa: ANN401  # a class, a dtype of NumPy, or a tree
    """The type that is meant.

    Raises:
        ArgumentTypeError: There is none.
    """
    if dtype is None:
        return UNKNOWN
    if isinstance(dtype, Mapping) and "wb_type" in dtype:
        return dict(dtype)
    if isinstance(dtype, type):
        return _kind_of_class(dtype)
    if isinstance(dtype, str) and dtype in _NAMES:
        return named(dtype)
    if is_of(dtype, "numpy", "dtype"):
        return _NUMPY.get(dtype.kind, ANY)
    raise ArgumentTypeError(f"dtype is a type, such as int or str, got {dtype!r}")


_NAMES = {"any", "boolean", "none", "number", "string", "timestamp", "unknown"}


def _kind_of_class(kind: type) -> Kind:  # noqa: PLR0911  # one a type
    if issubclass(kind, Value):
        return _kind_of_value(kind)
    scalar, array = name_in("numpy", "generic"), name_in("numpy", "ndarray")
    if scalar is not None and issubclass(kind, scalar):
        return _NUMPY.get(sys.modules["numpy"].dtype(kind).kind, ANY)
    if issubclass(kind, _LISTS):
        return named("list", element_type=UNKNOWN, length=None)
    if issubclass(kind, Mapping):
        return named("typedDict", type_map={})
    if array is not None and issubclass(kind, array):
        return named("ndarray", shape=None)
    for base, known in PLAIN.items():
        if issubclass(kind, base):
            return known
    return ANY if kind is object else named("pythonObject", class_name=kind.__name__)


def spelled(kind: Kind) -> str:
    """A type for people."""
    name, params = kind["wb_type"], kind.get("params", {})
    if name == "union":
        return " or ".join(spelled(one) for one in params["allowed_types"])
    if name == "list":
        return f"list of {spelled(params['element_type'])}"
    return f"object of {params['class_name']}" if name == "pythonObject" else str(name)


def is_nan(cell: object) -> bool:
    """Whether it is the float NaN, which counts as None in what holds no numbers."""
    return isinstance(cell, float) and math.isnan(cell)
