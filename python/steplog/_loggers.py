"""What loggers of Python's `logging` say, in the run's output."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._names import whole_text

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
        self._own: list[tuple[logging.Logger, _Handler]] = []
        for one in wanted:
            name, _, level = one.rpartition("=")
            logger = logging.getLogger(None if name == "root" else name)
            self._own.append((logger, _Handler(writer, notices, level_of(level))))
        _taken.extend(self._own)

    def stop(self) -> None:
        """Take no more; harmless when called again."""
        for one in self._own:
            if one in _taken:
                _taken.remove(one)


class _Handler(logging.Handler):
    """Writes `LEVEL:name:message`, and a traceback where there is one, as W&B does."""

    def __init__(self, writer: Writer, notices: Notices, level: int) -> None:
        super().__init__(level)
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


_taken: list[tuple[logging.Logger, _Handler]] = []
_untouched = logging.Logger.callHandlers


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """As `Logger.callHandlers`, which gets what a logger lets through; then take the record."""
    _untouched(logger, record)
    heard: logging.Logger | None = logger
    while _taken and heard is not None:
        for one, handler in tuple(_taken):
            if one is heard and record.levelno >= handler.level:
                handler.handle(record)
        heard = heard.parent if heard.propagate else None


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
