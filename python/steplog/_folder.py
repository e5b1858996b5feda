"""A run's folder: its name, its identity file, the link to the latest."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from steplog._errors import StorageError

ROOT = "steplog-runs"
_CURSOR = "cursor.json"


def create(parent: str | os.PathLike[str], run_id: str) -> tuple[Path, str | None]:
    """Create the run's folder below `parent`/steplog-runs.

    Where that cannot be written, the system's temporary folder is taken.

    Returns:
        The folder, and a warning when it is not where it was asked for.

    Raises:
        StorageError: The temporary folder cannot be written either.
    """
    root = Path(parent or ".").absolute() / ROOT
    try:
        return _create_in(root, run_id), None
    except OSError as error:
        reason = f"cannot write {root} ({error.strerror or error})"
    import tempfile  # noqa: PLC0415  # 3 ms, for the rare case

    fallback = Path(tempfile.gettempdir()) / ROOT
    try:
        return _create_in(fallback, run_id), f"{reason}; the run is kept in {fallback}"
    except OSError as error:
        raise StorageError(error.errno, f"{reason}, nor {fallback}: {error}") from error


def _create_in(root: Path, run_id: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d_%H%M%S')}-{run_id}"
    number = 0
    while True:
        folder = root / (f"{name}-{number}" if number else name)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        (folder / "files").mkdir()
        _link(root / "latest", folder.name)
        return folder


def _link(link: Path, target: str) -> None:
    """Point `latest` at the run; where links cannot be made there is none."""
    temporary = link.with_name(f".latest-{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.symlink_to(target)
        temporary.replace(link)


def remove(folder: Path) -> None:
    """Remove the folder of a run that could not be started, as far as that is possible."""
    import shutil  # noqa: PLC0415  # 2 ms, for the rare case

    shutil.rmtree(folder, ignore_errors=True)
    link = folder.parent / "latest"
    with contextlib.suppress(OSError):
        if link.is_symlink() and not link.exists():
            link.unlink()


def write_json(path: Path, value: object) -> None:
    """Write a file so that a reader sees the old or the new one, whole."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def read_cursor(writer_dir: Path) -> dict[str, int]:
    """How far each server has acknowledged a writer's log, by server id; a broken file is none."""
    try:
        cursor = json.loads((writer_dir / _CURSOR).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(cursor, dict):
        return {}
    return {server: at for server, at in cursor.items() if isinstance(at, int)}


def write_cursor(writer_dir: Path, server: str, acknowledged: int) -> None:
    """Note how far a server has acknowledged a writer's log.

    Raises:
        OSError: The folder cannot be written.
    """
    write_json(writer_dir / _CURSOR, {**read_cursor(writer_dir), server: acknowledged})
