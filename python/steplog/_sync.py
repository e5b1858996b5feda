"""What happens at interpreter exit and in forked children."""

from __future__ import annotations

import atexit
import contextlib
import functools
import math
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from steplog import _pending
from steplog._errors import ArgumentTypeError, UsageError
from steplog._loaded import name_in

if TYPE_CHECKING:
    from types import FrameType


class Finishable(Protocol):
    """A run, seen from here."""

    def finish_at_exit(self, exit_code: int, *, spent_secs: float) -> None:
        """Finish within what is left of the exit deadline; raises nothing but KeyboardInterrupt."""

    def let_go(self) -> None:
        """In a forked child: let go of what is the parent's alone; never raises."""


MAX_EXIT_CODE = (1 << 31) - 1
MAX_SECS = 1e6
"""Longer than anybody waits; what threads can wait is bounded."""
_INTERRUPTED = 255
"""The reference's code for Ctrl-C."""

_open: dict[int, tuple[int, Finishable]] = {}
_said: int | None = None
"""What `sys.exit` was called with last."""


def track(run: Finishable) -> None:
    """Finish the run at interpreter exit, unless it is before."""
    global _said  # noqa: PLW0603  # a program that goes on has not exited
    _said = None
    _register_once()
    if not any(pid == os.getpid() for pid, _ in _open.values()):
        _register_in_child()
    _open[id(run)] = (os.getpid(), run)


@functools.cache
def _register_once() -> None:
    atexit.register(_finish_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_let_go_of_all)
    _watch_sys_exit()


def _watch_sys_exit() -> None:
    """Remember what `sys.exit` was called with: at exit nothing else tells."""
    original = sys.exit

    @functools.wraps(original)
    def exit_and_tell(status: Any = None, /) -> NoReturn:  # noqa: ANN401  # as `sys.exit` takes
        global _said  # noqa: PLW0603  # the process has one
        if threading.current_thread() is threading.main_thread():
            _said = exit_code_of(SystemExit(status))
        original(status)

    sys.exit = exit_and_tell


def _register_in_child() -> None:
    """Children of `multiprocessing` run their own finalizers, and no exit hook."""
    finalize = name_in("multiprocessing.util", "Finalize")
    parent_process = name_in("multiprocessing.process", "parent_process")
    if finalize is not None and parent_process is not None and parent_process() is not None:
        finalize(None, _finish_all, exitpriority=0)


def forget(run: Finishable) -> None:
    """The run has been finished."""
    _open.pop(id(run), None)


def check_exit_code(code: object) -> int:
    """What `finish` is given; by default what is known of how the program ends.

    Raises:
        ArgumentTypeError: It is no integer.
        UsageError: It is out of range.
    """
    if code is None:
        return _known_code()
    if not isinstance(code, int):
        raise ArgumentTypeError(f"exit_code must be an integer, got {type(code).__name__}")
    if abs(code) > MAX_EXIT_CODE:
        raise UsageError(f"exit_code must be at most {MAX_EXIT_CODE:,}")
    return code


def check_timeout(timeout_secs: object, usual_secs: float) -> float:
    """How long `finish` may take; by default as the settings say.

    Raises:
        ArgumentTypeError: It is no number.
        UsageError: It is negative, or NaN.
    """
    if timeout_secs is None:
        return usual_secs
    if isinstance(timeout_secs, bool) or not isinstance(timeout_secs, (int, float)):
        kind = type(timeout_secs).__name__
        raise ArgumentTypeError(f"timeout_secs must be a number, got {kind}")
    if not timeout_secs >= 0:
        raise UsageError(f"timeout_secs must be 0 or more, got {timeout_secs}")
    return min(float(timeout_secs), MAX_SECS)


def _known_code() -> int:
    """What the program is ending with, if it is; 0 when nothing is known."""
    error = sys.exc_info()[1]
    if isinstance(error, SystemExit):
        return exit_code_of(error)
    uncaught = _pending.in_hook()
    if uncaught is not None:
        return exit_code_of(uncaught)
    if threading.main_thread().is_alive():
        return 0  # whatever was raised before, the program goes on
    return _code_at_exit(None)


def _code_at_exit(error: BaseException | None) -> int:
    """What the interpreter ends with, by this error or by what is known otherwise."""
    error = _uncaught() if error is None else error
    return exit_code_of(error) if error is not None or _said is None else _said


def _uncaught() -> BaseException | None:
    """The error that the program ends by; a prompt goes on after one."""
    found: BaseException | None = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    return found


def exit_code_of(error: BaseException | None) -> int:
    """The exit code of a process that ends by this."""
    if isinstance(error, SystemExit):
        code = error.code
        if isinstance(code, int):
            # As the system cuts it off; of one that is too large the interpreter makes -1.
            return (code if abs(code) <= MAX_EXIT_CODE else -1) & 0xFF
        return int(code is not None)
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED
    return int(error is not None)


def _code_of_child() -> int | None:
    """What a child of `multiprocessing` is about to end with, where that is known.

    Since Python 3.13 its finalizers run when the exception has been dealt with: only the frame that
    waits to call `os._exit` has the code then.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # there is no other way to it
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("multiprocessing."):
            code = frame.f_locals.get("code")
            if frame.f_code.co_name == "_bootstrap":
                return None  # older ones: the exception is still at hand
            if isinstance(code, int):
                return code
        frame = frame.f_back
    return None


def _finish_all() -> None:
    code = _code_of_child()
    if code is None:
        code = _code_at_exit(sys.exc_info()[1])
    uncaught = _uncaught()
    if uncaught is not None:
        _pending.correct(uncaught, exit_code_of(uncaught))
    since = time.monotonic()
    spent_secs = 0.0
    for pid, run in list(_open.values()):
        if pid == os.getpid():
            try:
                run.finish_at_exit(code, spent_secs=spent_secs)
                spent_secs = max(spent_secs, time.monotonic() - since)
            except KeyboardInterrupt:
                spent_secs = math.inf  # the others are ended as well, without waiting
    if type(uncaught) is KeyboardInterrupt:
        _die_by_interrupt()


def _die_by_interrupt() -> None:
    """Have the interpreter end by SIGINT, as it does after an uncaught KeyboardInterrupt.

    It forgets that one when any thread runs code of its own, as the import of a module may.
    """
    with contextlib.suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102  # code of its own is what it takes


def _let_go_of_all() -> None:
    for _, run in list(_open.values()):
        run.let_go()
