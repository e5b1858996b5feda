"""Imports beside the program: a child forked in the middle would wait for their locks for ever."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_WAIT_SECS = 5.0
"""Longer than they take; then the fork goes on all the same."""


class _Imports:
    """How many threads import: a fork waits for them, and while it goes on none begins."""

    def __init__(self) -> None:
        self._begun = 0
        self._change = threading.Condition()

    def begin(self) -> None:
        with self._change:
            self._begun += 1

    def end(self) -> None:
        with self._change:
            self._begun -= 1
            self._change.notify_all()

    def before_fork(self) -> None:
        self._change.acquire()
        self._change.wait_for(lambda: self._begun == 0, _MAX_WAIT_SECS)

    def after_fork(self) -> None:
        self._change.release()


_imports = _Imports()


@functools.cache
def _register() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_forget)


def _wait() -> None:
    _imports.before_fork()


def _go_on() -> None:
    _imports.after_fork()


def _forget() -> None:
    """The threads that import are the parent's."""
    global _imports  # noqa: PLW0603  # the child's own
    _imports = _Imports()


def begin() -> None:
    """No fork comes from here on, until `end`: to be called before the importing thread starts."""
    _register()
    _imports.begin()


def end() -> None:
    """What was begun is over; on whatever thread."""
    _imports.end()


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """What is imported in this block is imported as a whole before a thread can fork."""
    begin()
    try:
        yield
    finally:
        end()
