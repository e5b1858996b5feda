"""A small WebP of a picture: its header looked at first, and no more memory than that allows."""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import PIL.Image

# Only these are ever asked; `open` would find the last one by importing every one there is.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

FORMATS = {
    "image/png": PngImagePlugin.PngImageFile.format,
    "image/jpeg": JpegImagePlugin.JpegImageFile.format,
    "image/gif": GifImagePlugin.GifImageFile.format,
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/bmp": BmpImagePlugin.BmpImageFile.format,
}
"""Of each content type that a picture is made of: Pillow's word for it."""

MAX_PIXELS = 1 << 26
"""Of a picture: 8192 x 8192, 256 MiB with four bytes each."""
_LARGE_PIXELS = 1 << 24
"""One that has more is decoded while no other such is."""
_EXACT_PIXELS = 1 << 16
"""A picture that is not made smaller and has no more than 256 x 256 keeps its pixels."""
_QUALITY = 80
_PROFILE_BYTES = 16 << 10
"""Of a profile of colours that a thumbnail keeps: those of screens are smaller."""
_ORIENTATION = 0x0112
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""What makes a picture of such an orientation stand upright."""
_SWAPPED = 5
"""From this orientation on width and height change places."""
_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_DEEP = {"I", "I;16", "I;16L", "I;16B", "I;16N"}

_large = threading.Lock()


class NoPictureError(Exception):
    """None can be made of it; the text says why."""


def thumbnail(file: BinaryIO, kind: str, *, width: int, height: int, is_cover: bool) -> bytes:
    """A WebP that is at most `width` x `height`, and at most as large as the picture is.

    The picture is seen upright (EXIF) and keeps what is transparent; of several frames it is the
    first. Takes its time: call it in a thread.

    Args:
        file: The picture, which can be sought in.
        kind: Its content type, a key of `FORMATS`.
        width: Most pixels from left to right.
        height: Most pixels from top to bottom.
        is_cover: Fill that box, and cut off evenly what is over; else fit into it.

    Raises:
        NoPictureError: It is damaged, incomplete or too large.
    """
    try:
        with PIL.Image.open(file, formats=[FORMATS[kind]]) as picture:
            pixels = _pixels_of(picture)
            turns: AbstractContextManager[object] = (
                _large if pixels > _LARGE_PIXELS else nullcontext()
            )
            with turns:
                return _made(picture, width=width, height=height, is_cover=is_cover)
    except NoPictureError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _too_large("more") from error
    except Exception as error:  # of a damaged file the decoders raise anything
        reason = str(error) or type(error).__name__
        raise NoPictureError(f"the picture is damaged or incomplete: {reason:.200}") from error


def _pixels_of(picture: PIL.Image.Image) -> int:
    """How many its header says; nothing is decoded yet."""
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise _too_large(f"{picture.width:,} x {picture.height:,}")
    return pixels


def _too_large(what: str) -> NoPictureError:
    return NoPictureError(f"the picture has {what} pixels, of at most {MAX_PIXELS:,} one is made")


def _made(picture: PIL.Image.Image, *, width: int, height: int, is_cover: bool) -> bytes:
    orientation = picture.getexif().get(_ORIENTATION)
    if orientation in _TURNS and orientation >= _SWAPPED:
        width, height = height, width
    part, size = _fitted(*picture.size, width=width, height=height, is_cover=is_cover)
    is_exact = size == picture.size and size[0] * size[1] <= _EXACT_PIXELS
    before = picture.size
    if size != before and not is_cover:
        # A JPEG is decoded at a fraction of its size. It keeps the sides' ratio nearly: the whole
        # of it is still the whole.
        picture.draft(None, (size[0] * 2, size[1] * 2))
        part = (0, 0, *picture.size)
    made = _shown(picture)
    if size != before:
        made = made.resize(size, PIL.Image.Resampling.LANCZOS, box=part, reducing_gap=2.0)
    if orientation in _TURNS:
        made = made.transpose(_TURNS[orientation])
    profile = picture.info.get("icc_profile", b"") if picture.mode in {"RGB", "RGBA"} else b""
    made.save(
        written := io.BytesIO(),
        "WEBP",
        quality=_QUALITY,
        lossless=is_exact,
        exact=is_exact,
        icc_profile=profile if len(profile) <= _PROFILE_BYTES else b"",
    )
    return written.getvalue()


def _fitted(
    wide: int, tall: int, *, width: int, height: int, is_cover: bool
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Which part of a picture is shown, and how large."""
    if not is_cover:
        scale = min(width / wide, height / tall, 1.0)
        return (0, 0, wide, tall), (max(1, round(wide * scale)), max(1, round(tall * scale)))
    scale = max(width / wide, height / tall)
    # What the box shows of the picture, at most all of it.
    across, down = min(wide, width / scale), min(tall, height / scale)
    left, top = (wide - across) / 2, (tall - down) / 2
    shrunk = min(scale, 1.0)
    size = max(1, round(across * shrunk)), max(1, round(down * shrunk))
    return (left, top, left + across, top + down), size


def _shown(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The first frame in a mode that WebP has, as a browser shows it."""
    if picture.mode in _DEEP:
        deep = np.asarray(picture)
        return PIL.Image.fromarray((deep.clip(0, 0xFFFF) >> 8).astype(np.uint8)).convert("RGB")
    has_alpha = picture.mode in _ALPHA or "transparency" in picture.info
    return picture.convert("RGBA" if has_alpha else "RGB")


__all__ = ["FORMATS", "MAX_PIXELS", "NoPictureError", "thumbnail"]
