"""What loggers of Python's `logging` say, in the run's output."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._names import whole_text
from steplog._streams import printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog._notices import Notices
    from steplog._writer import Writer

_STDERR = 2


class Loggers:
    """Takes what loggers say, each from a level on, until `stop`. Forked children's is not taken.

    `wanted` are names with levels, such as `uvicorn=INFO`; `root` is the root logger. They get no
    handlers: of a logger that has one, `logging` prints nothing by itself, and `basicConfig` does
    nothing.
    """

    def __init__(self, writer: Writer, notices: Notices, wanted: Sequence[str]) -> None:
        self._handler = _Handler(writer, notices)
        self._levels: dict[logging.Logger, int] = {}
        for one in wanted:
            name, _, level = one.rpartition("=")
            logger = logging.getLogger(None if name == "root" else name)
            self._levels[logger] = level_of(level)
        _taking.append(self)

    def take(self, record: logging.LogRecord, loggers: Sequence[logging.Logger]) -> None:
        """Take a record, once, that one of these wanted loggers has let through."""
        levels = [self._levels[logger] for logger in loggers if logger in self._levels]
        if levels and record.levelno >= min(levels):
            self._handler.handle(record)

    def stop(self) -> None:
        """Take no more; harmless when called again."""
        if self in _taking:
            _taking.remove(self)


class _Handler(logging.Handler):
    """Writes `LEVEL:name:message`, and a traceback where there is one, as W&B does."""

    def __init__(self, writer: Writer, notices: Notices) -> None:
        super().__init__()
        self._writer = writer
        self._notices = notices
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        if self._writer.is_forked:
            return
        try:
            text = whole_text(self.format(record)) + "\n"
        except Exception:  # noqa: BLE001  # as every handler: `logging` says what is wrong
            self.handleError(record)
            return
        try:
            self._writer.put_output(_STDERR, text)
        except RunClosedError:
            pass  # said while the run ends
        except (StorageError, UsageError) as error:
            self._notices.warn("output", f"what is logged is not recorded: {error}")


_taking: list[Loggers] = []
_untouched = logging.Logger.callHandlers


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """As `Logger.callHandlers`, which gets what a logger lets through.

    Then the record is taken, unless its handlers have printed it: that is in the output already.
    """
    before = printed()
    _untouched(logger, record)
    if not _taking or printed() != before:
        return
    heard = [logger]
    while heard[-1].propagate and heard[-1].parent is not None:
        heard.append(heard[-1].parent)
    for loggers in tuple(_taking):
        loggers.take(record, heard)


logging.Logger.callHandlers = _call_handlers  # type: ignore[assignment]  # for good


def level_of(name: str) -> int:
    """A level by its name or number.

    Raises:
        UsageError: There is no such level.
    """
    if name.isdecimal():
        return int(name)
    found = logging.getLevelName(name.upper())
    if not isinstance(found, int):
        raise UsageError(f"there is no level {name!r} of logging, as in root=INFO")
    return found
