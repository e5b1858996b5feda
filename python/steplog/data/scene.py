"""Scenes of points, boxes and vectors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.points import Points

__all__ = ["SCENE", "Scene", "box3d"]

SCENE = "lidar/beta"
_CORNERS, _SPACE = 8, 3


class Scene:
    """A scene, as it was when it was given.

    Attributes:
        points: None, where there are none.
        boxes: As plain values.
        vectors: As plain values.
        size_bytes: What it keeps in memory.

    Raises:
        ArgumentTypeError: A box or a vector is none.
        UsageError: The points are none, or the type is another.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        if given.get("type") != SCENE:
            raise UsageError(f"the type of a scene is {SCENE!r}, got {given.get('type')!r}")
        found = given.get("points")
        self.points = None if found is None else _points_of(found)
        self.boxes = [_box(box) for box in _items("boxes", given)]
        self.vectors = [_vector(vector) for vector in _items("vectors", given)]
        self.size_bytes = 0 if self.points is None else self.points.size_bytes


def _points_of(given: Any) -> Points | None:  # noqa: ANN401  # of any library
    if not _arrays.is_array(given):
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        try:
            given = np.asarray(given)
        except ValueError as error:  # of rows of unequal lengths
            raise ArgumentTypeError(f"points are numbers: {error}") from error
    return None if tuple(given.shape) == (0,) else Points(given)


def _items(name: str, given: Mapping[str, Any]) -> list[Any]:
    items: Any = given.get(name)
    items = items.tolist() if hasattr(items, "tolist") else items
    if items is None:
        return []
    if isinstance(items, (str, Mapping)) or not isinstance(items, Sequence):
        raise ArgumentTypeError(f"{name} must be a list, got {type(items).__name__}")
    return list(items)


def _box(box: object) -> dict[str, object]:
    if not isinstance(box, Mapping):
        raise ArgumentTypeError(f"a box must be a dict, got {type(box).__name__}")
    corners = _plain(box.get("corners"))
    if not isinstance(corners, list) or len(corners) != _CORNERS:
        raise ArgumentTypeError(f"corners of a box must be {_CORNERS} points, got {corners!r}")
    found: dict[str, object] = {"corners": [_point("a corner", corner) for corner in corners]}
    label, score = box.get("label"), box.get("score")
    if label is not None:
        found["label"] = str(label)
    if box.get("color") is not None:
        found["color"] = _point("color", box["color"])
    if score is not None:
        found["score"] = _number("score", score)
    return found


def _vector(vector: object) -> dict[str, object]:
    if not isinstance(vector, Mapping):
        raise ArgumentTypeError(f"a vector must be a dict, got {type(vector).__name__}")
    return {name: _point(name, vector.get(name)) for name in ("start", "end")}


def _plain(value: Any) -> object:  # noqa: ANN401  # of any library
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _point(what: str, given: object) -> list[int | float]:
    point = _plain(given)
    if not isinstance(point, list) or len(point) != _SPACE:
        raise ArgumentTypeError(f"{what} must be {_SPACE} numbers, got {given!r}")
    return [_number(what, number) for number in point]


def _number(what: str, given: object) -> int | float:
    if isinstance(given, int) and not isinstance(given, bool):
        return int(given)
    if isinstance(given, bool) or not isinstance(given, Real) or not math.isfinite(float(given)):
        raise ArgumentTypeError(f"{what} must be finite numbers, got {given!r}")
    return float(given)


def box3d(
    *,
    center: Any,  # noqa: ANN401  # of any library
    size: Any,  # noqa: ANN401  # of any library
    orientation: Any,  # noqa: ANN401  # of any library
    color: Any,  # noqa: ANN401  # of any library
    label: str | None = None,
    score: float | None = None,
) -> dict[str, Any]:
    """A box for `Object3D.from_point_cloud`.

    Args:
        center: Its middle: x, y, z.
        size: Its lengths along its own axes.
        orientation: The rotation of its axes, as a quaternion r, x, y, z of any length but 0.
        color: Red, green, blue.
        label: A text on it.
        score: A number on it.

    Returns:
        A dict of `corners`, 8 points, and `color`, `label` and `score` as given.

    Raises:
        UsageError: An argument has another count of numbers, or the quaternion is 0.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    given = {"center": (center, _SPACE), "size": (size, _SPACE), "orientation": (orientation, 4)}
    found = {}
    for name, (value, count) in given.items():
        array = np.asarray(value, np.float64)
        if array.shape != (count,) or not np.isfinite(array).all():
            raise UsageError(f"{name} of a box must be {count} finite numbers, got {value!r}")
        found[name] = array
    length = np.abs(found["orientation"]).max()
    if length == 0:
        raise UsageError("orientation of a box must not be 0")
    scaled = found["orientation"] / length  # its square is a number
    units = np.array(list(itertools.product((-1, 1), repeat=_SPACE)))
    turned = (0.5 * found["size"] * units) @ _rotation(scaled / np.linalg.norm(scaled)).T
    corners = tuple(tuple(corner) for corner in (found["center"] + turned).tolist())
    return {"corners": corners, "color": color, "label": label, "score": score}


def _rotation(quaternion: Any) -> Any:  # noqa: ANN401  # NumPy
    """The matrix of a quaternion of length 1."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    r, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * r), 2 * (x * z + y * r)],
            [2 * (x * y + z * r), 1 - 2 * (x * x + z * z), 2 * (y * z - x * r)],
            [2 * (x * z - y * r), 2 * (y * z + x * r), 1 - 2 * (x * x + y * y)],
        ]
    )
