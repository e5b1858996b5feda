"""A terminal that is redirected, as this process writes to it by itself."""

from __future__ import annotations

import io
import os
import time
from typing import Any

from steplog._writer import ask_output, has_unread_output, wait_output

_WAIT_SECS = 0.1
"""Longest time that a print waits for what others have written; mostly it takes a fraction."""
_NO_WAIT_SECS = 0.5
"""How long no print waits after one that has waited in vain."""


class OwnTerminal:
    """A terminal that children write to through another one, and Python by itself.

    Line by line, as Python does, so that those of others stand between the lines only.
    """

    def __init__(self, descriptor: int, number: int, like: Any) -> None:  # noqa: ANN401  # as above
        self.descriptor = descriptor
        self._number = number
        self._between = _which(number)
        self._waits_from = 0.0
        raw = io.FileIO(descriptor, "w", closefd=False)
        self.stream = io.TextIOWrapper(
            raw if like.write_through else io.BufferedWriter(raw),  # `python -u`
            encoding=like.encoding,
            errors=like.errors,
            newline="",
            line_buffering=like.line_buffering,
            write_through=like.write_through,
        )

    def is_meant(self) -> bool:
        """Whether the stream's number has not been given to another file since."""
        return _which(self._number) == self._between

    def is_shown_at_once(self, text: str) -> bool:
        """Whether the stream keeps nothing of a text to itself."""
        return self.stream.write_through or "\n" in text or "\r" in text

    def let_others_first(self) -> None:
        """Wait until what others have written by now, as `readline` has, is on the terminal.

        Where that takes too long, as in a flood of a child's, none waits in the next moment.
        """
        if time.monotonic() < self._waits_from or not has_unread_output():
            return
        if not wait_output(ask_output(), _WAIT_SECS):
            self._waits_from = time.monotonic() + _NO_WAIT_SECS


def _which(number: int) -> tuple[int, int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_rdev
