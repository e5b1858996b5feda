"""Whose an exception is: of the value that was being read, or of the program around the call."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType

_MOST_FRAMES = 300
"""More than reading a value takes that nests as deep as it may."""


def is_the_programs(error: BaseException) -> bool:
    """Whether it has nothing to do with what was being read when it was raised.

    So it is where a handler of a signal raised it, or where the program had come so deep that no
    value could have been read.
    """
    if isinstance(error, RecursionError) and _is_deep():
        return True
    codes = None
    traceback = error.__traceback__
    while traceback is not None:
        codes = _codes_of_handlers() if codes is None else codes
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def _is_deep() -> bool:
    limit = sys.getrecursionlimit()
    left = limit - min(_MOST_FRAMES, limit // 2)
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # `inspect` costs 10 ms
    while frame is not None and left > 0:
        frame, left = frame.f_back, left - 1
    return frame is not None


def _codes_of_handlers() -> set[CodeType]:
    import signal  # noqa: PLC0415  # where there is a handler it is loaded

    handlers = map(signal.getsignal, signal.valid_signals())
    return {code for code in map(_code_of, handlers) if code is not None}


def _code_of(handler: object) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    function = getattr(handler, "__func__", handler)
    if not hasattr(function, "__code__"):
        call = getattr(type(handler), "__call__", None)  # noqa: B004  # its code is looked for
        function = getattr(call, "__func__", call)
    code: CodeType | None = getattr(function, "__code__", None)
    return code
