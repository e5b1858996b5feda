"""Moving GIF: written frame by frame, and its timing read without decoding it."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MOST_FPS", "Timing", "delays", "encode", "timing"]

_UNITS = 100
"""Of time in a second."""
_LEAST_DELAY = 2
"""Browsers show what is shorter for 10 units."""
MOST_FPS = _UNITS // _LEAST_DELAY
_COLORS = 256
"""Of a frame."""
_FOR_EVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9


class Timing(NamedTuple):
    """What a file says of itself; `duration` is in seconds."""

    width: int
    height: int
    frames: int
    duration: float


def delays(count: int, fps: float) -> list[int]:
    """For how many hundredths of a second each frame shows: together as long as `fps` asks for."""
    ends = [round(number * _UNITS / fps) for number in range(count + 1)]
    return [
        min(max(after - before, _LEAST_DELAY), 0xFFFF) for before, after in itertools.pairwise(ends)
    ]


def encode(frames: Iterable[Any], waits: Sequence[int]) -> bytes:
    """Arrays (H, W) or (H, W, 3) of uint8 as a file that plays for ever.

    A frame of up to 256 colours is kept pixel for pixel. Pillow's own way to write several frames
    joins equal ones, of which a reader would not learn how many there were.
    """
    import PIL.Image  # noqa: PLC0415  # `import steplog` stays light
    from PIL import GifImagePlugin  # noqa: PLC0415

    parts: list[bytes] = []
    for frame, wait in zip(frames, waits, strict=True):
        image = PIL.Image.fromarray(frame)
        if not parts:
            parts = [b"GIF89a" + struct.pack("<HHBBB", *image.size, 0, 0, 0), _FOR_EVER]
        if image.mode != "L":
            image = _with_palette(image)
        parts += GifImagePlugin.getdata(image, duration=wait * 10, include_color_table=True)
    return b"".join([*parts, b"\x3b"])


def _with_palette(image: Any) -> Any:  # noqa: ANN401  # of Pillow
    import PIL.Image  # noqa: PLC0415  # `import steplog` stays light

    kinds = PIL.Image.Quantize
    # The first is exact for few colours, and takes 200 times as long as the second for many.
    kind = kinds.FASTOCTREE if image.getcolors(_COLORS) is None else kinds.MEDIANCUT
    return image.quantize(_COLORS, kind, dither=PIL.Image.Dither.NONE)


def timing(content: bytes) -> Timing | None:
    """What a file says of itself; None where it is none, or is torn before its first frame."""
    if content[:6] not in {b"GIF87a", b"GIF89a"}:
        return None
    try:
        width, height, flags = struct.unpack_from("<HHB", content, 6)
    except struct.error:
        return None
    frames = units = 0
    try:
        at = 13 + _table_bytes(flags)
        while content[at] in {_EXTENSION, _IMAGE}:
            if content[at] == _IMAGE:
                frames += 1
                at += 11 + _table_bytes(content[at + 9])
            else:
                if content[at + 1] == _CONTROL:
                    units += struct.unpack_from("<H", content, at + 4)[0]
                at += 2
            while content[at]:  # its blocks
                at += content[at] + 1
            at += 1
    except (IndexError, struct.error):
        pass  # torn: what came before is shown
    return Timing(width, height, frames, units / _UNITS) if frames else None


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
