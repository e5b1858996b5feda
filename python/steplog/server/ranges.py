"""What of a file a request asks for: RFC 9110's conditions and ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from steplog.server.schema import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?("[^"]*")')
_MANY = 10**19
"""A number of more digits is beyond the end of any file."""


def is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether who asks has the file as it is (`If-None-Match`)."""
    asked = headers.get("If-None-Match", "")
    return asked.strip() == "*" or etag in _ETAG.findall(asked)


def span_of(headers: Mapping[str, str], etag: str, size: int) -> tuple[int, int] | None:
    """Begin and end of the one range that is asked for; None for the whole file.

    Several ranges, another unit and what is no range are answered with the whole, and so is a range
    of what the file was before (`If-Range`).

    Raises:
        Problem: The file ends before.
    """
    asked = _RANGE.fullmatch(headers.get("Range", ""))
    if asked is None or headers.get("If-Range", etag).strip() != etag:
        return None
    first, last = (_number(text) for text in asked.groups())
    if first is None:
        return _last_bytes(last, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise _beyond(size)
    return first, size if last is None else min(last + 1, size)


def _last_bytes(count: int | None, size: int) -> tuple[int, int] | None:
    if count is None or (size == 0 and count):
        return None  # no range at all, or all of an empty file: it has no range to name
    if count == 0:
        raise _beyond(size)
    return max(0, size - count), size


def _number(text: str) -> int | None:
    if not text:
        return None
    return int(text) if len(text) < len(str(_MANY)) else _MANY


def _beyond(size: int) -> Problem:
    return Problem(
        Code.RANGE, f"the file has {size:,} bytes", headers={"Content-Range": f"bytes */{size}"}
    )


__all__ = ["is_unchanged", "span_of"]
