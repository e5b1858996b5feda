"""What happens at interpreter exit and in forked children."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from typing import Protocol


class Finishable(Protocol):
    """A run, seen from here."""

    def finish_at_exit(self, exit_code: int) -> None:
        """Finish within the exit deadline; never raises."""

    def let_go(self) -> None:
        """In a forked child: let go of what is the parent's alone; never raises."""


_open: dict[int, tuple[int, Finishable]] = {}


def track(run: Finishable) -> None:
    """Finish the run at interpreter exit, unless it is before."""
    _register_once()
    _open[id(run)] = (os.getpid(), run)


@functools.cache
def _register_once() -> None:
    atexit.register(_finish_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_let_go_of_all)


def forget(run: Finishable) -> None:
    """The run has been finished."""
    _open.pop(id(run), None)


def _finish_all() -> None:
    failed = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
    for pid, run in list(_open.values()):
        if pid == os.getpid():
            run.finish_at_exit(int(failed))


def _let_go_of_all() -> None:
    for _, run in list(_open.values()):
        run.let_go()
