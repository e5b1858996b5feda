"""Sounds as 16-bit WAV files, and what a WAV file says of itself."""

from __future__ import annotations

import io
import struct
import wave
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["encode", "facts"]

_LOW, _HIGH = -32_768, 32_767
_SHIFTS = {("i", 1): 8, ("i", 4): -16, ("u", 1): 8, ("u", 2): 0, ("u", 4): -16}
"""By how many bits a number of another width is moved to become one of 16."""
_BYTES = 2
_FORMAT_BYTES = 16


def encode(samples: Any, rate: int, warn: Callable[[str], object]) -> bytes:  # noqa: ANN401  # NumPy
    """An array (n,) or (n, channels) as a file.

    Floats are in -1 to 1; others are cut, of which `warn` is told. NaN is silence. Integers of 8,
    16 and 32 bits fill their range, those of 64 bits are samples of 16.

    Raises:
        TypeError: The elements are no numbers.
    """
    channels = samples.shape[1] if samples.ndim > 1 else 1
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(_BYTES)
        writer.setframerate(rate)
        writer.writeframes(_as_int16(samples, warn).tobytes())
    return file.getvalue()


def _as_int16(samples: Any, warn: Callable[[str], object]) -> Any:  # noqa: ANN401  # NumPy
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    kind, width = samples.dtype.kind, samples.dtype.itemsize
    if kind == "V" and np.can_cast(samples.dtype, np.float32):
        samples, kind = samples.astype(np.float32), "f"  # of ml_dtypes, such as bfloat16
    if kind == "f":
        return _of_floats(samples, warn)
    if kind not in "iu":
        raise TypeError(f"a sound has numbers, got elements of type {samples.dtype}")
    if width == 8:  # noqa: PLR2004  # what a list of integers is, too
        if samples.size and (samples.min() < _LOW or samples.max() > _HIGH):
            warn(f"integers of 64 bits are samples of 16: they are cut to {_LOW} to {_HIGH}")
        return samples.clip(_LOW, _HIGH).astype("<i2")
    wide = samples.astype(np.int64)
    if kind == "u":
        wide -= 1 << (8 * width - 1)  # its middle is silence
    shift = _SHIFTS.get((kind, width), 0)
    return (wide << shift if shift > 0 else wide >> -shift).astype("<i2")


def _of_floats(samples: Any, warn: Callable[[str], object]) -> Any:  # noqa: ANN401  # NumPy
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    values = samples.astype(np.float32, copy=False)
    if np.isnan(values).any():
        warn("a sound has NaN: it is silent there")
        values = np.nan_to_num(values, nan=0, posinf=np.inf, neginf=-np.inf)
    if values.size and (values.min() < -1 or values.max() > 1):
        warn(
            f"a sound has values from {values.min():g} to {values.max():g}: they are cut to -1 to 1"
        )
    return np.rint(values.clip(-1, 1) * np.float32(-_LOW)).clip(_LOW, _HIGH).astype("<i2")


def facts(content: bytes) -> tuple[int, float] | None:
    """Samples a second, and length in seconds; None where it is no WAV file.

    The standard library reads files of integers alone.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    at, rate, second_bytes = 12, 0, 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if name == b"fmt " and size >= _FORMAT_BYTES and at + _FORMAT_BYTES <= len(content):
            rate, second_bytes = struct.unpack_from("<II", content, at + 4)
        if name == b"data":
            left = min(size, len(content) - at)  # of a file that is still being written
            return (rate, left / second_bytes) if rate and second_bytes else None
        at += size + size % 2
    return None
