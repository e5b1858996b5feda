"""Files of a run that go through its log, and so to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog import _folder
from steplog._errors import StorageError
from steplog._writer import NullWriter

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

    def start(self, writer: Writer | NullWriter) -> None:
        """Log what is there from the start; never raises for the disk."""
        self._log_config(writer)

    def end(self, writer: Writer | NullWriter) -> None:
        """Log what the run has come to; never raises for the disk."""
        self._log_config(writer)
        if isinstance(writer, NullWriter):
            return
        try:
            summary = writer.summary()
        except StorageError as error:
            self._notices.warn("summary.json", f"summary.json is not in the log: {error}")
            return
        self._log(writer, "summary.json", _folder.json_text(summary))

    def _log_config(self, writer: Writer | NullWriter) -> None:
        text = self._config_file.text()
        if text not in {"", self._config}:
            self._config = text
            self._log(writer, "config.yaml", text)

    def _log(self, writer: Writer | NullWriter, name: str, text: str) -> None:
        if isinstance(writer, NullWriter):
            return
        content = text.encode()
        if len(content) > _MAX_BYTES:
            self._notices.warn(name, f"{name} is larger than 1 MiB: it stays in the run's folder")
            return
        try:
            writer.put_file(name, content)
        except StorageError as error:
            self._notices.tell_lost(1, error.strerror or error)
