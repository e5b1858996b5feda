"""DataFrames, told apart without importing any of their libraries."""

from __future__ import annotations

from steplog._loaded import is_of

_FRAMES = {"pandas": ("DataFrame",), "polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


def is_frame(value: object) -> bool:
    """Whether it is a DataFrame of pandas or polars, or a table or batch of Arrow."""
    return any(is_of(value, module, *names) for module, names in _FRAMES.items())
