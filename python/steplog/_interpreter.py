"""Refuses interpreters inside an interpreter: the log's threads belong to a process."""

from __future__ import annotations

import importlib


def is_main() -> bool:
    """Whether this is the interpreter that the process began with."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # since and before Python 3.13
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        current = module.get_current()
        number = current[0] if isinstance(current, tuple) else current
        return int(number) == 0
    return True  # an implementation without them


if not is_main():
    raise ImportError(
        "steplog cannot be used in a sub-interpreter: log from the main one, or from a process"
    )
