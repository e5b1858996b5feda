"""What a program gives as a file: it is read once, and checked."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from steplog._errors import ArgumentTypeError, UsageError

__all__ = ["MOST_BYTES", "Found", "find", "read"]

MOST_BYTES = 1 << 30
"""Of a file that is no image: it lies in memory until it is in the log."""
_REFERENCE = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
_CHUNK_BYTES = 16 << 20


class Found(NamedTuple):
    """A file.

    Attributes:
        content: All of it.
        name: Its path; empty, where it has none.
    """

    content: bytes
    name: str


def find(what: str, data: object) -> Found:
    """The file of a path, of bytes, or of what has a `read()`.

    An open file is read from where it stands. `what` says in errors who asks.

    Raises:
        ArgumentTypeError: It is none of these.
        UsageError: It cannot be read, is no file, or is too large.
    """
    if isinstance(data, (str, os.PathLike)):
        return Found(read(what, data), os.fspath(data))
    if isinstance(data, (bytes, bytearray, memoryview)):
        content: object = bytes(data)
    else:
        getvalue = getattr(data, "getvalue", None)  # all of it, wherever it stands
        given = getvalue if callable(getvalue) else getattr(data, "read", None)
        content = given() if callable(given) else None
    if isinstance(content, str):
        content = content.encode(errors="replace")
    if not isinstance(content, bytes):
        raise ArgumentTypeError(f"{what} takes a path, bytes or a file, got {type(data).__name__}")
    if len(content) > MOST_BYTES:
        raise UsageError(f"{what} takes files of up to {MOST_BYTES >> 20} MiB")
    name = getattr(data, "name", "")
    return Found(content, name if isinstance(name, str) else "")


def read(what: str, path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file; what becomes of it afterwards does not matter.

    Raises:
        UsageError: It cannot be read, is no file, or has more than `most_bytes`.
    """
    text = os.fspath(path)
    if _REFERENCE.match(str(text)):
        raise UsageError(f"{what} takes no references: download it first: {text}")
    try:
        # A pipe would hold the caller up until somebody writes into it.
        opened = os.open(Path(text), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{what} cannot read it: {why}: {text}") from error
    try:
        return _all_of(what, opened, str(text), most_bytes=most_bytes)
    except OSError as error:
        raise UsageError(f"{what} cannot read it: {error.strerror}: {text}") from error
    finally:
        os.close(opened)


def _all_of(what: str, opened: int, text: str, *, most_bytes: int) -> bytes:
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{what} takes files alone, and this is none: {text}")
    parts: list[bytes] = []
    room = most_bytes + 1  # it may be growing
    while found.st_size < room and room > 0:
        part = os.read(opened, min(room, _CHUNK_BYTES))
        if not part:
            return b"".join(parts)
        parts.append(part)
        room -= len(part)
    raise UsageError(f"{what} takes files of up to {most_bytes >> 20} MiB: {text}")
