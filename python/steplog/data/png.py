"""Writes PNG without holding the interpreter: Pillow keeps it for up to 30 ms at a time."""

from __future__ import annotations

from typing import Any

from steplog._native import encode_png

__all__ = ["encode"]


def encode(pixels: Any) -> bytes:  # noqa: ANN401  # NumPy
    """An array (H, W) or (H, W, C) of uint8, or (H, W) of uint16, as a PNG file."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim > 2 else 1  # noqa: PLR2004  # has channels
    depth = 8 * pixels.dtype.itemsize
    big_endian = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    return encode_png(big_endian.reshape(-1).view(np.uint8), width, height, channels, depth)
