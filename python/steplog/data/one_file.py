"""Values that are one file each, written on another thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from steplog.data.media import Media, put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from steplog.data.media import Place

    Warn = Callable[[str], object]

__all__ = ["OneFile", "Unwritten", "Written", "captions_of", "text_or_none"]


class Written(NamedTuple):
    """A file, and what the row says of it besides."""

    content: bytes
    suffix: str
    says: Mapping[str, object]


class Unwritten(NamedTuple):
    """A file that is yet to be written; `write` may take long."""

    write: Callable[[Warn], Written]
    size_bytes: int


class OneFile(Media):
    """A value of one file.

    Attributes:
        caption: A text beside it.
    """

    _TYPE: ClassVar[str]
    _FOLDER: ClassVar[str]

    def __init__(self, source: Written | Unwritten, caption: object = None) -> None:
        self.caption = text_or_none(caption)
        self._source = source
        if isinstance(source, Written):
            self.size_bytes = len(source.content)
        else:
            self.size_bytes = source.size_bytes

    def __getstate__(self) -> dict[str, object]:
        """For another process: as its file."""
        return {**self.__dict__, "_source": self._written(lambda _: None), "_kept": None}

    def _written(self, warn: Warn) -> Written:
        source = self._source
        if isinstance(source, Unwritten):
            self._source = source = source.write(warn)  # what it was made of is not needed more
        return source

    def _store(self, place: Place, key: str) -> dict[str, object]:
        content, suffix, says = self._written(place.warn)
        stored = {"_type": self._TYPE, **put(place, (self._FOLDER, key, suffix), content), **says}
        return stored if self.caption is None else {**stored, "caption": self.caption}


def text_or_none(caption: object) -> str | None:
    """A caption as text."""
    return None if caption is None else str(caption)


def captions_of(stored: Sequence[Mapping[str, object]]) -> list[object] | bool:
    """The captions of a list, null for those without; false, if none has any."""
    captions = [one.get("caption") for one in stored]
    return captions if any(caption is not None for caption in captions) else False
