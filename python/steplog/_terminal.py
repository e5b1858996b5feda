"""What a person sees on stderr."""

from __future__ import annotations

import sys
from typing import Any

from steplog._loaded import name_in
from steplog._origin import is_the_programs


def printable(text: object) -> str:
    """The text without letters that would steer a terminal."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text)
    )


def say(text: str) -> None:
    """Write one line with our prefix; a stderr that is gone, or fails, is nobody's loss."""
    if sys.stderr is None:  # `print` would take stdout in its place
        return
    try:
        # One write: lines of several processes must not mix.
        print(f"steplog: {printable(text)}\n", end="", file=sys.stderr, flush=True)  # noqa: T201  # the one place that prints
    except Exception as error:  # a program may have put anything there
        if is_the_programs(error):
            raise


def shorten(text: str, limit: int = 300) -> str:
    """Cut a long text for a message."""
    return text if len(text) <= limit else text[:limit] + "…"


def count(number: int, noun: str) -> str:
    """The number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def is_notebook() -> bool:
    """Whether this process is a notebook's kernel, where cells are run again and again."""
    return hasattr(shell(), "kernel")


def shell() -> Any:  # noqa: ANN401  # of IPython
    """The shell of IPython that this process runs in, or None."""
    get_ipython = name_in("IPython", "get_ipython")
    return None if get_ipython is None else get_ipython()
