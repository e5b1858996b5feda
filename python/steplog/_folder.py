"""A run's folder: its name, its identity file, the link to the latest."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

ROOT = "steplog-runs"
_CURSOR = "cursor.json"
_LEFT_OUT = "left-out.json"
_OWED = "owed.json"
_NOTE = "resume.json"
_SEGMENT = re.compile(r"[0-9]{8,10}\.wal")


def root_in(directory: str | os.PathLike[str]) -> Path:
    """Where the runs of a folder are, of the working directory when it is empty."""
    root = Path(directory or ".") / ROOT
    try:
        return root.absolute()
    except FileNotFoundError:  # the working directory has been removed: nothing can be made here
        return root


def create(root: Path, run_id: str) -> Path:
    """Create a run's folder in `root`.

    Raises:
        OSError: It cannot be created.
    """
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
        return folder


def link_latest(folder: Path) -> None:
    """Point `latest` beside the run's folder at it; where links cannot be made there is none."""
    temporary = folder.with_name(f".latest-{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.symlink_to(folder.name)
        temporary.replace(folder.with_name("latest"))


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
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """JSON as the files of a run have it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, whole."""
    write_bytes(path, text.encode())


def beside(path: Path) -> Path:
    """What is put in the place of a file is made there first; hidden, and this thread's own."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, whole."""
    temporary = beside(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_cursor(writer_dir: Path) -> dict[str, int]:
    """How far each server has acknowledged a writer's log, by server id; a broken file is none."""
    cursor = _read_notes(writer_dir / _CURSOR)
    return {server: at for server, at in cursor.items() if isinstance(at, int)}


def _read_notes(path: Path) -> dict[str, Any]:
    """What a file of ours says by server id; a broken file says nothing."""
    try:
        notes = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def write_cursor(writer_dir: Path, server: str, acknowledged: int) -> None:
    """Note how far a server has acknowledged a writer's log.

    Raises:
        OSError: The folder cannot be written.
    """
    write_json(writer_dir / _CURSOR, {**read_cursor(writer_dir), server: acknowledged})


def read_left_out(writer_dir: Path) -> dict[str, dict[str, int]]:
    """The log files that `steplog sync --partial` left out, by server id; a broken file is none.

    Of each: the position that the server had. It holds when the server is past it.
    """
    notes = _read_notes(writer_dir / _LEFT_OUT)
    return {
        server: {
            name: at
            for name, at in files.items()
            if isinstance(at, int) and _SEGMENT.fullmatch(name)
        }
        for server, files in notes.items()
        if isinstance(files, dict)
    }


def write_left_out(writer_dir: Path, server: str, files: dict[str, int]) -> None:
    """Note which log files a server is not given, and which position it had.

    Raises:
        OSError: The folder cannot be written.
    """
    write_json(writer_dir / _LEFT_OUT, {**read_left_out(writer_dir), server: files})


def read_owed(writer_dir: Path) -> dict[str, int]:
    """How many large files of a writer each server lacked, by server id; a broken file is none."""
    owed = _read_notes(writer_dir / _OWED)
    return {server: files for server, files in owed.items() if isinstance(files, int)}


def write_owed(writer_dir: Path, server: str, files: int) -> None:
    """Note how many large files a server lacks; there is no note where none has ever lacked any.

    Raises:
        OSError: The folder cannot be written.
    """
    before = read_owed(writer_dir)
    if files != before.get(server, 0):
        write_json(writer_dir / _OWED, {**before, server: files})


def segments(writer_dir: Path) -> set[str]:
    """The names of a writer's log files."""
    return {path.name for path in writer_dir.glob("*.wal") if _SEGMENT.fullmatch(path.name)}


def segment_name(number: int) -> str:
    """The name of a log file."""
    return f"{number:08}.wal"


def end_of(segment: str) -> int:
    """The position at which the log file behind one begins."""
    return (int(segment.removesuffix(".wal")) + 1) << 32


def keep_note(folder: Path, run_id: str, *, ended: str = "") -> None:
    """Note beside a run's folder which run goes on; with a writer in `ended`: that it ended well.

    Raises:
        OSError: It cannot be written.
    """
    note = {"run_id": run_id} | ({"folder": folder.name, "writer": ended} if ended else {})
    write_json(folder.with_name(_NOTE), note)


def read_note(root: Path) -> dict[str, str]:
    """What `keep_note` noted; a broken note is none."""
    note = _read_notes(root / _NOTE)
    if not all(isinstance(value, str) for value in note.values()):
        return {}
    return note if "run_id" in note else {}
