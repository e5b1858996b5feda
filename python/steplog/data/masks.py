"""Masks on images."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import given_file, pixels, png
from steplog.data.boxes import labels_in, named_sets
from steplog.data.media import put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog.data.media import Place

__all__ = ["Mask", "masks_of"]

_GREATEST = 255
_PNG = b"\x89PNG\r\n\x1a\n"


class Mask:
    """A mask: a class for each pixel.

    Attributes:
        size_bytes: What it keeps in memory.
    """

    def __init__(
        self, encode: Callable[[], bytes], size_bytes: int, *, labels: Mapping[str, str]
    ) -> None:
        self._encode = encode
        self._labels = labels
        self.size_bytes = size_bytes

    def __getstate__(self) -> dict[str, object]:
        """For another process: as its file."""
        return {**self.__dict__, "_encode": functools.partial(bytes, self._encode())}

    def store(self, place: Place, key: str) -> dict[str, object]:
        """Keep the file, then give what the row says of it."""
        stored = put(place, ("images/mask", key, ".mask.png"), self._encode())
        labels = {"class_labels": dict(self._labels)} if self._labels else {}
        return {"_type": "mask", **stored, **labels}


def masks_of(masks: object, labels: Mapping[str, str]) -> dict[str, Mask]:
    """The masks by name; `labels` name what those without labels of their own show.

    Raises:
        ArgumentTypeError: A mask is no array (H, W) of integers from 0 to 255.
        UsageError: A mask's file cannot be read, is no PNG, or has too many pixels.
    """
    return {name: _mask(one, labels) for name, one in named_sets("masks", masks).items()}


def _mask(given: Mapping[str, Any], labels: Mapping[str, str]) -> Mask:
    own = labels_in(given, labels)
    if given.get("mask_data") is None:
        content = _read(given.get("path"))
        return Mask(lambda: content, len(content), labels=own)
    array = given["mask_data"]
    if not _arrays.is_array(array):
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        array = np.asarray(array)
    if len(array.shape) != 2:  # noqa: PLR2004  # height and width
        raise ArgumentTypeError(f"mask_data must be (H, W), got {tuple(array.shape)}")
    pixels.check_extent(int(array.shape[1]), int(array.shape[0]))
    if hasattr(array.dtype, "kind") and _arrays.is_here(array):
        array = _checked(array)
    taken = _arrays.take_over(array, _arrays.as_numpy)
    return Mask(lambda: png.encode(_checked(taken.value())), taken.size_bytes, labels=own)


def _checked(array: Any) -> Any:  # noqa: ANN401  # NumPy
    """The mask as uint8.

    Raises:
        ArgumentTypeError: It holds something else than integers from 0 to 255.
    """
    if array.dtype.kind not in "biu":
        raise ArgumentTypeError(f"mask_data must be integers, got {array.dtype}")
    is_byte = array.dtype.itemsize == 1 and array.dtype.kind != "i"
    if not is_byte and (array.min() < 0 or array.max() > _GREATEST):
        raise ArgumentTypeError(f"mask_data must be 0 to {_GREATEST}")
    return array.astype("u1", copy=False)


def _read(path: object) -> bytes:
    if path is None:
        raise ArgumentTypeError("a mask has mask_data, or the path of a PNG file")
    content = given_file.read("a mask", str(path))
    if not content.startswith(_PNG):
        raise UsageError(f"a mask must be a PNG file: {path}")
    pixels.header_of(content, str(path))
    return content
