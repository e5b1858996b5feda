"""What a run has come to, for the terminal: a line for each of its first keys."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from steplog._terminal import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_MAX_LINES = 10
_KEY_WIDTH = 40
_VALUE_WIDTH = 60
_ROUNDING = 1e-14
_GREATEST = sys.float_info.max
_AGGREGATES = {"min", "max", "mean", "best", "first", "last", "nan"}
"""What `define_metric` makes of a key."""


def footer(
    trends: Sequence[tuple[str, Sequence[float]]], summary: Mapping[str, object], *, drawn: bool
) -> list[str]:
    """Lines of key, how it has gone, and its value in the summary.

    Args:
        trends: Keys with means of their values, in the order of the log.
        summary: Keys to values; those that begin with `_` are left out.
        drawn: Whether the terminal has the letters to draw with.
    """
    curves = {key: sparkline(means) for key, means in trends if drawn and len(means) > 1}
    values = {key: value for key, value in flat(summary).items() if not key.startswith("_")}
    keys = sorted({*curves, *values}, key=lambda key: (key not in curves, key))
    shown = keys[:_MAX_LINES]
    width = max((len(key) for key in shown), default=0)
    room = max((len(curve) for curve in curves.values()), default=0)
    lines = [
        f"  {shorten(key, _KEY_WIDTH):{min(width, _KEY_WIDTH)}}  "
        f"{curves.get(key, ''):{room}}  {spelled(values.get(key))}".rstrip()
        for key in shown
    ]
    if len(keys) > len(shown):
        lines.append(f"  and {len(keys) - len(shown)} more")
    return lines


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested values by their whole key; what is one object has no place in a line."""
    found: dict[str, object] = {}
    for key, value in values.items():
        if not isinstance(value, dict):
            found[prefix + key] = value
        elif value and _AGGREGATES.issuperset(value):
            found[prefix + key] = ", ".join(f"{name} {spelled(of)}" for name, of in value.items())
        elif "_type" not in value:
            found.update(flat(value, f"{prefix}{key}."))
    return found


def sparkline(means: Sequence[float]) -> str:
    """Numbers as blocks of eight heights between the least and the greatest of them.

    A mean of numbers near the greatest float may be infinite, or NaN.
    """
    means = [0.0 if math.isnan(mean) else min(max(mean, -_GREATEST), _GREATEST) for mean in means]
    low, high = min(means), max(means)
    top = len(_BLOCKS) - 1
    # Halved: the difference of two finite numbers may be none.
    span = high / 2 - low / 2
    # Less is what the means of equal numbers differ by.
    is_flat = span <= _ROUNDING * max(abs(low), abs(high))
    heights = [0 if is_flat else round((mean / 2 - low / 2) / span * top) for mean in means]
    return "".join(_BLOCKS[height] for height in heights)


def spelled(value: object) -> str:
    """A value in few letters."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return "" if value is None else shorten(" ".join(str(value).split()), _VALUE_WIDTH)


def can_draw() -> bool:
    """Whether stderr has the letters of a sparkline."""
    encoding = getattr(sys.stderr, "encoding", None)
    try:
        _BLOCKS.encode(encoding if isinstance(encoding, str) else "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
