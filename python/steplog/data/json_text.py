"""JSON of large values, in pieces: Python's own encoder keeps the interpreter until all is done."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["encode", "rows"]

_PIECE = 2048
"""Numbers that are written without a break: about a millisecond."""
_SEPARATORS = (",", ":")
_FLOAT32 = "%.9g"
"""As many digits as tell every float32 from all others; half as many as its float64 takes."""


def encode(value: object, otherwise: Callable[[Any], object]) -> bytes:
    """A nested value as JSON.

    Numbers that are none become null. `otherwise` makes what JSON does not know into something
    that it does.

    Raises:
        TypeError: By `otherwise`, of what cannot be stored.
        RecursionError: It nests too deep.
    """
    # To join bytes lets others run, to join text does not.
    return b"".join(piece.encode(errors="replace") for piece in _pieces(value, otherwise))


def _pieces(value: object, otherwise: Callable[[Any], object]) -> Iterator[str]:
    if isinstance(value, Mapping):
        mark = "{"
        for key, item in value.items():
            yield f"{mark}{json.dumps(str(key))}:"
            yield from _pieces(item, otherwise)
            mark = ","
        yield "{}" if mark == "{" else "}"
    elif isinstance(value, (list, tuple)):
        yield from _listed(value, otherwise)
    elif value is None or isinstance(value, (bool, int, float, str)):
        yield _scalar(value)
    else:
        yield from _pieces(otherwise(value), otherwise)


def _listed(value: Sequence[object], otherwise: Callable[[Any], object]) -> Iterator[str]:
    yield "["
    for start in range(0, len(value), _PIECE):
        part = value[start : start + _PIECE]
        yield "," if start else ""
        plain = _at_once(part)
        if plain is not None:
            yield plain
            continue
        for number, item in enumerate(part):
            yield "," if number else ""
            yield from _pieces(item, otherwise)
    yield "]"


def _at_once(part: Sequence[object]) -> str | None:
    """A part of a list whose items are plain numbers and texts, as most are; else None."""
    if any(isinstance(item, (Mapping, list, tuple)) for item in part):
        return None
    try:
        return json.dumps(part, separators=_SEPARATORS, allow_nan=False)[1:-1]
    except (TypeError, ValueError):  # NaN is a ValueError
        return None


def _scalar(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:  # NaN and infinities
        return "null"


def rows(array: Any) -> bytes:  # noqa: ANN401  # NumPy
    """A finite array of two dimensions as JSON: a list of rows."""
    per_row = array.shape[1]
    step = max(_PIECE // per_row, 1)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 4:  # noqa: PLR2004  # of float32
        one: Callable[[Any], str] = functools.partial(_short_rows, per_row)
    else:
        one = _rows
    pieces = [b"["]
    for start in range(0, len(array), step):
        pieces += [b"," if start else b"", one(array[start : start + step]).encode()]
    return b"".join([*pieces, b"]"])


def _short_rows(per_row: int, part: Any) -> str:  # noqa: ANN401  # NumPy
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if (np.signbit(part) & (part == 0)).any():  # "-0" would be read as an integer
        return _rows(part)
    form = f"[{','.join(itertools.repeat(_FLOAT32, per_row))}]"
    return ",".join(itertools.repeat(form, len(part))) % tuple(part.ravel().tolist())


def _rows(part: Any) -> str:  # noqa: ANN401  # NumPy
    return json.dumps(part.tolist(), separators=_SEPARATORS, allow_nan=False)[1:-1]
