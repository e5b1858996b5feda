"""Images."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog._loaded import is_of
from steplog.data import figure, given_file, pixels, png
from steplog.data.boxes import boxes_of
from steplog.data.masks import masks_of
from steplog.data.media import Media, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import PIL.Image

    from steplog.data.media import Place

__all__ = ["Image"]

_FILE_TYPES = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "bmp": "bmp"}
"""What pixels are written as, by its name for Pillow."""
_MODES = {
    *("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"),
}
_AS_THEY_ARE = {
    "png": {"1", "L", "LA", "P", "RGB", "RGBA"},
    "jpeg": {"L", "RGB", "CMYK"},
    "bmp": {"1", "L", "P", "RGB", "RGBA"},
}
"""Modes of Pillow that a file can hold; others become RGB, or RGBA."""
_DEEP = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_MOST_FILE_BYTES = 256 << 20
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


class Encoded(NamedTuple):
    """An image as a file."""

    content: bytes
    format: str
    width: int
    height: int


class Image(Media):
    """An image, with boxes and masks.

    The constructor copies the pixels, or starts to copy them from their device, or reads the file,
    and returns; whatever becomes of them later does not matter. `log` returns at once; encoding
    happens on another thread. The file is in the log first, then its row's value (`await run.alog`,
    `flush` and `finish` wait for it).

    Args:
        data_or_path: An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a batch of such, which
            becomes a grid; a tensor of torch (C, H, W); an image of Pillow; a figure or axes of
            matplotlib, as it is now; another `Image`, without its boxes and masks; the path or the
            bytes of a file that Pillow can read, which is kept as it is.
        mode: Mode of Pillow that pixels are converted to.
        caption: A text beside it.
        grouping: A number; images with the same one belong together.
        classes: Names of what boxes and masks that have none show: a list of
            `{"id": …, "name": …}`.
        boxes: By name, a dict of `box_data`, a list of boxes, and `class_labels`.
        masks: By name, a dict of `mask_data`, an array (H, W) of 0 to 255, or the `path` of a PNG
            file, and `class_labels`.
        file_type: `png`, `jpg`, `jpeg` or `bmp`, for what is not a file already.
        normalize: Whether values that all lie in [0, 1] or [-1, 1] are spread over 0 to 255.

    Attributes:
        format: Of its file.
        width: In pixels.
        height: In pixels.
        caption: As given.
        grouping: As given.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        UsageError: It is no image, cannot be read, or is too large.
    """

    def __init__(  # noqa: PLR0917  # as in the reference
        self,
        data_or_path: Any,  # noqa: ANN401  # of any library
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Iterable[Mapping[str, Any]] | None = None,
        boxes: Mapping[str, Mapping[str, Any]] | None = None,
        masks: Mapping[str, Mapping[str, Any]] | None = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        if mode is not None and mode not in _MODES:
            raise UsageError(f"mode must be one of {', '.join(sorted(_MODES))}, got {mode!r}")
        name = "png" if file_type is None else str(file_type).lower()
        if name not in _FILE_TYPES:
            raise UsageError(f"file_type must be png, jpg, jpeg or bmp, got {file_type!r}")
        labels = _labels_of(classes)
        self._boxes = boxes_of(boxes, labels)
        self._masks = masks_of(masks, labels)
        if isinstance(data_or_path, Image):
            caption = data_or_path.caption if caption is None else caption
        self.caption: str | None = None if caption is None else str(caption)
        self.grouping = grouping
        self._source = _source_of(data_or_path, _Wish(mode, name, normalize))
        self.format, self.width, self.height = self._source[1:4]
        source = self._source
        own_bytes = source.size_bytes if isinstance(source, _Pixels) else len(source.content)
        self.size_bytes = own_bytes + sum(mask.size_bytes for mask in self._masks.values())

    @property
    def image(self) -> PIL.Image.Image:
        """The image as Pillow's, as its file has it; waits for a device."""
        import PIL.Image  # noqa: PLC0415  # `import steplog` stays light

        return PIL.Image.open(io.BytesIO(self._encoded(lambda _: None).content))

    def __getstate__(self) -> dict[str, object]:
        """For another process: as its file."""
        return {**self.__dict__, "_source": self._encoded(lambda _: None), "_kept": None}

    def _encoded(self, warn: Callable[[str], object]) -> Encoded:
        source = self._source
        if isinstance(source, _Pixels):
            content = source.encode(warn)
            # The pixels are not needed any more.
            self._source = source = Encoded(content, source.format, source.width, source.height)
        return source

    def _store(self, place: Place, key: str) -> dict[str, object]:
        file = self._encoded(place.warn)
        stored: dict[str, object] = {
            "_type": "image-file",
            **put(place, ("images", key, f".{file.format}"), file.content),
            "format": file.format,
            "width": file.width,
            "height": file.height,
        }
        if self.caption is not None:
            stored["caption"] = self.caption
        if self.grouping:
            stored["grouping"] = self.grouping
        for name, overlays in (("boxes", self._boxes), ("masks", self._masks)):
            if overlays:
                stored[name] = {of: one.store(place, key) for of, one in overlays.items()}
        return stored

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        first = stored[0]
        found: dict[str, object] = {
            "_type": "images/separated",
            **{name: first[name] for name in ("width", "height", "format")},
            "count": len(stored),
            "filenames": [one["path"] for one in stored],
        }
        named = {"caption": "captions", "boxes": "all_boxes", "masks": "all_masks"}
        for name, plural in named.items():
            if any(name in one for one in stored):
                found[plural] = [one.get(name) for one in stored]
        return found


# ---- where the pixels come from -----------------------------------------------------------------


class _Wish(NamedTuple):
    """What is to become of pixels."""

    mode: str | None
    format: str
    normalize: bool


class _Pixels(NamedTuple):
    """Pixels that are no file yet: `read` gives an array of NumPy, or an image of Pillow."""

    read: Callable[[], Any]
    format: str
    width: int
    height: int
    size_bytes: int
    wish: _Wish
    channels_first: bool = False

    def encode(self, warn: Callable[[str], object]) -> bytes:
        """The file; may take long."""
        found = self.read()
        kind = _FILE_TYPES[self.format]
        if not hasattr(found, "dtype"):
            return _encode_pillow(found, self.wish, warn)
        array = pixels.to_bytes(found, normalize=self.wish.normalize, warn=warn)
        array = pixels.arranged(array, channels_first=self.channels_first)
        if array.dtype.itemsize > 1 and (array.ndim > 2 or kind != "png"):  # noqa: PLR2004
            array = array.clip(0, 255).astype("u1")
            warn("an image has values over 255: they are cut to 0 to 255")
        if self.wish.mode is None and kind == "png":
            return png.encode(array)
        import PIL.Image  # noqa: PLC0415  # `import steplog` stays light

        return _encode_pillow(PIL.Image.fromarray(array), self.wish, warn)


def _source_of(data: Any, wish: _Wish) -> Encoded | _Pixels:  # noqa: ANN401  # of any library
    if isinstance(data, Image):
        return data._source  # noqa: SLF001  # of the same class
    if isinstance(data, (str, os.PathLike)):
        return _read(data)
    if isinstance(data, (bytes, bytearray)):
        return _parse(bytes(data), "", "these bytes")
    if is_of(data, "PIL.Image", "Image"):
        pixels.check_extent(data.width, data.height)
        kept = data.copy()
        size_bytes = kept.width * kept.height * len(kept.getbands())
        return _Pixels(lambda: kept, wish.format, kept.width, kept.height, size_bytes, wish)
    if _arrays.is_array(data):
        return _take_array(data, wish)
    return _draw(data, wish)


def _draw(data: Any, wish: _Wish) -> Encoded | _Pixels:  # noqa: ANN401  # of matplotlib
    snapshot = data if isinstance(data, figure.Snapshot) else None
    if snapshot is None:
        found = figure.figure_of(data)
        if found is None:
            raise ArgumentTypeError(
                f"Image() takes pixels, a path, a figure or an Image, got {type(data).__name__}"
            )
        snapshot = figure.snapshot_of(found)
        if snapshot is None:
            drawn = io.BytesIO()
            found.savefig(drawn, format="png")
            return _parse(drawn.getvalue(), ".png", "the figure")
    width, height, size_bytes = snapshot.width, snapshot.height, snapshot.size_bytes
    pixels.check_extent(width, height)
    return _Pixels(snapshot.rgba, wish.format, width, height, size_bytes, wish)


def _take_array(data: Any, wish: _Wish) -> _Pixels:  # noqa: ANN401  # of any library
    is_first = hasattr(data, "element_size")  # torch
    width, height = pixels.extent(data.shape, channels_first=is_first)
    pixels.check_extent(width, height)
    if getattr(getattr(data, "dtype", None), "kind", "f") not in "biufV":
        raise ArgumentTypeError(f"an image has numbers, got elements of type {data.dtype}")
    if hasattr(data, "filled"):  # NumPy's with a mask
        data = data.filled(0)
    taken = _arrays.take_over(data, _arrays.as_numpy)
    return _Pixels(taken.value, wish.format, width, height, taken.size_bytes, wish, is_first)


def _read(path: str | os.PathLike[str]) -> Encoded:
    content = given_file.read("Image()", path, _MOST_FILE_BYTES)
    text = str(os.fspath(path))
    return _parse(content, Path(text).suffix, text)


def _parse(content: bytes, suffix: str, what: str) -> Encoded:
    """A file as it is: only its header is read."""
    size, found = pixels.header_of(content, what)
    kept = suffix[1:].lower() if _SUFFIX.fullmatch(suffix) else re.sub(r"\W", "", found.lower())
    return Encoded(content, kept or "bin", *size)


# ---- encoding -----------------------------------------------------------------------------------


def _encode_pillow(image: Any, wish: _Wish, warn: Callable[[str], object]) -> bytes:  # noqa: ANN401
    """The file of an image of Pillow, or of what it becomes in the mode that is wished for."""
    kind = _FILE_TYPES[wish.format]
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    if wish.mode is not None:
        image = image.convert(wish.mode)
    if image.mode == "F" or image.mode in _DEEP:
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light
        import PIL.Image  # noqa: PLC0415

        array = np.asarray(image)
        if image.mode != "F":
            array = array.clip(0, 65535).astype(np.uint16)
            if kind == "png":
                return png.encode(array)
        image = PIL.Image.fromarray(pixels.to_bytes(array, normalize=wish.normalize, warn=warn))
    if image.mode not in _AS_THEY_ARE[kind]:
        has_alpha = image.mode in _ALPHA
        if has_alpha and kind == "jpeg":
            warn("a JPEG file has no transparency: it is left out")
        image = image.convert("RGBA" if has_alpha and kind != "jpeg" else "RGB")
    if kind == "png" and not image.info and image.mode in {"L", "LA", "RGB", "RGBA"}:
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        return png.encode(np.asarray(image))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _labels_of(classes: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    if classes is None:
        return {}
    try:
        return {str(int(one["id"])): str(one["name"]) for one in classes}
    except (TypeError, KeyError, ValueError) as error:
        raise ArgumentTypeError('classes is a list of {"id": a number, "name": a text}') from error
