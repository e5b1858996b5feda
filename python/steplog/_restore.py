"""A file that a run has, here or at the server, to read it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TextIO

from steplog._errors import ArgumentTypeError, NotFoundError, UsageError

if TYPE_CHECKING:
    import os

    from steplog._settings import Settings


def restore(
    name: str,
    run_path: str | None,
    *,
    settings: Settings,
    replace: bool,
    root: str | os.PathLike[str],
) -> TextIO | None:
    """Open a file of a run, from `root` or downloaded into it; None when the run has none.

    Without a `run_path` only what is in `root` counts.

    Raises:
        ArgumentTypeError: The name is no text.
        UsageError: The name leads out of `root`.
        ServerError: The server refused or cannot be reached.
        OSError: The folder cannot be written.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"name must be text, got {type(name).__name__}")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise UsageError(f"{name!r} is no name of a file in a run")
    path = Path(root) / name
    if run_path is None or (path.is_file() and not replace):
        return path.open() if path.is_file() else None
    from steplog.client import Api  # noqa: PLC0415  # 100 ms, for programs that read

    with Api(settings.base_url, settings.api_key) as api:
        try:
            found = api.run(run_path)
        except NotFoundError:
            return None
        files = [file for file in found.files() if file.name == name]
        return files[0].download(root, replace=True).open() if files else None
