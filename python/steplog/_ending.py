"""The end of a run: its exit record, its files, what other processes left, the closing line."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from steplog import _closing, _folder
from steplog._errors import RunClosedError, SteplogError, StorageError
from steplog._footer import can_draw, footer
from steplog._settings import DEFAULT_BASE_URL
from steplog._terminal import count
from steplog._writer import NullWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from steplog._config_file import ConfigFile
    from steplog._facts import Facts
    from steplog._logged_files import LoggedFiles
    from steplog._notices import Notices
    from steplog._process_writer import ProcessWriter
    from steplog._settings import Settings
    from steplog._writer import Writer


class Ending:
    """Ends a run's writer of this process: `begin`, then wait for it, then `close`.

    `url` is the run's page, None when it has none; `changed_file` says which file that is to be
    sent is not as it was recorded, or nothing.
    """

    def __init__(
        self,
        process: ProcessWriter,
        notices: Notices,
        *,
        settings: Settings,
        facts: Facts,
        url: str | None,
        changed_file: Callable[[], str],
    ) -> None:
        self._process = process
        self._notices = notices
        self._settings = settings
        self._facts = facts
        self._url = url
        self._changed_file = changed_file
        self._is_lost = False  # the only thing that is missing, and no sync can send it
        self._until = 0.0
        self._is_noted = False
        self._is_hurried = False

    def note_for_resume(self) -> None:
        """Note that the run goes on, until it ends well."""
        self._is_noted = True
        self._keep_note()

    def _keep_note(self, *, ended: str = "") -> None:
        if self._process.folder is None:
            return
        try:
            _folder.keep_note(self._process.folder, self._facts.id, ended=ended)
        except OSError as error:
            self._notices.warn("note", f'resume="auto" will not find this run: {error}')

    def begin(self, exit_code: int, timeout_secs: float, files: LoggedFiles) -> Writer | None:
        """Record files and the end, and let the writer's threads come to theirs.

        Returns:
            The writer to wait for; None when there is nothing to wait for.
        """
        self._until = time.monotonic() + timeout_secs
        writer = self._process.writer
        if isinstance(writer, NullWriter):
            writer.is_closed = True
            return None
        if writer.is_closed or writer.is_forked:
            return None
        if self._is_noted and exit_code == 0 and not self._process.is_child:
            self._keep_note(ended=self._process.id)
        if not self._process.is_child:
            files.end(writer)
        try:
            # The upload's last answer may just be coming in when its time is over.
            writer.begin_finish(exit_code, max(timeout_secs - 0.5, timeout_secs * 0.8))
        except RunClosedError:
            return None
        except StorageError as error:
            self._notices.warn("exit", f"the end of the run could not be recorded: {error}")
        return writer

    def hurry(self) -> None:
        """Whoever does not want to wait any longer is told all the same what is where."""
        self._until = time.monotonic()
        self._is_hurried = True

    @property
    def _why_not(self) -> str:
        return "the end was not waited for" if self._is_hurried else "not reached in time"

    def _left(self, status: Mapping[str, Any]) -> str:
        """Why not everything is at the server, or nothing."""
        if status["acknowledged"] < status["last"]:
            return str(status["upload_reason"] or self._why_not)
        if status["files_waiting"]:
            files = count(status["files_waiting"], "file")
            changed = self._changed_file()
            self._is_lost = bool(changed) and status["files_waiting"] == 1
            return f"{files}: {changed or status['files_reason'] or self._why_not}"
        return ""

    def close(self, writer: Writer, config_file: ConfigFile, *, ended: bool) -> None:
        """Write the run's files, send what other processes left, and say where everything is."""
        status: dict[str, Any] = writer.status()
        rows, reason = status["rows"], self._left(status)
        folder, is_child = self._process.folder, self._process.is_child
        # Of a parent that is gone nobody else sends what it left.
        is_last = not is_child or self._process.is_orphan
        try:
            if folder is not None:
                _closing.note_cursor(folder, self._process.id, status)
            if folder is not None and not is_child:
                _closing.write_files(folder, config_file=config_file, writer=writer)
            if folder is not None and is_last:
                rows, reason = self._close_others(folder, rows, reason)
        except (OSError, SteplogError) as error:
            self._notices.warn("files", f"the run's folder cannot be closed: {error}")
        lost = [f"{number:,} {name}" for name, number in self._notices.counts.items() if number]
        if lost:
            self._notices.warn("counts", f"not recorded: {', '.join(lost)}")
        if not is_child:
            self._say_footer(writer)
        if not is_child or (reason and self._settings.mode == "online"):
            self._say_closing(rows, reason)
        if not ended and not self._is_hurried:
            self._notices.warn("late", "the writer's threads had not ended at the deadline")

    def _close_others(self, folder: Path, rows: int, reason: str) -> tuple[int, str]:
        """Send what other processes of the run have left; returns the rows of all, and a reason."""
        size_bytes = _closing.others_bytes(folder, self._process.id)
        if size_bytes == 0:
            return rows, reason
        if size_bytes > _closing.MAX_OTHERS_BYTES:
            return rows, reason or "the logs of other processes are too large to look at now"
        others = _closing.Others(folder, self._process.id)
        if others.running:
            self._notices.say(f"{others.running} other processes of the run are still logging")
        if self._settings.mode == "online" and not reason:
            reason = others.send(self._settings, self._facts.id, until=self._until)
        return others.rows, reason

    def _say_footer(self, writer: Writer) -> None:
        try:
            trends, summary = writer.trends(), writer.summary()
        except StorageError as error:
            self._notices.warn("footer", f"the log cannot be read back: {error}")
            return
        for line in footer(trends, summary, drawn=can_draw()):
            self._notices.say(line)

    def _say_closing(self, rows: int, reason: str) -> None:
        folder = self._process.folder
        told = f"run {self._facts.name}: {count(rows, 'row')}"
        how = f"send it with: {self._sync_command()}"
        if folder is not None and not folder.exists():
            gone = "the folder is gone, and what was not sent with it"
            self._notices.warn("sync", f"{told} in {folder}; {gone}")
        elif self._settings.mode == "offline":
            self._notices.say(f"{told} in {folder}; {how}")
        elif reason and self._is_lost:
            self._notices.warn(
                "sync", f"{told} in {folder}, not all at the server ({reason}): that is lost"
            )
        elif reason:
            self._notices.warn(
                "sync", f"{told} in {folder}, not all at the server ({reason}); {how}"
            )
        else:
            self._notices.say(f"{told} at {self._url}")

    def _sync_command(self) -> str:
        """What a shell sends the run with."""
        command = ["steplog", "sync", str(self._process.folder)]
        if self._settings.base_url != DEFAULT_BASE_URL:
            command += ["--base-url", self._settings.base_url]
        return shlex.join(command)
