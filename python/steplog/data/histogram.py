"""Histograms."""

from __future__ import annotations

from typing import Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.media import Value

__all__ = ["Histogram"]

_SMALL_BYTES = 4096
"""Up to here it is counted at once: it takes less time than to hand it over."""


class Histogram(Value):
    """How numbers are distributed.

    The constructor copies a large array, or starts to copy it from its device, and returns; it is
    counted on another thread. NaN and infinities are in no bin: they are counted as `nan`, `inf`
    and `neg_inf`.

    Args:
        sequence: The numbers, in an array, tensor or sequence of any shape; or what
            `numpy.histogram` returns.
        np_histogram: What `numpy.histogram` returns: the values of the bins, and their edges.
        num_bins: How many bins there are, 1 to 512.

    Raises:
        ArgumentTypeError: There are no numbers.
        UsageError: There are too many bins, or not one edge more than bins.
    """

    MAX_LENGTH = 512

    def __init__(
        self,
        sequence: Any = None,  # noqa: ANN401  # of any library
        np_histogram: Any = None,  # noqa: ANN401  # a tuple of lists or arrays
        num_bins: int = 64,
    ) -> None:
        if np_histogram is None and _is_counted(sequence):
            np_histogram = sequence
        if np_histogram is not None:
            self._found: dict[str, object] | _arrays.Taken = _counted(np_histogram)
            return
        if not 1 <= num_bins <= self.MAX_LENGTH:
            raise UsageError(f"a histogram has 1 to {self.MAX_LENGTH} bins, got {num_bins}")
        array = _as_array(sequence)
        taken = _arrays.take_over(array, lambda kept: _count(kept, num_bins))
        is_small = taken.size_bytes <= _SMALL_BYTES and _arrays.is_here(array)
        self._found = _count(array, num_bins) if is_small else taken

    @property
    def histogram(self) -> list[float]:
        """The values of the bins; waits for a device."""
        values: Any = self._plain()["values"]
        return list(values)

    @property
    def bins(self) -> list[float]:
        """The edges of the bins, one more than there are; waits for a device."""
        edges: Any = self._plain()["bins"]
        return list(edges)

    def __getstate__(self) -> dict[str, object]:
        """For another process: counted."""
        return {"_found": self._plain()}

    def taken(self) -> object:
        """As of `Value`."""
        return self._found

    def _plain(self) -> dict[str, object]:
        found = self._found
        if isinstance(found, _arrays.Taken):
            plain: Any = found.value()
            self._found = found = dict(plain)
        return found


def _is_counted(value: object) -> bool:
    """Whether it is what `numpy.histogram` returns: no array has rows of unequal lengths."""
    if not isinstance(value, tuple) or len(value) != 2:  # noqa: PLR2004  # values and edges
        return False
    values, edges = value
    return (
        hasattr(values, "__len__")
        and hasattr(edges, "__len__")
        and not isinstance(values, str)
        and len(edges) == len(values) + 1
    )


def _counted(np_histogram: Any) -> dict[str, object]:  # noqa: ANN401  # a tuple of lists or arrays
    try:
        values, edges = (
            part.tolist() if hasattr(part, "tolist") else list(part) for part in np_histogram
        )
    except (TypeError, ValueError) as error:
        raise UsageError(
            "np_histogram is a tuple of the values of the bins and their edges"
        ) from error
    if len(edges) != len(values) + 1:
        raise UsageError(
            f"a histogram has one edge more than bins, got {len(values)} and {len(edges)}"
        )
    if len(values) > Histogram.MAX_LENGTH:
        raise UsageError(f"a histogram has at most {Histogram.MAX_LENGTH} bins, got {len(values)}")
    return {"_type": "histogram", "values": values, "bins": edges}


def _as_array(sequence: Any) -> Any:  # noqa: ANN401  # of any library
    if sequence is None:
        raise ArgumentTypeError("Histogram() takes numbers, or np_histogram")
    if not _arrays.is_array(sequence):
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        try:
            parts = sequence if hasattr(sequence, "__len__") else list(sequence)
            sequence = np.asarray(parts)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(f"Histogram() takes numbers: {error}") from error
    if getattr(getattr(sequence, "dtype", None), "kind", "f") not in "biufmV":
        raise ArgumentTypeError(f"Histogram() takes numbers, got elements of {sequence.dtype}")
    return sequence


def _count(array: Any, num_bins: int) -> dict[str, object]:  # noqa: ANN401  # of any library
    found = _arrays.histogram(array, num_bins)
    if not found["values"]:
        edges = [number / num_bins for number in range(num_bins + 1)]
        found |= {"values": [0] * num_bins, "bins": edges}
    return found
