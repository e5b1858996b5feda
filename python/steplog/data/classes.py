"""Names of classes, for boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steplog._errors import ArgumentTypeError
from steplog.data.media import Value

__all__ = ["Classes"]


class Classes(Value):
    """Names of classes, as `Image(classes=…)` takes them.

    Args:
        class_set: A list of `{"id": a number or text, "name": a text}`.

    Raises:
        ArgumentTypeError: It is none.
    """

    def __init__(self, class_set: Sequence[Mapping[str, Any]]) -> None:
        try:
            self._classes = [{"id": one["id"], "name": str(one["name"])} for one in class_set]
        except (TypeError, KeyError) as error:
            raise ArgumentTypeError(
                'Classes() takes a list of {"id": a number, "name": a text}'
            ) from error

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classes) and self._classes == other._classes

    __hash__ = None  # type: ignore[assignment]  # as of what compares by its content

    def taken(self) -> object:
        """As of `Value`."""
        return {"_type": "classes", "class_set": [dict(one) for one in self._classes]}
