"""What a person is to be told, checked."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._names import as_text

if TYPE_CHECKING:
    from datetime import timedelta

_WAIT_SECS = 60.0
_MOST_TITLE = 200
"""Letters of a title, which is one line of a page or of a chat."""
_MAX_SECS = 1e9


class AlertLevel(enum.Enum):
    """How bad it is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def alert_of(
    title: object,
    text: object,
    *,
    level: str | AlertLevel | None,
    wait_duration: float | timedelta | None,
) -> tuple[str, str, str, int]:
    """Title, text, level, and the least time between two of the title in milliseconds.

    A longer title is cut, and then ends with `…`.

    Raises:
        ArgumentTypeError: One is of a wrong type.
        UsageError: The title is empty, there is no such level, or the time is negative.
    """
    said = as_text("title", title)
    if not said.strip():
        raise UsageError("an alert needs a title")
    if len(said) > _MOST_TITLE:
        said = said[: _MOST_TITLE - 1] + "…"
    return said, as_text("text", text), _level(level), _millis(wait_duration)


def _level(level: str | AlertLevel | None) -> str:
    if isinstance(level, AlertLevel):
        return level.value
    if level is not None and not isinstance(level, str):
        raise ArgumentTypeError(f"level must be text, got {type(level).__name__}")
    known = [one.value for one in AlertLevel]
    said = "INFO" if level is None else level.upper()
    if said not in known:
        raise UsageError(f"level must be {' or '.join(known)}, got {level!r}")
    return said


def _millis(duration: Any) -> int:  # noqa: ANN401  # a number, or of `datetime`, not imported here
    if duration is None:
        secs = _WAIT_SECS
    elif hasattr(duration, "total_seconds"):
        secs = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        secs = float(duration)
    else:
        kind = type(duration).__name__
        raise ArgumentTypeError(f"wait_duration must be seconds or a timedelta, got {kind}")
    if not 0 <= secs <= _MAX_SECS:
        raise UsageError(f"wait_duration must be 0 to {_MAX_SECS:,.0f} seconds, got {secs}")
    return round(secs * 1000)
