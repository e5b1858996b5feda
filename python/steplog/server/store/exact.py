"""Values without loss: msgpack with integers of any size, and JSON as the page reads it."""

from __future__ import annotations

import math
from typing import cast

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import orjson

_BIG_INT = 1
_MIN_INT64 = -(1 << 63)
_MAX_INT64 = (1 << 63) - 1


def _big(value: object) -> object:
    if isinstance(value, int) and not _MIN_INT64 <= value <= _MAX_INT64:
        return msgpack.ExtType(_BIG_INT, str(value).encode("ascii"))
    if isinstance(value, dict):
        return {key: _big(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_big(item) for item in value]
    return value


def _hook(code: int, data: bytes) -> object:
    return int(data) if code == _BIG_INT else msgpack.ExtType(code, data)


def pack(value: object) -> bytes:
    """Msgpack; integers outside int64 as ext type 1, decimal text."""
    return cast("bytes", msgpack.packb(_big(value), use_bin_type=True))


def unpack(data: bytes) -> object:
    """The inverse of `pack`."""
    return msgpack.unpackb(data, ext_hook=_hook, strict_map_key=False, raw=False)


def unpack_tree(data: bytes | None) -> dict[str, object]:
    """A packed dict, empty for nothing."""
    return cast("dict[str, object]", unpack(data)) if data else {}


def _page(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and not _MIN_INT64 <= value <= _MAX_INT64:
        return str(value)
    if isinstance(value, dict):
        return {str(key): _page(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_page(item) for item in value]
    return value


def page_json(value: object) -> bytes:
    """JSON as the page reads it: NaN and infinities are strings, so are integers over int64."""
    return orjson.dumps(_page(value), option=orjson.OPT_SERIALIZE_NUMPY)
