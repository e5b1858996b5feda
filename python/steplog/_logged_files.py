"""Files of a run that go through its log, and so to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog import _folder
from steplog._errors import StorageError

if TYPE_CHECKING:
    from steplog._config_file import ConfigFile
    from steplog._notices import Notices
    from steplog._writer import Writer

_MAX_BYTES = 1 << 20
"""One that is larger stays in the run's folder."""


class LoggedFiles:
    """Logs `config.yaml` at the start, again at the end if it has changed, and `summary.json`."""

    def __init__(self, config_file: ConfigFile, notices: Notices) -> None:
        self._config_file = config_file
        self._notices = notices
        self._config = ""

    def log_config(self, writer: Writer) -> None:
        """Log the config unless it is logged already; never raises for the disk."""
        text = self._config_file.text()
        if text not in {"", self._config}:
            self._config = text
            self._log(writer, "config.yaml", text)

    def end(self, writer: Writer) -> None:
        """Log what the run has come to; never raises for the disk."""
        self.log_config(writer)
        try:
            summary = writer.summary()
        except StorageError as error:
            self._notices.warn("summary.json", f"summary.json is not in the log: {error}")
            return
        self._log(writer, "summary.json", _folder.json_text(summary))

    def _log(self, writer: Writer, name: str, text: str) -> None:
        content = text.encode()
        if len(content) > _MAX_BYTES:
            self._notices.warn(name, f"{name} is larger than 1 MiB: it stays in the run's folder")
            return
        try:
            writer.put_file(name, content)
        except StorageError as error:
            self._notices.tell_lost(1, error.strerror or error)
