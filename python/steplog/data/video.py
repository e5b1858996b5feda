"""Videos."""

from __future__ import annotations

import functools
import math
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import gif, given_file, movie, pixels
from steplog.data.one_file import OneFile, Unwritten, Written, captions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Video"]

_FORMATS = ("gif", "mp4", "webm", "ogg")
_FPS = 4.0
_MOST_FPS = 1000
_MOST_BYTES = 2 << 30
"""Of the elements of an array: a shape costs nothing, its copy does."""
_MOST_SIDE = {"gif": 65_535, "mp4": 16_384, "webm": 16_384}
_DIMS = 4
"""Of one video: time, channels, height, width."""
_CHANNELS = {1, 3, 4}
_MAGIC = {"gif": b"GIF8", "webm": b"\x1a\x45\xdf\xa3", "ogg": b"OggS"}


class Video(OneFile):
    """A video.

    The constructor copies the frames, or starts to copy them from their device, or reads the file,
    and returns; whatever becomes of them later does not matter. `log` returns at once; encoding
    happens on another thread. The file is in the log first, then its row's value (`await run.alog`,
    `flush` and `finish` wait for it).

    Args:
        data_or_path: An array or tensor (T, C, H, W) of 1, 3 or 4 channels, or a batch
            (B, T, C, H, W), which is tiled; the path of a file that ends in `.gif`, `.mp4`, `.webm`
            or `.ogg`, or the bytes of one, which is kept as it is.
        caption: A text beside it.
        fps: Frames a second of an array, 4 by default.
        format: `gif` (the default), `mp4` or `webm` for an array; the latter two need the extra
            `steplog[media]`. What bytes are, where they do not say.

    Attributes:
        format: Of its file.
        width: In pixels; None for a file.
        height: In pixels; None for a file.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        UsageError: It is no video, cannot be read, or is too large; or what writes it is not
            installed.
    """

    _TYPE, _FOLDER = "video-file", "videos"

    def __init__(  # noqa: PLR0917  # as in the reference
        self,
        data_or_path: Any,  # noqa: ANN401  # of any library
        caption: str | None = None,
        fps: float | None = None,
        format: str | None = None,
    ) -> None:
        if fps is not None:
            _check_fps(fps)
        wanted = None if format is None else str(format).lower().removeprefix(".")
        if wanted is not None and wanted not in _FORMATS:
            raise UsageError(f"format must be one of {', '.join(_FORMATS)}, got {format!r}")
        self.width: int | None = None
        self.height: int | None = None
        if _arrays.is_array(data_or_path):
            self.format = wanted or "gif"
            clip = _clip_of(data_or_path, self.format, _FPS if fps is None else float(fps))
            self.width, self.height = clip.size
            super().__init__(Unwritten(clip.write, clip.taken.size_bytes), caption)
            return
        found = given_file.find("Video()", data_or_path)
        self.format = _format_of(found, wanted)
        write = functools.partial(_file, found.content, self.format, has_fps=fps is not None)
        super().__init__(Unwritten(write, len(found.content)), caption)

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        return {
            "_type": "videos",
            "count": len(stored),
            "videos": list(stored),
            "captions": captions_of(stored),
        }


def _check_fps(fps: object) -> None:
    if isinstance(fps, bool) or not isinstance(fps, Real):
        raise ArgumentTypeError(f"fps must be a number, got {fps!r}")
    if not 0 < float(fps) <= _MOST_FPS:
        raise UsageError(f"fps must be over 0 and at most {_MOST_FPS}, got {fps!r}")


# ---- files --------------------------------------------------------------------------------------


def _format_of(found: given_file.Found, wanted: str | None) -> str:
    suffix = found.name.rpartition(".")[2].lower() if found.name else wanted
    if suffix is None:
        is_mp4 = found.content[4:8] == b"ftyp"
        kinds = [kind for kind, magic in _MAGIC.items() if found.content.startswith(magic)]
        suffix = "mp4" if is_mp4 else next(iter(kinds), None)
    if suffix not in _FORMATS:
        raise UsageError(
            f"a video is a file of type {', '.join(_FORMATS)}"
            + (f", got {found.name}" if found.name else ": give the format of these bytes")
        )
    return suffix


def _file(content: bytes, format: str, warn: Callable[[str], object], *, has_fps: bool) -> Written:
    """A file as it is, and what it says of itself."""
    if has_fps:
        warn("a file of a video has its own frames a second: fps is not used")
    says: dict[str, object] = {}
    if format == "gif":
        timing = gif.timing(content)
        if timing is not None:
            says = {"width": timing.width, "height": timing.height}
            if timing.duration > 0:
                fps = timing.frames / timing.duration
                says |= {"duration": timing.duration, "fps": fps}
    else:
        facts = movie.facts(content)
        if facts is not None:
            says = {name: value for name, value in facts._asdict().items() if value is not None}
    return Written(content, f".{format}", says)


# ---- arrays -------------------------------------------------------------------------------------


class _Clip(NamedTuple):
    """Frames that are no file yet; `size` is the file's width and height."""

    taken: _arrays.Taken
    size: tuple[int, int]
    grid: tuple[int, int]
    format: str
    fps: float

    def write(self, warn: Callable[[str], object]) -> Written:
        """The file; may take long."""
        array: Any = self.taken.value()
        array = pixels.to_bytes(array, normalize=True, warn=warn, what="a video")
        if array.dtype.itemsize > 1:
            warn("a video has values over 255: they are cut to 0 to 255")
            array = array.clip(0, 255).astype("u1")
        array = array.reshape(-1, *array.shape[-_DIMS:])
        if array.shape[2] == max(_CHANNELS):
            warn("a video has no transparency: its fourth channel is left out")
        count, fps = int(array.shape[1]), self.fps
        frames = _tiled(array, self.grid)
        if self.format == "gif":
            waits = gif.delays(count, fps)
            content = gif.encode(frames, waits)
            duration = sum(waits) / 100
            if fps > gif.MOST_FPS:
                fps = count / duration
                warn(f"GIF plays at most {gif.MOST_FPS} frames a second: a video plays at {fps:g}")
        else:
            duration = count / fps
            content = movie.encode(frames, self.size, format=self.format, fps=fps)
        width, height = self.size
        says = {"width": width, "height": height, "duration": duration, "fps": fps}
        return Written(content, f".{self.format}", says)


def _clip_of(data: Any, format: str, fps: float) -> _Clip:  # noqa: ANN401  # of any library
    shape = [int(extent) for extent in data.shape]
    if len(shape) not in {_DIMS, _DIMS + 1} or shape[-3] not in _CHANNELS:
        raise UsageError(
            "a video is an array (time, channels, height, width) of 1, 3 or 4 channels, or a batch "
            f"of such, got {tuple(shape)}{_hint(shape)}"
        )
    if getattr(getattr(data, "dtype", None), "kind", "f") not in "biufV":
        raise ArgumentTypeError(f"a video has numbers, got elements of type {data.dtype}")
    count = shape[0] if len(shape) > _DIMS else 1
    if min(count, shape[-4]) < 1:
        raise UsageError(f"a video of shape {tuple(shape)} has no frames")
    grid = _grid_of(count)
    width, height = grid[1] * shape[-1], grid[0] * shape[-2]
    pixels.check_extent(width, height, what="a video")
    size_bytes = math.prod(shape) * int(getattr(getattr(data, "dtype", None), "itemsize", 1))
    if size_bytes > _MOST_BYTES:
        raise UsageError(f"a video of shape {tuple(shape)} is over {_MOST_BYTES >> 30} GiB")
    if format not in _MOST_SIDE:
        raise UsageError(f"frames become gif, mp4 or webm, no {format}")
    if max(width, height) > _MOST_SIDE[format]:
        raise UsageError(
            f"a {format} has at most {_MOST_SIDE[format]:,} pixels a side, got {width}x{height}"
        )
    if format != "gif":
        movie.check_installed(format)
        width, height = width + width % 2, height + height % 2
    if hasattr(data, "filled"):  # NumPy's with a mask
        data = data.filled(0)
    return _Clip(_arrays.take_over(data, _arrays.as_numpy), (width, height), grid, format, fps)


def _hint(shape: Sequence[int]) -> str:
    if len(shape) not in {_DIMS, _DIMS + 1} or shape[-1] not in _CHANNELS:
        return ""
    order = [*range(len(shape) - 3), len(shape) - 1, len(shape) - 3, len(shape) - 2]
    return f": give array.transpose({', '.join(map(str, order))})"


def _grid_of(count: int) -> tuple[int, int]:
    """Rows and columns of as many videos, as in the reference: powers of two."""
    rows = 2 ** ((count.bit_length() - 1) // 2)
    return rows, 2 ** (count - 1).bit_length() // rows


def _tiled(array: Any, grid: tuple[int, int]) -> Iterator[Any]:  # noqa: ANN401  # NumPy
    """Each frame of a batch (B, T, C, H, W), side by side: (H, W), or (H, W, 3)."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    count, times, channels, height, width = array.shape
    rows, columns = grid
    colors = 1 if channels == 1 else 3
    for time in range(times):
        frame = np.zeros((rows * columns, colors, height, width), np.uint8)
        frame[:count] = array[:, time, :colors]
        tiles = frame.reshape(rows, columns, colors, height, width).transpose(0, 3, 1, 4, 2)
        tiles = tiles.reshape(rows * height, columns * width, colors)
        yield tiles[:, :, 0] if colors == 1 else tiles
