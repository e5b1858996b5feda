"""Histograms of several steps as one: every count is kept, spread evenly within its bin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERCENTILES = {"p01": 0.01, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p99": 0.99}
_EXACT = 2.0**53
"""Below it every whole number is a float64."""
_MOST = 1e290
"""Of a count: however many are added, the sum is a number."""
_MOST_BINS = 1 << 16
"""Of a histogram that is read."""
_SCALE = 0.25
"""Of edges that are computed with: the difference of two is then always a number."""


@dataclass(frozen=True)
class Histogram:
    """A histogram as it was logged.

    Attributes:
        edges: One more than counts, finite, from the least on.
        counts: Finite, none below 0.
        nan: How many values were NaN.
        inf: How many were infinite.
        neg_inf: How many were minus infinite.
    """

    edges: Floats
    counts: Floats
    nan: float = 0.0
    inf: float = 0.0
    neg_inf: float = 0.0

    @classmethod
    def of(cls, value: object) -> Histogram | None:
        """That of a logged object; None where it is none."""
        if not isinstance(value, dict) or value.get("_type") != "histogram":
            return None
        try:
            counts = _floats(value["values"])
            edges = _edges(value, len(counts))
            others = {
                name: max(0.0, float(value.get(name, 0))) for name in ("nan", "inf", "neg_inf")
            }
        except (KeyError, OverflowError, TypeError, ValueError):
            return None
        # Of edges that are in order the outer ones tell of all; NaN is in no order.
        is_sound = (
            0 < len(counts) <= _MOST_BINS
            and len(edges) == len(counts) + 1
            and math.isfinite(edges[0])
            and math.isfinite(edges[-1])
            and bool((edges[1:] >= edges[:-1]).all())
            and bool(counts.min() >= 0 and counts.max() <= _MOST)
            and max(others.values()) <= _MOST
        )
        return cls(edges, counts, **others) if is_sound else None


@dataclass(frozen=True)
class Column:
    """Histograms of some steps as one.

    Attributes:
        edges: Of the bins.
        counts: Of each bin; where all counts were whole these are, and their sum is the sum.
        percentiles: Of the finite values, by name; NaN where there are none.
        nan: How many values were NaN.
        inf: How many were infinite.
        neg_inf: How many were minus infinite.
    """

    edges: Floats
    counts: Floats
    percentiles: dict[str, float]
    nan: float
    inf: float
    neg_inf: float


def merged(parts: Sequence[Histogram], max_bins: int) -> Column:
    """Some histograms as one of at most `max_bins` bins.

    One alone, and such with the same edges, keep their bins if these are not too many. Else the
    bins are equally wide from the least edge to the greatest, and a count is spread evenly within
    its bin. The percentiles are exact but for the place within a bin.
    """
    first = parts[0]
    edges = first.edges
    is_same = all(np.array_equal(one.edges, edges) for one in parts[1:])
    if is_same and len(first.counts) <= max_bins:
        counts = np.sum([one.counts for one in parts], axis=0)
        below = np.concatenate([[0.0], np.cumsum(counts)])
    else:
        edges = _even(
            min(one.edges[0] for one in parts), max(one.edges[-1] for one in parts), max_bins
        )
        below = np.sum([_below(one, edges) for one in parts], axis=0)
        # What is rounded must not go back, nor beyond all.
        below = np.minimum(np.maximum.accumulate(below), below[-1])
        every = np.concatenate([one.counts for one in parts])
        is_whole = below[-1] < _EXACT and bool((every == np.floor(every)).all())
        counts = np.diff(np.round(below) if is_whole else below)
    return Column(
        edges=edges,
        counts=counts,
        percentiles={name: _at(edges, below, part) for name, part in PERCENTILES.items()},
        nan=sum(one.nan for one in parts),
        inf=sum(one.inf for one in parts),
        neg_inf=sum(one.neg_inf for one in parts),
    )


def _floats(values: object) -> Floats:
    return np.asarray(values, np.float64).reshape(-1)


def _edges(value: dict[str, object], bins: int) -> Floats:
    """The edges of a histogram; infinite ones stand where the finite ones next to them are."""
    packed = value.get("packedBins")
    if isinstance(packed, dict) and "bins" not in value:
        return _floats(float(packed["min"]) + float(packed["size"]) * np.arange(bins + 1))
    edges = _floats(value["bins"])
    if len(edges) == 0 or (math.isfinite(edges[0]) and math.isfinite(edges[-1])):
        return edges
    finite = edges[np.isfinite(edges)]
    if len(finite) in {0, len(edges)}:
        return edges
    edges = np.where(edges == -np.inf, finite[0], edges)
    return np.where(edges == np.inf, finite[-1], edges)


def _even(least: float, greatest: float, bins: int) -> Floats:
    part = np.arange(bins + 1) / bins
    edges = least * (1 - part) + greatest * part
    edges[0], edges[-1] = least, greatest
    return np.maximum.accumulate(np.minimum(edges, greatest))


def _below(one: Histogram, edges: Floats) -> Floats:
    """How much of a histogram lies below each edge; below the last one, and at it, all."""
    old, new = one.edges * _SCALE, edges * _SCALE
    total = np.zeros(len(old))
    is_point = old[1:] <= old[:-1]
    if not is_point.any():
        np.cumsum(one.counts, out=total[1:])
        spread: Floats = np.interp(new, old, total)
        spread[-1] = total[-1]
        return spread
    np.cumsum(np.where(is_point, 0.0, one.counts), out=total[1:])
    # Of equal edges one is left: nothing is spread between them.
    kept = np.concatenate([[True], ~is_point])
    below = np.interp(new, old[kept], total[kept])
    at, counts = old[:-1][is_point], np.cumsum(one.counts[is_point])
    below = below + np.concatenate([[0.0], counts])[np.searchsorted(at, new, side="left")]
    below[-1] = one.counts.sum()
    return _floats(below)


def _at(edges: Floats, below: Floats, part: float) -> float:
    """Where so much of all lies below."""
    wanted = below[-1] * part
    if not wanted > 0:
        return float("nan")
    bin_ = int(np.searchsorted(below, wanted, side="left"))
    inside = (wanted - below[bin_ - 1]) / (below[bin_] - below[bin_ - 1])
    return float(edges[bin_ - 1] * (1 - inside) + edges[bin_] * inside)


__all__ = ["PERCENTILES", "Column", "Histogram", "merged"]
