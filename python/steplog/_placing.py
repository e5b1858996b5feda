"""Where a file that a server names goes in a folder of the user's, and nowhere else."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from steplog._errors import ServerError
from steplog._names import CONTROL

if TYPE_CHECKING:
    from pathlib import Path

_FORBIDDEN = re.compile(rf"[\\{CONTROL}]")


def place(root: Path, name: str, *, replace: bool) -> Path:
    """Where a file goes; its folders are made. The server's word on a name is not enough.

    Raises:
        ServerError: The name is none, or leads out of the folder.
        FileExistsError: It is there, and not to be replaced.
    """
    *folders, base = name.split("/")
    if _FORBIDDEN.search(name) or {"", ".", ".."} & {*folders, base}:
        raise ServerError(f"the server's name of a file is none: {name!r}")
    root.mkdir(parents=True, exist_ok=True)
    top = here = root.resolve()
    for folder in folders:
        here = (here / folder).resolve()
        if not here.is_relative_to(top):
            raise ServerError(f"the file would be outside of {root}, a link leads there: {name!r}")
        here.mkdir(exist_ok=True)
    target = here / base
    if not replace and os.path.lexists(target):
        raise FileExistsError(f"the file is there: {target}")
    return target
