"""The config in a run's folder, `files/config.yaml`, kept as the config is."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from steplog import _folder
from steplog._errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from steplog._notices import Notices

# A disk that does not answer for so long is not waited for.
_SETTLE_SECS = 5.0


class ConfigFile:
    """Writes the config whenever it changes, so that a run that is killed has it.

    Changes are written by a thread that lives as long as there are some, so that nobody waits for
    the disk, and a thousand changes in a row are a few writes. A forked child writes nothing: the
    file is its parent's.
    """

    def __init__(self, folder: Path | None, notices: Notices) -> None:
        self._path = folder / "files" / "config.yaml" if folder else None
        self._notices = notices
        self._process: int | None = None  # that of `start`; a forked child is another
        # Guards what is below but the text last made, never held while the disk is waited for.
        self._lock = threading.Lock()
        self._wanted: Mapping[str, object] = {}
        self._written: Mapping[str, object] | None = None
        self._last: tuple[Mapping[str, object] | None, str] = (None, "")
        self._thread: threading.Thread | None = None

    def start(self, values: Mapping[str, object]) -> None:
        """Write the config that the run starts with, if there is one; never raises for the disk."""
        self._process = os.getpid()
        self._wanted = values
        if values:
            self._write_or_warn(values)

    def change(self, values: Mapping[str, object]) -> None:
        """Note what the config has become, for the thread to write. Never waits for the disk."""
        if self._path is None or os.getpid() != self._process:
            return
        with self._lock:
            self._wanted = values
            # One whose start a signal of the program interrupted may never run.
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(
                target=self._write_changes, name="steplog-config", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError:  # no more threads: `settle` writes it
                self._thread = None

    def settle(self) -> None:
        """Write what is not written yet.

        Raises:
            StorageError: The folder cannot be written, or not in time.
        """
        thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join(_SETTLE_SECS)
            if thread.is_alive():
                raise StorageError(f"no answer from the disk for {_SETTLE_SECS} s: {self._path}")
        if self._written is not self._wanted:
            self._write(self._wanted)

    def _write_changes(self) -> None:
        is_written = True
        while True:
            with self._lock:
                values = self._wanted
                if values is self._written or not is_written:
                    self._thread = None
                    return
            is_written = self._write_or_warn(values)

    def _write_or_warn(self, values: Mapping[str, object]) -> bool:
        try:
            self._write(values)
        except OSError as error:
            self._notices.warn("config.yaml", f"config.yaml cannot be written: {error}")
            return False
        return True

    def _write(self, values: Mapping[str, object]) -> None:
        if self._path is not None:
            _folder.write_text(self._path, self._text_of(values))
        self._written = values

    def text(self) -> str:
        """What the file is to hold; nothing where there is neither a file nor a config."""
        values = self._wanted
        return self._text_of(values) if values and self._path is not None else ""

    def _text_of(self, values: Mapping[str, object]) -> str:
        """YAML, made once: the file holds it, and the log."""
        last, text = self._last
        if values is last:
            return text
        text = text_of(values)
        self._last = values, text
        return text


def text_of(config: Mapping[str, object]) -> str:
    """What the file holds of a config: YAML, with sorted keys."""
    from steplog import _yaml  # noqa: PLC0415  # only a run with a config pays for it

    return _yaml.dump({key: {"value": value} for key, value in config.items()})
