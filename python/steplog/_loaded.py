"""What a program has of the libraries that it uses, told without importing one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["is_of", "name_in"]


def name_in(module: str, name: str) -> Any:  # noqa: ANN401  # of any library
    """What a module calls by a name; None, if the module or the name is not there.

    Another thread may be importing the module just now: then the names are there that it has come
    to so far.
    """
    return getattr(sys.modules.get(module), name, None)


def is_of(value: object, module: str, *names: str) -> TypeGuard[Any]:
    """Whether it is an instance of one of the classes.

    It is none of a class that is not there: of that no value exists yet. So where this is true the
    program has imported the module, and may be taken to have all of it.
    """
    for name in names:
        kind = name_in(module, name)
        if isinstance(kind, type) and isinstance(value, kind):
            return True
    return False
