"""DataFrames, told apart without importing any of their libraries."""

from __future__ import annotations

import sys

_FRAMES = {"pandas": ("DataFrame",), "polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


def is_frame(value: object) -> bool:
    """Whether it is a DataFrame of pandas or polars, or a table or batch of Arrow."""
    return any(
        isinstance(kind, type) and isinstance(value, kind)
        for module, names in _FRAMES.items()
        for kind in (getattr(sys.modules.get(module), name, None) for name in names)
    )
