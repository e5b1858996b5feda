"""Arrays of any library as pixels: their layout, and their range."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["arranged", "check_extent", "extent", "header_of", "to_bytes"]

MAX_PIXELS = 178_956_970
"""What Pillow refuses to open as a decompression bomb."""
_CHANNELS = {1, 3, 4}
_BATCH, _FRAME = 4, 3
"""Dimensions of several images, and of one with channels."""
_COLUMNS, _GAP = 8, 2
"""Of a grid of images, as torchvision draws it."""


def check_extent(width: int, height: int, *, what: str = "an image") -> None:
    """Check that there are pixels, and not too many; `what` says in errors of what.

    Raises:
        UsageError: There are none, or too many.
    """
    if width < 1 or height < 1:
        raise UsageError(f"{what} of {width}x{height} has no pixels")
    if width * height > MAX_PIXELS:
        raise UsageError(f"{what} of {width}x{height} is over {MAX_PIXELS:,} pixels")


def header_of(content: bytes, what: str) -> tuple[tuple[int, int], str]:
    """Width and height of an image's file, and its format for Pillow; only its header is read.

    Raises:
        UsageError: It is no image, has no pixels, or too many; `what` says which.
    """
    import PIL.Image  # noqa: PLC0415  # `import steplog` stays light

    try:
        with PIL.Image.open(io.BytesIO(content)) as opened:
            size, found = opened.size, opened.format or ""
    except PIL.Image.DecompressionBombError as error:
        raise UsageError(f"an image is too large, which may be an attack: {what}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"Pillow cannot read it: {what}") from error
    check_extent(*size)
    return size, found


def extent(shape: Sequence[int], *, channels_first: bool) -> tuple[int, int]:
    """Width and height of what an array of this shape shows.

    Raises:
        UsageError: It shows no image.
    """
    dims = [int(count) for count in shape]
    if len(dims) == _BATCH and dims[0] > 0:
        width, height = extent(dims[1:], channels_first=channels_first)
        if dims[0] == 1:
            return width, height
        columns = min(dims[0], _COLUMNS)
        rows = math.ceil(dims[0] / columns)
        return columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP
    if len(dims) == _FRAME - 1:
        return dims[1], dims[0]
    if len(dims) == _FRAME:
        if channels_first and dims[0] in _CHANNELS:
            return dims[2], dims[1]
        if dims[2] in _CHANNELS:
            return dims[1], dims[0]
        if dims[0] == 1:
            return dims[2], dims[1]
    wanted = "(C, H, W)" if channels_first else "(H, W, C)"
    raise UsageError(
        f"an image is an array (H, W) or {wanted} of 1, 3 or 4 channels, or a batch of such, "
        f"got {tuple(dims)}"
    )


def arranged(array: Any, *, channels_first: bool) -> Any:  # noqa: ANN401  # NumPy
    """The pixels as (H, W), or (H, W, C) of 3 or 4 channels; several images side by side."""
    if array.ndim == _BATCH:
        frames = [arranged(frame, channels_first=channels_first) for frame in array]
        return frames[0] if len(frames) == 1 else _grid(frames)
    if array.ndim == _FRAME:
        if channels_first and array.shape[0] in _CHANNELS:
            array = array.transpose(1, 2, 0)
        elif array.shape[2] not in _CHANNELS:
            array = array[0]
    return array[:, :, 0] if array.ndim == _FRAME and array.shape[2] == 1 else array


def _grid(frames: list[Any]) -> Any:  # noqa: ANN401  # NumPy
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    height, width, *channels = frames[0].shape
    columns = min(len(frames), _COLUMNS)
    down, across = height + _GAP, width + _GAP
    rows = math.ceil(len(frames) / columns)
    grid = np.zeros((rows * down + _GAP, columns * across + _GAP, *channels), frames[0].dtype)
    for number, frame in enumerate(frames):
        top, left = number // columns * down + _GAP, number % columns * across + _GAP
        grid[top : top + height, left : left + width] = frame
    return grid


def to_bytes(
    array: Any,  # noqa: ANN401  # NumPy
    *,
    normalize: bool,
    warn: Callable[[str], object],
    what: str = "an image",
) -> Any:  # noqa: ANN401  # NumPy
    """The values as uint8, or uint16 where they are that and need it.

    With `normalize`, values that all lie in [0, 1] or [-1, 1] are spread over [0, 255]; others are
    rounded, and cut to that range, of which `warn` is told; `what` says of what. NaN is 0.

    Raises:
        TypeError: The elements are no numbers.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):
        array = array.astype(np.float32)  # of ml_dtypes, such as bfloat16
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} has numbers, got elements of type {array.dtype}")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:  # noqa: PLR2004  # of uint16
        least = 256 if array.dtype.itemsize > 1 else 2 if normalize else 0
        if array.max() >= least:
            return array
    is_double = array.dtype.kind == "f" and array.dtype.itemsize > 4  # noqa: PLR2004  # of float32
    values = array.astype(np.float64 if is_double or array.dtype.kind in "iu" else np.float32)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    if normalize and low >= 0 and high <= 1:
        values *= 255
    elif normalize and low >= -1 and high <= 1:
        values = (values + 1) * 127.5
    elif low < 0 or high > 255:  # noqa: PLR2004  # of uint8
        warn(f"{what} has values from {low:g} to {high:g}: they are cut to 0 to 255")
    values = np.nan_to_num(values, nan=0, posinf=255, neginf=0)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
