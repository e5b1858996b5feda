"""What the beginning of a value tells: of which type an object is, and how many it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack  # type: ignore[import-untyped]  # it has no stubs

from steplog.server._decode import unpack_value
from steplog.server.schema import TYPE_KEY

HEAD_BYTES = 192
"""Of an object: its type, and of most lists their count."""
LIST_FORMS = frozenset({"images/separated", "videos", "audio", "html", "object3D", "molecule"})
"""Objects that stand for `count` of them."""

_STR = 0xA0
_MAP, _MAP_BITS, _MAP16, _MAP16_BYTES, _MAP32_BYTES = 0x80, 0xF0, 0xDE, 3, 5
TYPE_BYTES = bytes([_STR + len(TYPE_KEY)]) + TYPE_KEY.encode()
"""The key of an object's type as msgpack has it."""


@dataclass(frozen=True)
class Head:
    """What a value is.

    Attributes:
        kind: Its type; of a list that of its first object; empty for none.
        count: How many objects it stands for; None: only the whole of it tells.
    """

    kind: str
    count: int | None

    @classmethod
    def of(cls, text: bytes, size: int) -> Head:
        """That of a value of `size` bytes that begins so."""
        first = text[0] if text else 0
        at = _MAP16_BYTES if first == _MAP16 else _MAP32_BYTES
        if first & _MAP_BITS == _MAP:
            at = 1
        found = _begun(text) if text.startswith(TYPE_BYTES, at) else cls("", None)
        if found.count is None and size <= len(text):
            return cls.of_value(unpack_value(text))
        return found

    @classmethod
    def of_value(cls, value: object) -> Head:
        """That of a whole value."""
        objects = objects_in(value)
        kind = str(objects[0][TYPE_KEY]) if objects else ""
        count = objects[0].get("count") if isinstance(value, dict) and kind in LIST_FORMS else None
        return cls(kind, count if isinstance(count, int) and count >= 0 else len(objects))


def _begun(text: bytes) -> Head:
    unpacker = msgpack.Unpacker(strict_map_key=False, read_size=HEAD_BYTES)
    unpacker.feed(text)
    try:
        left = unpacker.read_map_header() - 1
        unpacker.skip()
        kind = unpacker.unpack()
        if not isinstance(kind, str) or kind not in LIST_FORMS:
            return Head(kind, 1) if isinstance(kind, str) else Head("", 0)
        for _ in range(left):
            if unpacker.unpack() == "count":
                count = unpacker.unpack()
                return (
                    Head(kind, count) if isinstance(count, int) and count >= 0 else Head("", None)
                )
            unpacker.skip()
    except (ValueError, msgpack.UnpackException):
        pass  # cut before its count
    return Head("", None)


def objects_in(value: object) -> list[dict[str, object]]:
    """The objects that a value is, or holds as a list does."""
    return [
        one
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict) and isinstance(one.get(TYPE_KEY), str)
    ]


__all__ = ["HEAD_BYTES", "LIST_FORMS", "TYPE_BYTES", "Head", "objects_in"]
