"""Point clouds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.given_file import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Points"]

_COLUMNS = {3, 4, 6}
_TEXT_BYTES = 25
"""Of the longest number as text."""


class Points:
    """The points of an array, as they were when it was given.

    Attributes:
        size_bytes: What they keep in memory.

    Raises:
        ArgumentTypeError: They are no numbers.
        UsageError: The array has another shape, or is too large.
    """

    def __init__(self, array: Any) -> None:  # noqa: ANN401  # of any library
        shape = tuple(int(extent) for extent in array.shape)
        if len(shape) != 2 or shape[1] not in _COLUMNS:  # noqa: PLR2004  # points and coordinates
            raise UsageError(
                "points are an array (n, 3) of x, y, z, (n, 4) with a category, or (n, 6) with "
                f"red, green, blue, got {shape}"
            )
        if getattr(getattr(array, "dtype", None), "kind", "f") not in "iufV":
            raise ArgumentTypeError(f"points are numbers, got elements of type {array.dtype}")
        if math.prod(shape) * _TEXT_BYTES > 2 * MOST_BYTES:
            raise UsageError(f"{shape[0]:,} points are too many for a file")
        if hasattr(array, "filled"):  # NumPy's with a mask: no point is at one that is masked
            array = array.astype(float).filled(math.nan)
        self._taken = _arrays.take_over(array, _arrays.as_numpy)
        self.size_bytes = self._taken.size_bytes

    def read(self, warn: Callable[[str], object]) -> Any:  # noqa: ANN401  # NumPy
        """The points; those with NaN or infinities are left out, of which `warn` is told.

        Raises:
            TypeError: They are no numbers.
        """
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        array: Any = self._taken.value()
        if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):
            array = array.astype(np.float32)  # of ml_dtypes, such as bfloat16
        if array.dtype.kind not in "iuf":
            raise TypeError(f"points are numbers, got elements of type {array.dtype}")
        if array.dtype.kind == "f":
            is_whole = np.isfinite(array).all(axis=1)
            if not is_whole.all():
                warn("points with NaN or infinite coordinates are left out of a point cloud")
                array = array[is_whole]
        return array
