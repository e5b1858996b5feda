"""Boxes on images."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError
from steplog.data.media import put

if TYPE_CHECKING:
    from steplog.data.media import Place

__all__ = ["Boxes", "boxes_of", "named_sets"]

_CORNERS = ("minX", "maxX", "minY", "maxY")


class Boxes:
    """A set of boxes, as the file that it becomes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def store(self, place: Place, key: str) -> dict[str, object]:
        """Keep the file, then give what the row says of it."""
        where = ("metadata/boxes2D", key, ".boxes2D.json")
        return {"_type": "boxes2D", **put(place, where, self._content)}


def boxes_of(boxes: object, labels: Mapping[str, str]) -> dict[str, Boxes]:
    """The sets of boxes by name; `labels` name what those without labels of their own show.

    Raises:
        ArgumentTypeError: A box is none.
    """
    return {name: Boxes(_content(one, labels)) for name, one in named_sets("boxes", boxes).items()}


def named_sets(what: str, given: object) -> dict[str, Mapping[str, Any]]:
    """The dicts in a dict.

    Raises:
        ArgumentTypeError: It is no dict of dicts.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(
        isinstance(one, Mapping) for one in given.values()
    ):
        raise ArgumentTypeError(f"{what} must be a dict of dicts")
    return {str(name): one for name, one in given.items()}


def labels_in(given: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, str]:
    """The `class_labels` of a set, or the ones for all.

    Raises:
        ArgumentTypeError: They are no dict.
    """
    own = given.get("class_labels")
    if own is None:
        return dict(labels)
    if not isinstance(own, Mapping):
        raise ArgumentTypeError("class_labels must be a dict of numbers to texts")
    return {str(number): str(label) for number, label in own.items()}


def _content(given: Mapping[str, Any], labels: Mapping[str, str]) -> bytes:
    boxes = given.get("box_data")
    if isinstance(boxes, str) or not isinstance(boxes, Sequence):
        raise ArgumentTypeError("box_data must be a list of boxes")
    plain = [_box(box) for box in boxes]
    found = labels_in(given, labels)
    if not found:
        numbers = sorted({box["class_id"] for box in plain if "class_id" in box})
        found = {str(number): f"class_{number}" for number in numbers}
    # A NaN would be a token that no reader of JSON but Python's takes.
    return json.dumps({"box_data": plain, "class_labels": found}, allow_nan=False).encode()


def _box(box: object) -> dict[str, Any]:
    if not isinstance(box, Mapping):
        raise ArgumentTypeError(f"a box must be a dict, got {type(box).__name__}")
    plain: dict[str, Any] = {str(name): value for name, value in box.items()}
    plain["position"] = _position(box.get("position"))
    number = plain.get("class_id")
    if number is not None:
        if not isinstance(number, Integral):
            raise ArgumentTypeError(f"class_id must be an integer, got {number!r}")
        plain["class_id"] = int(number)
    scores = plain.get("scores")
    if scores is not None:
        if not isinstance(scores, Mapping) or not all(map(_is_number, scores.values())):
            raise ArgumentTypeError("scores must be a dict of texts to numbers")
        # A score that is none (NaN, infinite) is a missing one.
        plain["scores"] = {
            str(name): _plain(score) for name, score in scores.items() if _is_finite(score)
        }
    for name in ("box_caption", "domain"):
        if not isinstance(plain.get(name), (str, type(None))):
            raise ArgumentTypeError(f"{name} must be a text, got {plain[name]!r}")
    known = {"position", "class_id", "scores", "box_caption", "domain"}
    return {name: value for name, value in plain.items() if name in known and value is not None}


def _position(position: object) -> dict[str, Any]:
    if isinstance(position, Mapping):
        if all(_is_finite(position.get(name)) for name in _CORNERS):
            return {name: _plain(position[name]) for name in _CORNERS}
        middle = position.get("middle")
        sides = {name: position.get(name) for name in ("width", "height")}
        if (
            isinstance(middle, Sequence)
            and len(middle) == 2  # noqa: PLR2004  # x and y
            and all(map(_is_finite, [*middle, *sides.values()]))
        ):
            return {
                "middle": [_plain(part) for part in middle],
                **{name: _plain(side) for name, side in sides.items()},
            }
    raise ArgumentTypeError(
        "the position of a box has minX, maxX, minY and maxY, or middle [x, y], width and height, "
        f"all finite numbers, got {position!r}"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _plain(number: Any) -> int | float:  # noqa: ANN401  # a number of any library
    return int(number) if isinstance(number, Integral) else float(number)
