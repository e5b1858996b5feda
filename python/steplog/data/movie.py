"""Video by FFmpeg's libraries, of which PyAV is the interface: it is in the extra `media`."""

from __future__ import annotations

import importlib.util
import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODECS", "Facts", "check_installed", "encode", "facts"]

CODECS = {
    "mp4": ("libx264", {"crf": "20", "preset": "veryfast"}),
    "webm": ("libvpx-vp9", {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "5"}),
}
"""By format; FFmpeg's default presets take several times as long."""
_MOST_DENOMINATOR = 65_535


class Facts(NamedTuple):
    """What a file says of itself; None where it does not."""

    width: int
    height: int
    fps: float | None
    duration: float | None


def check_installed(format: str) -> None:
    """Check that such a file can be written.

    Raises:
        UsageError: PyAV is not installed.
    """
    if not _is_installed():
        raise UsageError(
            f"a video is written as {format} by PyAV: pip install 'steplog[media]', "
            'or take format="gif"'
        )


def _is_installed() -> bool:
    return importlib.util.find_spec("av") is not None


def encode(frames: Iterable[Any], size: tuple[int, int], *, format: str, fps: float) -> bytes:
    """Arrays (H, W) or (H, W, 3) of uint8 as a file; `size` is its width and height, both even.

    A frame that lacks a row or column has its last one twice: H.264 in the pixel format that every
    browser knows halves both.
    """
    import av  # noqa: PLC0415  # only who asks for such a file pays for it
    import numpy as np  # noqa: PLC0415

    codec, options = CODECS[format]
    width, height = size
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        rate = Fraction(fps).limit_denominator(_MOST_DENOMINATOR)
        stream: Any = container.add_stream(codec, rate=rate, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1  # a training has other work for the cores
        for frame in frames:
            missing = [(0, height - frame.shape[0]), (0, width - frame.shape[1])]
            padded = np.pad(frame, missing + [(0, 0)] * (frame.ndim - 2), mode="edge")
            kind = "gray" if padded.ndim == 2 else "rgb24"  # noqa: PLR2004  # no channels
            container.mux(stream.encode(av.VideoFrame.from_ndarray(padded, format=kind)))
        container.mux(stream.encode())
    return file.getvalue()


def facts(content: bytes) -> Facts | None:
    """What a file says of itself; None without PyAV, or where it is no video."""
    if not _is_installed():
        return None
    import av  # noqa: PLC0415  # only who has it pays for it

    try:
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate
            length = container.duration  # of all streams, in microseconds
            return Facts(
                stream.width,
                stream.height,
                float(rate) if rate else None,
                length / av.time_base if length else None,
            )
    except (av.FFmpegError, IndexError, ValueError):
        return None
