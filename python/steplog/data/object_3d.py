"""Objects in three dimensions."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import given_file, json_text, points
from steplog.data.one_file import OneFile, Unwritten, Written, text_or_none
from steplog.data.scene import SCENE, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Object3D"]


class Object3D(OneFile):
    """A point cloud, a scene of points, boxes and vectors, or a file of a shape.

    The constructor copies the points, or starts to copy them from their device, or reads the file,
    and returns; whatever becomes of them later does not matter. `log` returns at once; the file is
    written on another thread. It is in the log first, then its row's value (`await run.alog`,
    `flush` and `finish` wait for it).

    Args:
        data_or_path: An array or tensor (n, 3) of x, y, z; (n, 4) with a category of 1 to 14;
            (n, 6) with red, green, blue of 0 to 255. A dict of `type`, which is `lidar/beta`,
            `points`, `boxes` and `vectors`. The path of a file that ends in one of
            `SUPPORTED_TYPES`, an open file, or its content in `io.StringIO` or bytes, which is kept
            as it is.
        caption: A text beside it.
        file_type: What a content without a name is: one of `SUPPORTED_TYPES`.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        UsageError: It is no such object, cannot be read, or is too large.
    """

    _TYPE, _FOLDER = "object3D-file", "object3D"
    SUPPORTED_TYPES = frozenset({"obj", "gltf", "glb", "babylon", "stl", "pts.json"})
    SUPPORTED_POINT_CLOUD_TYPES = frozenset({SCENE})

    def __init__(
        self,
        data_or_path: Any,  # noqa: ANN401  # of any library
        caption: str | None = None,
        *,
        file_type: str | None = None,
    ) -> None:
        super().__init__(_source_of(data_or_path, file_type), caption)

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None) -> Object3D:  # noqa: ANN401  # path or file
        """The object of a file: as the constructor."""
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_numpy(cls, data: Any) -> Object3D:  # noqa: ANN401  # of any library
        """The point cloud of an array: as the constructor.

        Raises:
            ArgumentTypeError: It is no array.
        """
        if not _arrays.is_array(data):
            raise ArgumentTypeError(f"from_numpy() takes an array, got {type(data).__name__}")
        return cls(data)

    @classmethod
    def from_point_cloud(  # noqa: PLR0917  # as in the reference
        cls,
        points: Any,  # noqa: ANN401  # of any library
        boxes: Sequence[Mapping[str, Any]],
        vectors: Sequence[Mapping[str, Any]] | None = None,
        point_cloud_type: str = SCENE,
    ) -> Object3D:
        """A scene.

        Args:
            points: As of the constructor; a list of points, too.
            boxes: Each as `steplog.box3d` makes it: a dict of `corners`, 8 points, and `color`,
                `label` and `score`.
            vectors: Each a dict of `start` and `end`, two points.
            point_cloud_type: `lidar/beta`.

        Raises:
            ArgumentTypeError: A box or a vector is none.
            UsageError: The points are none, or the type is another.
        """
        scene = {"type": point_cloud_type, "points": points, "boxes": boxes, "vectors": vectors}
        return cls(scene)

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        folder = f"media/{cls._FOLDER}/"
        return {
            "_type": "object3D",
            "filenames": [str(one["path"]).removeprefix(folder) for one in stored],
            "count": len(stored),
            "objects": list(stored),
        }


def _source_of(data: Any, file_type: str | None) -> Written | Unwritten:  # noqa: ANN401  # of any library
    if _arrays.is_array(data):
        cloud = points.Points(data)
        return Unwritten(functools.partial(_write_points, cloud), cloud.size_bytes)
    if isinstance(data, Mapping):
        scene = Scene(data)
        return Unwritten(functools.partial(_write_scene, scene), scene.size_bytes)
    found = given_file.find("Object3D()", data)
    kind = found.name or text_or_none(file_type)
    if kind is None:
        raise UsageError("Object3D() needs file_type for what has no name")
    known = [one for one in Object3D.SUPPORTED_TYPES if f".{kind}".lower().endswith(f".{one}")]
    if not known:
        raise UsageError(
            f"a 3-D object is a file of type {', '.join(sorted(Object3D.SUPPORTED_TYPES))}, "
            f"got {kind}"
        )
    return Written(found.content, f".{known[0]}", {})


def _write_points(cloud: points.Points, warn: Callable[[str], object]) -> Written:
    return Written(json_text.rows(cloud.read(warn)), ".pts.json", {})


def _write_scene(scene: Scene, warn: Callable[[str], object]) -> Written:
    boxes, vectors = (json.dumps(part, allow_nan=False) for part in (scene.boxes, scene.vectors))
    parts = [
        f'{{"boxes":{boxes},"points":'.encode(),
        b"[]" if scene.points is None else json_text.rows(scene.points.read(warn)),
        f',"type":"{SCENE}","vectors":{vectors}}}'.encode(),
    ]
    return Written(b"".join(parts), ".pts.json", {})
