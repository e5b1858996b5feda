"""The program's own source: its script or notebook, and the code in a folder."""

from __future__ import annotations

import inspect
import json
import os
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from steplog import _folder
from steplog._errors import ArgumentTypeError, UsageError
from steplog._save_paths import Found
from steplog._terminal import shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDER = "code"
"""Where it is in the run."""
SESSION = f"{FOLDER}/_session.ipynb"
_CODE = ("*.py", "*.pyi", "*.ipynb", "Dockerfile*", "requirements*.txt", "pyproject.toml")
_LEFT_OUT = {"__pycache__", "site-packages", "node_modules", "wandb", _folder.ROOT}
_ENVIRONMENT = "pyvenv.cfg"
"""A folder with this holds installed packages."""


@dataclass(frozen=True)
class Program:
    """What is running, as of when this was asked: a script that is over is not known any more.

    Attributes:
        path: Of the script, or of the module's file; empty where there is none.
        module: The module's name, where it was called by that.
    """

    path: str
    module: str = ""

    @property
    def name(self) -> str:
        """The script's path, `-m` and the module's name, or `<interactive>`."""
        if self.module:
            return f"-m {self.module}"
        return str(_absolute(self.path)) if self.path else "<interactive>"

    @property
    def script(self) -> Path | None:
        """The script, or the module's file."""
        script = _absolute(self.path)
        return script if self.path and script.is_file() else None


def program() -> Program:
    """What this process runs."""
    main = sys.modules.get("__main__")
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if not isinstance(path, str) or hasattr(main, "get_ipython"):
        return Program("")
    if spec is None or spec.name == "__main__":
        return Program(path)
    return Program(path, spec.name.removesuffix(".__main__"))


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # links stay as they were called


def source(running: Program, environ: Mapping[str, str]) -> Found | None:
    """The script or notebook that this program is; None when it is none."""
    path = notebook(environ) or running.script
    return None if path is None else Found(path, f"{FOLDER}/{name_of(path)}")


def notebook(environ: Mapping[str, str]) -> Path | None:
    """The notebook whose kernel this is, where Jupyter or an editor says so."""
    found = shell()
    if found is None:
        return None
    told = getattr(found, "user_ns", {}).get("__vsc_ipynb_file__")
    told = told or environ.get("JPY_SESSION_NAME") or ""
    path = Path(str(told)).absolute()
    return path if path.suffix == ".ipynb" and path.is_file() else None


def session() -> bytes | None:
    """The cells that were run so far in IPython, as a notebook; None elsewhere.

    Format: https://nbformat.readthedocs.io, version 4.5.
    """
    found = shell()
    cells = [] if found is None else list(getattr(found, "user_ns", {}).get("In", []))
    if not cells:
        return None
    listed = [
        {
            "cell_type": "code",
            "execution_count": number,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": str(text),
        }
        for number, text in enumerate(cells)
        if text
    ]
    made = {"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False).encode("utf-8", "replace")


def name_of(path: Path) -> str:
    """Its path in the working directory; its name, if it lies elsewhere."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.name


def collect(root: object, include: object, exclude: object) -> list[Found]:
    """The code below a folder, by its path.

    Hidden folders, installed packages and folders of runs are left out. `include` and `exclude` are
    called with a path, and with the root as well if they take two arguments.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: There is no such folder.
    """
    if not isinstance(root, (str, os.PathLike)):
        raise ArgumentTypeError(f"root must be a path, got {type(root).__name__}")
    base = _absolute(os.fsdecode(root))
    if not base.is_dir():
        raise UsageError(f"there is no folder {base} to take code from")
    is_included = _choice("include_fn", include, base) or _is_code
    is_excluded = _choice("exclude_fn", exclude, base) or (lambda _: False)
    return [
        Found(path, f"{FOLDER}/{path.relative_to(base).as_posix()}")
        for path in _below(base)
        if is_included(str(path)) and not is_excluded(str(path))
    ]


def _is_code(path: str) -> bool:
    return any(fnmatch(Path(path).name, pattern) for pattern in _CODE)


def _choice(what: str, choose: object, base: Path) -> Callable[[str], bool] | None:
    if choose is None:
        return None
    if not callable(choose):
        raise ArgumentTypeError(f"{what} must be callable, got {type(choose).__name__}")
    try:
        takes_root = len(inspect.signature(choose).parameters) > 1
    except (TypeError, ValueError):  # of a builtin
        takes_root = False
    return lambda path: bool(choose(path, str(base)) if takes_root else choose(path))


def _below(base: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(base):
        if _ENVIRONMENT in names and Path(folder) != base:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and name[0] != ".")
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path
