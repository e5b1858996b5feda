"""Sounds."""

from __future__ import annotations

import functools
import importlib.util
import io
import math
import re
from numbers import Real
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import given_file, wave_file
from steplog.data.one_file import OneFile, Unwritten, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Audio"]

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}
_MOST_CHANNELS = 1024
_MOST_RATE = (1 << 32) - 1
"""Of a WAV file: bytes a second."""


class Audio(OneFile):
    """A sound.

    The constructor copies the samples, or starts to copy them from their device, or reads the file,
    and returns; whatever becomes of them later does not matter. `log` returns at once; the file is
    written on another thread. It is in the log first, then its row's value (`await run.alog`,
    `flush` and `finish` wait for it).

    Args:
        data_or_path: An array, tensor or list (n,) or (n, channels), which becomes a WAV file of 16
            bits: floats from -1 to 1, or integers; or the path, or the bytes, of a file of any
            format, which is kept as it is.
        sample_rate: Samples a second; needed for what is no file.
        caption: A text beside it.

    Attributes:
        sample_rate: As given.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        UsageError: It is no sound, cannot be read, or is too large; or `sample_rate` is missing.
    """

    _TYPE, _FOLDER = "audio-file", "audio"

    def __init__(
        self,
        data_or_path: Any,  # noqa: ANN401  # of any library
        sample_rate: int | None = None,
        caption: str | None = None,
    ) -> None:
        self.sample_rate = None if sample_rate is None else _rate_of(sample_rate)
        if _arrays.is_array(data_or_path) or isinstance(data_or_path, (list, tuple)):
            if self.sample_rate is None:
                raise UsageError("Audio() needs sample_rate for what is no file")
            source = _samples_of(data_or_path, self.sample_rate)
        else:
            found = given_file.find("Audio()", data_or_path)
            write = functools.partial(_file, found.content, _suffix_of(found))
            source = Unwritten(write, len(found.content))
        super().__init__(source, caption)

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        found: dict[str, object] = {
            "_type": "audio",
            "count": len(stored),
            "audio": list(stored),
            "sampleRates": [one.get("sample_rate") for one in stored],
            "durations": [one.get("duration") for one in stored],
        }
        if any("caption" in one for one in stored):
            found["captions"] = [one.get("caption", "") for one in stored]
        return found


def _rate_of(rate: object) -> int:
    if isinstance(rate, bool) or not isinstance(rate, Real) or not float(rate).is_integer():
        raise ArgumentTypeError(f"sample_rate must be an integer, got {rate!r}")
    if not 1 <= float(rate) <= _MOST_RATE:
        raise UsageError(f"sample_rate must be 1 to {_MOST_RATE:,}, got {rate!r}")
    return int(float(rate))


# ---- samples ------------------------------------------------------------------------------------


def _samples_of(data: Any, rate: int) -> Unwritten:  # noqa: ANN401  # of any library
    if not _arrays.is_array(data):
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        try:
            data = np.asarray(data)
        except (ValueError, OverflowError) as error:  # of rows of unequal lengths
            raise ArgumentTypeError(f"Audio() takes numbers: {error}") from error
    shape = tuple(int(extent) for extent in data.shape)
    channels = shape[1] if len(shape) == 2 else 1  # noqa: PLR2004  # samples and channels
    if len(shape) not in {1, 2} or not 1 <= channels <= _MOST_CHANNELS:
        raise UsageError(
            f"a sound is an array (samples,) or (samples, channels) of up to {_MOST_CHANNELS:,} "
            f"channels, got {shape}"
        )
    if getattr(getattr(data, "dtype", None), "kind", "f") not in "iufV":
        raise ArgumentTypeError(f"a sound has numbers, got elements of type {data.dtype}")
    if 2 * channels * rate > _MOST_RATE:
        raise UsageError(f"a WAV file holds no {channels} channels of {rate} samples a second")
    if 2 * math.prod(shape) > given_file.MOST_BYTES:
        raise UsageError(f"a sound of shape {shape} is over {given_file.MOST_BYTES >> 20} MiB")
    if hasattr(data, "filled"):  # NumPy's with a mask
        data = data.filled(0)
    taken = _arrays.take_over(data, _arrays.as_numpy)

    def write(warn: Callable[[str], object]) -> Written:
        content = wave_file.encode(taken.value(), rate, warn)
        says = {"sample_rate": rate, "duration": shape[0] / rate}
        return Written(content, ".wav", says)

    return Unwritten(write, taken.size_bytes)


# ---- files --------------------------------------------------------------------------------------


def _suffix_of(found: given_file.Found) -> str:
    suffix = re.search(r"\.[^./]*$", found.name)
    if suffix is not None and _SUFFIX.fullmatch(suffix.group()):
        return suffix.group().lower()
    kinds = (kind for magic, kind in _MAGIC.items() if found.content.startswith(magic))
    return next(kinds, ".bin")


def _file(content: bytes, suffix: str, _: Callable[[str], object]) -> Written:
    """A file as it is, and what it says of itself."""
    facts = wave_file.facts(content) or _facts_of_others(content)
    names = ("sample_rate", "duration")
    return Written(content, suffix, dict(zip(names, facts, strict=True)) if facts else {})


def _facts_of_others(content: bytes) -> tuple[int, float] | None:
    """As of `wave_file.facts`, of all formats that libsndfile knows, where it is installed."""
    if importlib.util.find_spec("soundfile") is None:
        return None
    import soundfile  # noqa: PLC0415  # only who has it pays for it

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as opened:
            return opened.samplerate, opened.frames / opened.samplerate
    except (soundfile.SoundFileError, RuntimeError, ZeroDivisionError):
        return None
