"""Figures of Bokeh."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._loaded import is_of
from steplog.data import given_file, json_text
from steplog.data.media import Media, put

if TYPE_CHECKING:
    from steplog.data.media import Place

__all__ = ["Bokeh"]

_SIZE_BYTES = 1 << 16
"""Of a figure: to count it would take as long as to write it."""


class Bokeh(Media):
    """A figure of Bokeh.

    The constructor takes the figure as it is, or reads the file, and returns; whatever becomes of
    it later does not matter. `log` returns at once; the files are written on another thread: the
    figure's JSON, and, where Bokeh is installed, a page that shows it and needs nothing from
    anywhere. They are in the log first, then the row's value (`await run.alog`, `flush` and
    `finish` wait for them).

    Args:
        data_or_path: A model or document of Bokeh, or the path of a file of such JSON, which is
            kept as it is; one with NaN or infinities, which JSON does not know, with null for them.

    Raises:
        ArgumentTypeError: It is none.
        UsageError: The file cannot be read, or is no document of Bokeh.
    """

    def __init__(self, data_or_path: Any) -> None:  # noqa: ANN401  # of Bokeh
        self._text: bytes | None = None
        if isinstance(data_or_path, (str, os.PathLike)):
            text = given_file.read("Bokeh()", data_or_path)
            self._content, is_strict = _parsed(text, data_or_path)
            self._text = text if is_strict else None
            self.size_bytes = len(text)
        else:
            self._content = _content_of(data_or_path)
            self.size_bytes = _SIZE_BYTES

    def _store(self, place: Place, key: str) -> dict[str, object]:
        text = json_text.encode(self._content, str) if self._text is None else self._text
        stored = {"_type": "bokeh-file", **put(place, ("bokeh", key, ".bokeh.json"), text)}
        page = _page(self._content)
        if page is not None:
            stored["html"] = {"_type": "html-file", **put(place, ("html", key, ".html"), page)}
        return stored


def _parsed(text: bytes, path: str | os.PathLike[str]) -> tuple[Mapping[str, Any], bool]:
    """A document, and whether every reader of JSON can read it."""
    odd: list[str] = []
    try:
        content = json.loads(text, parse_constant=odd.append)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Bokeh() takes a file of JSON, and this is none: {path}") from error
    if not isinstance(content, Mapping) or "roots" not in content:
        raise UsageError(f"it is no document of Bokeh, which has roots: {path}")
    return content, not odd


def _content_of(value: Any) -> Mapping[str, Any]:  # noqa: ANN401  # of Bokeh
    content: Any
    if is_of(value, "bokeh.document", "Document"):
        content = value.to_json(deferred=False)
        return dict(content)
    if is_of(value, "bokeh.model", "Model"):
        from bokeh.embed.util import OutputDocumentFor  # noqa: PLC0415  # only who has it pays

        with OutputDocumentFor([value]) as document:
            content = document.to_json(deferred=False)
        return dict(content)
    raise ArgumentTypeError(f"Bokeh() takes a model or a path, got {type(value).__name__}")


def _page(content: Mapping[str, Any]) -> bytes | None:
    """A page that shows a document, with Bokeh's scripts in it; None without Bokeh."""
    if importlib.util.find_spec("bokeh") is None:
        return None
    from bokeh.document import Document  # noqa: PLC0415  # only who has it pays for it
    from bokeh.embed import file_html  # noqa: PLC0415
    from bokeh.resources import INLINE  # noqa: PLC0415

    given: Any = content
    page: str = file_html(Document.from_json(given), INLINE)
    return page.encode()
