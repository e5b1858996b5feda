"""Ways out of the process that end its threads at once: `os.exec…` and `os._exit`."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import TYPE_CHECKING, Any

from steplog._writer import ask_output, resume_output, suspend_output, wait_output

if TYPE_CHECKING:
    from collections.abc import Callable

FLUSH_SECS = 2.0
"""Longest time that they wait for what was printed: whoever reads it may have stopped."""


@functools.cache
def watch() -> None:
    """Have what was printed forwarded before the process is left; harmless in forked children."""
    instead = {"_exit": _flushing, "execv": _giving_back, "execve": _giving_back}
    for name, made in instead.items():  # all others of the family call these
        function = made(getattr(os, name))
        function.__module__, function.__qualname__ = "os", name  # so it is found by who pickles it
        setattr(os, name, function)


def _flushing(leave: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(leave)
    def flush_and_leave(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as the original's
        wait_output(ask_output(), FLUSH_SECS)
        return leave(*args, **kwargs)

    return flush_and_leave


def _giving_back(leave: Callable[..., Any]) -> Callable[..., Any]:
    """The program that comes has the streams that this one began with."""

    @functools.wraps(leave)
    def give_back_and_leave(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as the original's
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # any object may stand for one
                stream.flush()
        wait_output(ask_output(), FLUSH_SECS)
        suspend_output()
        try:
            return leave(*args, **kwargs)
        finally:
            resume_output()  # there is no such program, and this one goes on

    return give_back_and_leave
