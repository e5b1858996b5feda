"""Runs that ended while an error was on its way: did the program die of it?"""

from __future__ import annotations

import collections
import os
import sys
from typing import TYPE_CHECKING, Any

from steplog._errors import StorageError
from steplog._terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steplog._writer import Writer

_MAX_KEPT = 64
"""A service may end many runs so, and goes on."""

# Process, which error (it is not kept alive: that would keep its frames), exit code said, writer.
_ended: collections.deque[tuple[int, tuple[int, type], int, Writer]] = collections.deque(
    maxlen=_MAX_KEPT
)


def note(writer: Writer, code: int, error: BaseException | None) -> None:
    """A run was ended with this exit code, while this was being handled or on its way."""
    if error is not None and not isinstance(error, SystemExit):
        _ended.append((os.getpid(), _which(error), code, writer))


def correct(error: BaseException, code: int) -> None:
    """The program ends by this error, with this exit code: tell it of the runs that it ended."""
    errors = {_which(one) for one in _behind(error)}
    while _ended:
        pid, which, said, writer = _ended.pop()
        if pid == os.getpid() and which in errors and said != code:
            try:
                writer.correct_exit(code)
            except StorageError as failure:
                say(f"warning: the run's exit code {code} could not be recorded: {failure}")


def in_hook() -> BaseException | None:
    """The uncaught error, where a `sys.excepthook` of the program is just told of it."""
    hook = getattr(sys.excepthook, "__code__", None)
    frame = sys._getframe() if hook is not None else None  # noqa: SLF001  # no other way to it
    while frame is not None:
        if frame.f_code is hook:
            found: Any = getattr(sys, "last_value", None)
            return found if isinstance(found, BaseException) else None
        frame = frame.f_back
    return None


def _which(error: BaseException) -> tuple[int, type]:
    return id(error), type(error)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen, waiting = set(), [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        waiting += getattr(one, "exceptions", ())  # of a group
