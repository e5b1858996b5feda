"""What has changed between two drawings of a panel, as the live channel sends it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steplog.server.store.panels import Drawn

_Columns = dict[str, NDArray[np.generic]]


def changes(before: Drawn | None, after: Drawn) -> tuple[Drawn, bool] | None:
    """The part of a panel that a page which holds `before` needs for `after`.

    Returns:
        The frame, and whether it replaces all that the page holds; None when nothing changed.
    """
    if before is None or not _same_grid(before.header, after.header):
        return after, True
    if after.header["mode"] == "raw":
        rows = _changed_points(before.columns, after.columns)
    else:
        rows = _changed_buckets(before.columns, after.columns)
    if rows is None:
        return after, True
    if not rows.any() and before.header == after.header:
        return None
    columns = {name: column[rows] for name, column in after.columns.items()}
    return Drawn(after.header, columns), False


def _same_grid(before: dict[str, object], after: dict[str, object]) -> bool:
    is_raw = after["mode"] == "raw"
    names = ("mode",) if is_raw else ("mode", "x0", "dx")
    return all(before[name] == after[name] for name in names) and _names(before) == _names(after)


def _names(header: dict[str, object]) -> list[tuple[object, ...]]:
    series = header["series"]
    assert isinstance(series, list)  # noqa: S101  # we wrote it
    return [(one["run"], one["metric"], one["label"]) for one in series]


def _bits(column: NDArray[np.generic]) -> NDArray[np.generic]:
    """A column whose NaN equal themselves."""
    return column.view(np.uint64) if column.dtype == np.float64 else column


def _changed_buckets(before: _Columns, after: _Columns) -> NDArray[np.bool_] | None:
    old, new = _places(before), _places(after)
    at = np.searchsorted(old, new)
    held = at < len(old)
    held[held] = old[at[held]] == new[held]
    if held.sum() < len(old):
        return None  # a bucket has gone: it was of a value that was replaced
    changed = ~held
    for name, column in after.items():
        fresh, stale = _bits(column), _bits(before[name])
        changed[held] |= fresh[held] != stale[at[held]]
    return changed


def _places(columns: _Columns) -> NDArray[np.int64]:
    return (columns["s"].astype(np.int64) << 32) + columns["b"].astype(np.int64)


def _changed_points(before: _Columns, after: _Columns) -> NDArray[np.bool_] | None:
    """Of each series everything from the first point that differs."""
    changed = np.zeros(len(after["s"]), np.bool_)
    for number in np.union1d(before["s"], after["s"]):
        start, end = np.searchsorted(after["s"], [number, number + 1])
        old_start, old_end = np.searchsorted(before["s"], [number, number + 1])
        count = min(end - start, old_end - old_start)
        same = np.ones(count, np.bool_)
        for name in ("x", "y"):
            new, old = _bits(after[name][start:end]), _bits(before[name][old_start:old_end])
            same &= new[:count] == old[:count]
        first = int(np.argmin(same)) if not same.all() else int(count)
        if first == end - start < old_end - old_start:
            return None  # points have gone from the end: nothing could say so
        changed[start + first : end] = True
    return changed
