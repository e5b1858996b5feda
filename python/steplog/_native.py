"""What the Rust extension computes of values; it knows nothing of runs."""

from __future__ import annotations

from steplog._core import encode_png, encode_rows, histogram

__all__ = ["encode_png", "encode_rows", "histogram"]
