"""Files of a run whose process was killed: those in its folder that its log does not have."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from steplog import _panels
from steplog._blob_folder import BlobFolder
from steplog._config_file import text_of
from steplog._tracked_file import MOST_WRITTEN, SMALL_BYTES, written
from steplog._writer import LeftFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any


def take_left_files(
    run_dir: Path,
    writers: Sequence[dict[str, Any]],
    warn: Callable[[str], None],
    *,
    config: Mapping[str, object],
) -> bool:
    """Append to the log of a run's last process, if it was killed, the files that it has left.

    `writers` are as of `RunLog.writers`, `config` is what the log says of it: a `config.yaml` of
    another content is the program's own, which a run that ends does not take either. On the disk
    when it returns. Whoever is killed in it has appended all of them, or nothing. What cannot be
    read is warned about.

    Returns:
        Whether there were any.

    Raises:
        StorageError: The log cannot be read, or not be written.
        OSError: The folder cannot be written.
    """
    killed = _killed(run_dir, writers)
    writer_dir = run_dir / "wal" / killed
    log = LeftFiles.open(writer_dir) if killed else None
    if log is None:
        return False
    files, is_any = run_dir / "files", False
    blobs = BlobFolder(writer_dir)
    for path in itertools.islice(written(files), MOST_WRITTEN):
        name = path.relative_to(files).as_posix()
        try:
            if _is_programs(name, path, config):
                continue
            is_any |= _take(log, name, path, blobs=blobs)
        except UnicodeEncodeError:
            warn(f"{name!r} is not taken: its name is no text")
        except OSError as error:
            warn(f"{path} is not taken: {error.strerror or error}")
    log.show()
    return is_any


def _is_programs(name: str, path: Path, config: Mapping[str, object]) -> bool:
    """Whether it took the place of a file that the run itself writes."""
    if name == "summary.json":  # the run writes it at its end, and to its log
        return True
    if name != "config.yaml":
        return False
    return path.read_bytes() != text_of(_panels.without(config)).encode()


def _take(log: LeftFiles, name: str, path: Path, *, blobs: BlobFolder) -> bool:
    found = path.stat()
    if found.st_size <= SMALL_BYTES:
        return log.append_file(name, found.st_mtime_ns, path.read_bytes())
    # Also what is kept already, as a link to this file: it may have been written into since.
    sha256 = blobs.keep_link(path, until=math.inf).sha256
    return log.append_blob(name, found.st_mtime_ns, sha256, found.st_size)


def _killed(run_dir: Path, writers: Sequence[dict[str, Any]]) -> str:
    """The process that went on with the run last, if it was killed; children are none."""
    if any(writer["damage"] or writer["incomplete"] for writer in writers):
        return ""  # what is missing may come back, and has its place
    known = {writer["writer"] for writer in writers}
    starts = [
        (start.get("generation", 0), start.get("wall_nanos", 0), writer["writer"], writer)
        for writer in writers
        if (start := writer["start"] or {}).get("parent") not in known
    ]
    if not starts:
        return ""
    _, _, name, last = max(starts, key=lambda one: one[:3])
    # Of a signal the code is negative: nothing of the program's has run since.
    is_killed = not last["live"] and (last["exit_code"] is None or last["exit_code"] < 0)
    return name if is_killed and not _has_ended(run_dir, last) else ""


def _has_ended(run_dir: Path, last: dict[str, Any]) -> bool:
    """Whether it wrote the file of the end after all that is left of its log."""
    try:
        written_nanos = (run_dir / "files" / "summary.json").stat().st_mtime_ns
    except OSError:
        return False
    return written_nanos >= max(last["walls"] or (0,))
