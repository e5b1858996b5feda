"""Files that a run itself writes: they go through its log, and so to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog import _folder
from steplog._errors import RunClosedError, StorageError
from steplog._tracked_file import SMALL_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from steplog._config_file import ConfigFile
    from steplog._notices import Notices
    from steplog._writer import Writer


class LoggedFiles:
    """Logs `config.yaml` at the start, again at the end if it has changed, and `summary.json`.

    Attributes:
        names: What they are called.
    """

    def __init__(self, config_file: ConfigFile, notices: Notices, *, folder: Path | None) -> None:
        self._config_file = config_file
        self._folder = folder
        self._notices = notices
        self._config = ""
        self.names = {"config.yaml", "summary.json"}

    def log_config(self, writer: Writer) -> None:
        """Log the config unless it is logged already; never raises for the disk."""
        text = self._config_file.text()
        if text not in {"", self._config}:
            self._config = text
            self._log(writer, "config.yaml", text.encode())

    def end(self, writer: Writer) -> None:
        """Log what the run has come to; never raises for the disk."""
        self.log_config(writer)
        try:
            summary = writer.summary()
        except StorageError as error:
            self._notices.warn("summary.json", f"summary.json is not in the log: {error}")
            return
        self._log(writer, "summary.json", _folder.json_text(summary).encode())

    def put(self, writer: Writer, name: str, content: bytes) -> None:
        """Write another file into the run's folder, and log it; never raises for the disk."""
        self.names.add(name)
        if self._folder is not None:
            try:
                path = self._folder / "files" / name
                path.parent.mkdir(exist_ok=True)
                _folder.write_bytes(path, content)
            except OSError as error:
                self._notices.warn("files", f"{name} cannot be written: {error}")
        self._log(writer, name, content)

    def _is_too_large(self, name: str, size_bytes: int) -> bool:
        if size_bytes <= SMALL_BYTES:
            return False
        self._notices.warn(name, f"{name} is larger than 1 MiB: it stays in the run's folder")
        return True

    def _log(self, writer: Writer, name: str, content: bytes) -> None:
        if self._is_too_large(name, len(content)):
            return
        try:
            writer.put_file(name, content)
        except RunClosedError:
            return  # what comes behind the end is in the folder
        except StorageError as error:
            self._notices.tell_lost(1, error.strerror or error)
