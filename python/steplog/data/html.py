"""Pages of HTML."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from steplog._errors import UsageError
from steplog._names import whole_text
from steplog.data.media import Media, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.data.media import Place

__all__ = ["Html"]

_HEAD = '<base target="_blank"><style>body{margin:0;font-family:sans-serif}</style>'
"""Links open beside the page that shows it; nothing is fetched from anywhere."""
_HEAD_TAG = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)
_HTML_TAG = re.compile(r"<html(\s[^>]*)?>", re.IGNORECASE)


class Html(Media):
    """A page of HTML.

    The constructor reads the file, if it is one, and returns; whatever becomes of it later does not
    matter. `log` returns at once; the page is in the log, and then its row's value, soon after
    (`await run.alog`, `flush` and `finish` wait for it).

    Args:
        data: The page; or the path, which ends in `.html`, of a file that exists; or what has a
            `read()`.
        inject: Whether a base target and a small style sheet are added to its head.
        data_is_not_path: Whether a text is the page, also when it looks like a path.

    Attributes:
        html: The page, with what is added.
        inject: As given.

    Raises:
        UsageError: It is none of these, or cannot be read.
    """

    def __init__(
        self,
        data: object,
        inject: bool = True,
        data_is_not_path: bool = False,
    ) -> None:
        text = _text_of(data, data_is_not_path=data_is_not_path)
        self.inject = inject
        self.html = _with_head(text) if inject else text
        self.size_bytes = len(self.html)

    def _store(self, place: Place, key: str) -> dict[str, object]:
        content = whole_text(self.html).encode()
        return {"_type": "html-file", **put(place, ("html", key, ".html"), content)}

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        return {"_type": "html", "count": len(stored), "html": list(stored)}


def _text_of(data: object, *, data_is_not_path: bool) -> str:
    if isinstance(data, str) and (data_is_not_path or not _is_page(data)):
        return data
    if isinstance(data, (str, os.PathLike)):
        path = Path(data)
        if not _is_page(path):
            raise UsageError(f"Html() takes the path of a file that ends in .html, got {path}")
        try:
            return path.read_text("utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"Html() cannot read it: {error.strerror}: {path}") from error
    read = getattr(data, "read", None)
    text = read() if callable(read) else None
    if isinstance(text, (bytes, bytearray)):
        text = bytes(text).decode("utf-8", errors="replace")
    if not isinstance(text, str):
        raise UsageError(f"Html() takes a text, a path or a file, got {type(data).__name__}")
    return text


def _is_page(path: str | os.PathLike[str]) -> bool:
    try:
        return os.fspath(path).endswith(".html") and Path(path).is_file()
    except (OSError, ValueError):  # too long, or with a NUL: it is no path
        return False


def _with_head(text: str) -> str:
    if _HEAD_TAG.search(text):
        added = _HEAD_TAG.sub(lambda tag: tag.group() + _HEAD, text, count=1)
    elif _HTML_TAG.search(text):
        added = _HTML_TAG.sub(lambda tag: f"{tag.group()}<head>{_HEAD}</head>", text, count=1)
    else:
        added = _HEAD + text
    return added.strip()
