"""Uploads of a run's logs, several at the same time, and what they come to."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steplog import _closing, _folder, _keys
from steplog._cli.standing import is_whole
from steplog._runs import generation
from steplog._terminal import count, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from steplog._cli.standing import Server
    from steplog._runs import LocalRun
    from steplog._writer import SyncJob

# Longest wait for the upload's thread before Ctrl-C and the progress bar are looked after.
_LOOK_SECS = 0.1
# Time that an upload may take in all: the time without progress ends it long before.
_UPLOAD_SECS = 30 * 86_400.0
# Uploads of one run at a time: enough to hide the way to the server, little for the server.
_UPLOADS = 8


@dataclass
class Uploads:
    """Uploads logs of a run, and counts them into `report`; `show` is told of records done."""

    run: LocalRun
    server: Server
    report: dict[str, Any]
    show: Callable[[int], None]

    def send(self, writers: Sequence[dict[str, Any]]) -> None:
        """Upload these writers' logs; a failure is in the report.

        Earlier attempts first: what a later one says of the run is what counts.
        """
        ordered = sorted(writers, key=generation)
        for _, attempts in itertools.groupby(ordered, key=generation):
            some = list(attempts)
            for at in range(0, len(some), _UPLOADS):
                self._send_some(some[at : at + _UPLOADS])

    def complete(self, writers: Sequence[dict[str, Any]]) -> set[str]:
        """After `send`: have the server take anew each log of which it has less than there is.

        What could not be read when the rest was sent is readable now. That is for a log all of
        which can be read; of others the report says what the server lacks. Later attempts follow
        once more.

        Returns:
            The writers whose logs were taken anew.

        Raises:
            ServerError: The server cannot be asked.
            OSError: The folder cannot be written.
        """
        again: list[dict[str, Any]] = []
        for writer in sorted(writers, key=generation):
            standing = self.server.standing(self.run, writer["writer"])
            lacks = standing.lacks(writer)
            follows = any(generation(one) < generation(writer) for one in again)
            folder = self.run.writer_dir(writer["writer"])
            what = f"{count(lacks, 'record')} of {folder} {'is' if lacks == 1 else 'are'} not there"
            if is_whole(writer) and (lacks or (follows and not writer["live"])):
                if lacks:
                    say(f"{self.run.id}: {what}, though later ones are: the log is sent anew")
                self._take_anew(writer, standing.server)
                again.append(writer)
            elif lacks:
                self.report["records_already"] -= lacks
                self.report["error"] = f"{what}: they are sent when all of the log can be read"
        self.send(again)
        return {writer["writer"] for writer in again}

    def tell_hidden(self, writers: Sequence[dict[str, Any]]) -> None:
        """Say which later attempts are hidden by what has just been sent.

        Raises:
            ServerError: The server cannot be asked.
        """
        resumed = [
            writer["writer"]
            for writer in writers
            if writer["sent"] and (writer["start"] or {}).get("resumed")
        ]
        hidden = self.server.hidden(self.run, resumed) if resumed else {}
        for writer, step in hidden.items():
            say(
                f"{self.run.id}: the attempt {writer} began later, but had come before this one, "
                f"which takes its place from step {step} on (its rows there: branch=all)"
            )

    def _tell_files(self, writer: dict[str, Any], status: Mapping[str, Any]) -> None:
        """Say which large files did not come, though all records have."""
        waiting = status["files_waiting"]
        if waiting:
            folder = self.run.writer_dir(writer["writer"]) / "blobs"
            why = status["files_reason"] or f"not as they were recorded in {folder}"
            self.report["error"] = f"{count(waiting, 'large file')} did not come: {why}"

    def _take_anew(self, writer: dict[str, Any], server: str) -> None:
        self.server.forget(self.run, writer["writer"], server)
        _folder.write_left_out(self.run.writer_dir(writer["writer"]), server, {})
        self.report["records_already"] -= writer["records"] - writer["sent"]

    def _send_some(self, writers: Sequence[dict[str, Any]]) -> None:
        report, settings = self.report, self.server.settings
        jobs = [
            self.run.log.sync(
                writer["writer"],
                base_url=settings.base_url,
                entity=self.run.identity["entity"],
                project=self.run.identity["project"],
                run=self.run.id,
                api_key=settings.api_key,
                ca_file=settings.ca_file or None,
                keys_file=_keys.keys_file(),
                timeout_secs=_UPLOAD_SECS,
                start=self.run.stand_in(writer),
                revive=True,
            )
            for writer in writers
        ]
        before = int(report["records_sent"]) + int(report["records_already"])
        records = sum(int(writer["records"]) for writer in writers)
        timeout_secs = self.server.timeout_secs
        progressing = _wait(jobs, timeout_secs, lambda sent: self.show(before + sent))
        if progressing:
            self.show(before + records)  # also those that were there already
        for writer, job in zip(writers, jobs, strict=True):
            status: dict[str, Any] = job.status()
            report["records_sent"] += status["sent"]
            # What came from another upload meanwhile may have been sent by both.
            writer["sent"] = min(writer["records"], status["sent"])
            # A folder that cannot be written only forgets how far the server is.
            with contextlib.suppress(OSError):
                _closing.note_cursor(self.run.dir, writer["writer"], status)
            if status["acknowledged"] >= writer["last"]:
                report["records_already"] += writer["records"] - writer["sent"]
                self._tell_files(writer, status)
            else:
                reason = status["upload_reason"]
                if not progressing:
                    silent = reason or "the server is silent"
                    reason = f"no progress for {timeout_secs:g} s ({silent})"
                report["error"] = f"{reason or 'not everything was taken'}: {settings.base_url}"


def _moved(jobs: list[SyncJob]) -> int:
    """What grows while something comes to the server."""
    return _total(jobs, "acknowledged") + _total(jobs, "file_bytes_sent")


def _wait(jobs: list[SyncJob], timeout_secs: float, show: Callable[[int], None]) -> bool:
    """Wait for the uploads; false when they have stopped moving before their end."""
    moved_at, moved = time.monotonic(), -1
    for job in jobs:
        while not job.wait(_LOOK_SECS):
            sent = _total(jobs, "sent")
            show(sent)
            if _moved(jobs) != moved:
                moved_at, moved = time.monotonic(), _moved(jobs)
            elif time.monotonic() - moved_at > timeout_secs:
                return False
    show(_total(jobs, "sent"))
    return True


def _total(jobs: list[SyncJob], what: str) -> int:
    statuses: list[dict[str, Any]] = [job.status() for job in jobs]
    return sum(int(status[what]) for status in statuses)
