"""Where the files of images and the like go: into the log, large ones beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog import _values
from steplog._blob_folder import BlobFolder
from steplog._errors import RunClosedError
from steplog._panels import Panels
from steplog._tracked_file import SMALL_BYTES
from steplog._writer import NullWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from steplog._notices import Notices
    from steplog._owed import Owed
    from steplog._writer import Writer


class MediaFiles:
    """Keeps the files of one run's values.

    Attributes:
        kept: Hashes of those that lie beside the log.
        panels: How charts are drawn.
    """

    def __init__(self, notices: Notices, owed: Owed, *, config: Mapping[str, object]) -> None:
        """`config` is what the run had when it began."""
        self.notices = notices
        self.kept: set[bytes] = set()
        self.panels = Panels(owed, config)

    def place(
        self, writer: Writer | NullWriter, step: int | str, writer_dir: Path | None
    ) -> MediaPlace:
        """Where the files of a row, or of what stands in the place of its step, go."""
        return MediaPlace(self, writer, step, writer_dir)


@dataclass(frozen=True)
class MediaPlace:
    """Where the files of one row go.

    Attributes:
        step: The row.
    """

    _files: MediaFiles
    _writer: Writer | NullWriter
    step: int | str
    _writer_dir: Path | None

    @property
    def owner(self) -> str:
        """Tells the log whose files these are from others."""
        return "" if self._writer_dir is None else str(self._writer_dir)

    def put(self, name: str, content: bytes, sha256: bytes) -> bool:
        """Keep a file; false when there is no room for it, which is told of.

        In the log when it returns, a large one beside it.

        Raises:
            RunClosedError: The run has ended.
        """
        if isinstance(self._writer, NullWriter) or self._writer_dir is None:
            return True
        try:
            if len(content) <= SMALL_BYTES:
                self._writer.put_file(name, content)
            else:
                self._files.kept.add(sha256)
                BlobFolder(self._writer_dir).keep(content, sha256)
                self._writer.put_blob(name, sha256, len(content))
        except RunClosedError:
            raise
        except OSError as error:  # a StorageError is one
            self._files.notices.tell_lost(1, error.strerror or error)
            return False
        return True

    def put_panel(self, section: str, key: str, panel: dict[str, object]) -> None:
        """As of `Place`.

        Raises:
            RunClosedError: The run has ended.
        """
        writer = self._writer
        if not isinstance(writer, NullWriter):
            self._files.panels.put(writer.put_config, (section, key), panel)

    def plain(self, value: object, otherwise: Callable[[object], object]) -> object:
        """As of `Place`."""
        return _values.plain_value(value, otherwise=otherwise)

    def warn(self, text: str) -> None:
        """Say once what is not as the user may expect."""
        self._files.notices.warn(text, text)
