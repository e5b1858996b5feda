"""The end of a run: its files, the logs of processes that are gone, and the closing line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from steplog import _folder
from steplog._keys import keys_file
from steplog._writer import RunLog, take_rests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from steplog._config_file import ConfigFile
    from steplog._settings import Settings
    from steplog._writer import Writer


def write_files(folder: Path, *, config_file: ConfigFile, writer: Writer) -> None:
    """Write config and summary into the run's folder.

    Raises:
        OSError: The folder cannot be written.
    """
    config_file.settle()
    _folder.write_json(folder / "files" / "summary.json", writer.summary())


def note_cursor(folder: Path, writer_id: str, status: Mapping[str, Any]) -> None:
    """Write how far the server has come with a writer's log, and how many files it still wants.

    Raises:
        OSError: The folder cannot be written.
    """
    if status["server"]:
        writer_dir = folder / "wal" / writer_id
        # First what it lacks: whoever is killed in between must not take all for done.
        _folder.write_owed(writer_dir, status["server"], status["files_waiting"])
        _folder.write_cursor(writer_dir, status["server"], status["acknowledged"])


# Longest time before Ctrl-C is looked after while something is waited for.
_LOOK_SECS = 0.1

MAX_OTHERS_BYTES = 256 << 20
"""More than this is not read at the end of a run: it would take longer than a person waits."""


class Others:
    """The logs of other processes of a run, such as forked children, that are over.

    A child that ended without its exit hooks may have left records that only its log holds.
    """

    def __init__(self, folder: Path, writer_id: str) -> None:
        self._folder = folder
        take_rests(folder)
        self._log = RunLog(folder)
        others: list[dict[str, Any]] = [
            writer
            for writer in self._log.writers()
            if writer["writer"] != writer_id and writer["records"]
        ]
        self.running = sum(1 for writer in others if writer["live"])
        self._over = [writer for writer in others if not writer["live"]]
        self.rows = self._log.row_count

    def send(self, settings: Settings, run_id: str, *, until: float) -> str:
        """Send what the server does not have, until a time of `time.monotonic`.

        Returns:
            Why not everything is there, or nothing.
        """
        # What is missing in the middle could not be sent later: `steplog sync` says more of it.
        cut = [path for writer in self._over for path in writer["incomplete"]]
        jobs = [
            (
                writer,
                self._log.sync(
                    writer["writer"],
                    entity=settings.entity,
                    project=settings.project,
                    run=run_id,
                    base_url=settings.base_url,
                    api_key=settings.api_key,
                    ca_file=settings.ca_file or None,
                    keys_file=keys_file(),
                    timeout_secs=max(0.0, until - time.monotonic()),
                ),
            )
            for writer in self._over
            if not writer["incomplete"]
        ]
        reason = f"{cut[0]} is incomplete" if cut else ""
        for writer, job in jobs:
            in_looks(job.wait, until - time.monotonic())
            status: dict[str, Any] = job.status()
            note_cursor(self._folder, writer["writer"], status)
            if status["acknowledged"] < writer["last"]:
                reason = status["upload_reason"] or "not reached in time"
            elif status["files_waiting"]:
                reason = status["files_reason"] or "files are not there"
        return reason


def others_bytes(folder: Path, writer_id: str) -> int:
    """Size of the logs of other processes in a run's folder."""
    return sum(
        segment.stat().st_size
        for segment in (folder / "wal").glob("*/*.wal")
        if segment.parent.name != writer_id
    )


def in_looks(wait: Callable[[float], bool], timeout_secs: float) -> bool:
    """Wait in slices, between which Python answers to signals."""
    until = time.monotonic() + timeout_secs
    while True:
        left = until - time.monotonic()
        if wait(min(max(left, 0.0), _LOOK_SECS)):
            return True
        if left <= 0:
            return False
